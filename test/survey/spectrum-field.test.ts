import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fileWithIds, extendSurvey, growSurvey } from "../../src/survey/grow.ts";
import { surveySchema } from "../../src/survey/survey-schema.ts";
import { loadSurvey, surveyOf } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";

const folder = scratch();

function write(name: string, text: string): string {
  const path = join(folder, `${name}.yaml`);
  writeFileSync(path, text);
  return path;
}

const GRID = "{ from: 4000, to: 8000, pixels: 64 }";
const parent = (): string =>
  write(
    "parent",
    `name: parent
title: a parent
fluxUnit: 1e-19 erg/s/cm2/A
fluxRange: [-1e6, 1e6]
tiles: [sky]
zeroPointError: 0.02
bands: []
properties:
  - { name: z, kind: redshift, description: redshift, range: [0, 10] }
spectra:
  - name: spectrum
    description: a spectrum
    unit: 1e-17 erg/s/cm2/A
    grid: ${GRID}
    arms:
      - { name: B, from: 3600, to: 5800, resolution: 2500, throughput: [[3600, 0.1], [5800, 0.2]], readNoise: 3 }
      - { name: R, from: 5700, to: 8100, resolution: 4000, sky: 21.5 }
`,
  );
const heir = (rows: string): string => write("heir", `name: heir\ntitle: an heir\nextends: [${parent()}]\n${rows}`);

describe("spectra in a survey file", () => {
  it("are fields behind the properties, with grid and arms", () => {
    const { fields } = loadSurvey(parent());
    expect(fields.map(({ id, name, kind }) => [id, name, kind])).toEqual([
      [0, "z", "redshift"],
      [1, "spectrum", "spectrum"],
    ]);
    expect(fields[1]).toMatchObject({
      shape: [64],
      unit: "1e-17 erg/s/cm2/A",
      grid: { from: 4000, to: 8000, pixels: 64 },
    });
    expect(fields[1].kind === "spectrum" && fields[1].arms).toEqual([
      {
        name: "B",
        from: 3600,
        to: 5800,
        resolution: 2500,
        throughput: [
          [3600, 0.1],
          [5800, 0.2],
        ],
        readNoise: 3,
      },
      { name: "R", from: 5700, to: 8100, resolution: 4000, sky: 21.5 },
    ]);
  });

  it("are inherited: changed, omitted, joined by others", () => {
    const survey = loadSurvey(
      heir(`spectra:
  - { name: spectrum, unit: 1e-19 erg/s/cm2/A }
  - { name: infrared, description: another, unit: 1e-17 erg/s/cm2/A, grid: { from: 9000, to: 18000, pixels: 32 } }`),
    );
    expect(survey.fields.map(({ name, unit }) => [name, unit]).slice(1)).toEqual([
      ["spectrum", "1e-19 erg/s/cm2/A"],
      ["infrared", "1e-17 erg/s/cm2/A"],
    ]);
    expect(loadSurvey(heir("omit: [spectrum]")).fields.map(({ name }) => name)).toEqual(["z"]);
  });

  it("come back from what a checkpoint keeps, ids and all", () => {
    const survey = loadSurvey(parent());
    const kept = surveySchema.parse(JSON.parse(JSON.stringify(fileWithIds(survey))));
    expect(surveyOf(kept, "checkpoint").fields).toEqual(survey.fields);
  });

  it("of a survey without any are none, also in checkpoints that were written before there were any", () => {
    const { spectra: _, ...old } = fileWithIds(loadSurvey("minijpas"));
    expect(surveyOf(surveySchema.parse(JSON.parse(JSON.stringify(old))), "old").fields).toEqual(
      loadSurvey("minijpas").fields,
    );
  });

  it("join a vocabulary at its end; another grid of the same name is refused", () => {
    const old = loadSurvey("minijpas");
    const wanted = loadSurvey(parent());
    const last = old.fields.length;
    expect(extendSurvey(old, wanted, new Set(["spectrum"])).fields[last]).toMatchObject({ id: last, name: "spectrum" });
    const more = loadSurvey(
      heir(
        `spectra: [{ name: second, description: another, unit: 1e-17 erg/s/cm2/A, grid: { from: 9000, to: 9900, pixels: 9 } }]`,
      ),
    );
    expect(growSurvey(wanted, more, new Set(["second"])).fields.map(({ id, name }) => [id, name])).toEqual([
      [0, "z"],
      [1, "spectrum"],
      [2, "second"],
    ]);
    const other = loadSurvey(heir("spectra: [{ name: spectrum, grid: { from: 4000, to: 8000, pixels: 65 } }]"));
    expect(() => growSurvey(wanted, other, new Set())).toThrow(
      /heir.yaml: field spectrum has 65 pixels, 4000 - 8000 A, in the checkpoint 64 pixels/,
    );
  });

  it.each([
    ["unit: Jy", /heir.yaml:6:11: spectrum "spectrum": unit "Jy" is no flux per wavelength/],
    ["grid: { from: 9000, to: 8000, pixels: 64 }", /heir.yaml:6:.*expected from < to/],
    ["grid: { from: 4000, to: 8000, pixels: 2 }", /heir.yaml:6:.*pixels/],
    ["arms: [{ name: B, from: 1, to: 2, resolutoin: 3 }]", /heir.yaml:6:.*resolutoin/],
    ["arms: [{ name: B, from: 2, to: 3, resolution: 3, throughput: [[5, 0.1], [4, 0.1]] }]", /rising wavelengths/],
  ])("are refused where they can't be: %s", (row, message) => {
    expect(() => loadSurvey(heir(`spectra:\n  - name: spectrum\n    ${row}`))).toThrow(message);
  });
});
