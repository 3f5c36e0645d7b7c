import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { questionsOf } from "../../src/inference/questions.ts";
import { knownFields, parseFieldList } from "../../src/survey/field-list.ts";
import { loadSurvey, type Survey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";

const SPECTRUM = "  - { name: s, description: d, unit: erg/s/cm2/A, grid: { from: 4000, to: 9000, pixels: 64 } }\n";
const folder = scratch();
let count = 0;
function survey(text: string): Survey {
  const path = join(folder, `survey-${++count}.yaml`);
  writeFileSync(path, `name: own\ntitle: T\n${text}`);
  return loadSurvey(path);
}

describe("what a survey file highlights", () => {
  it("is taken over, but for what speaks of omitted fields", () => {
    const { headline, questions, figures } = survey("extends: [minijpas]\nomit: [HALPHA_EW, OIII5007_EW, AGE]\n");
    expect(headline).toEqual(["z", "LOGM"]);
    expect(questions.map(({ title }) => title)).toEqual(["all bands", "blue bands", "broad bands"]);
    expect(figures.mass).toBe("LOGM");
    expect(figures.bpt).toBeUndefined();
    expect(figures.captions?.map(({ field }) => field)).toEqual(["z", "LOGM"]);
    expect(figures.planes?.map(({ x, y }) => `${x}-${y}`)).toEqual(["LOGM-LOGZ", "LOGM-LOGSFR", "LOGSFR-AV"]);
  });

  it("is overridden key by key", () => {
    const own = survey(
      "extends: [minijpas]\nheadline: [AGE]\nfigures:\n  planes:\n    - { x: AGE, y: AV, notice: Dust and age. }\n",
    );
    expect(own.headline).toEqual(["AGE"]);
    expect(own.figures.planes).toEqual([{ x: "AGE", y: "AV", notice: "Dust and age." }]);
    expect(own.figures.bpt).toEqual(loadSurvey("minijpas").figures.bpt);
    expect(own.questions).toEqual(loadSurvey("minijpas").questions);
  });

  it("asks of spectra where there are some, and for them of networks that answer them", () => {
    const own = survey("extends: [minijpas]\nspectra:\n" + SPECTRUM);
    const questions = questionsOf(own, false, () => {});
    const asked = Object.fromEntries(questions.map(({ title, isGiven, wanted }) => [title, { isGiven, wanted }]));
    const place = own.fields.findIndex(({ kind }) => kind === "spectrum");
    const bands = own.fields.filter(({ band }) => band !== undefined).length;
    const given = (title: string): number => asked[title].isGiven.reduce((sum, one) => sum + one, 0);
    expect([given("spectra"), asked["spectra"].isGiven[place]]).toEqual([1, 1]);
    expect([given("spectra and bands"), asked["spectra and bands"].isGiven[place]]).toEqual([bands + 1, 1]);
    expect(asked["all bands"].isGiven[place]).toBe(0);
    expect(questions.some(({ wanted, spectra }) => wanted.includes(place) || spectra !== undefined)).toBe(false);
    const moons = loadSurvey("moons");
    const refused = questionsOf(moons, false, () => {}).map(({ title }) => title);
    const answered = questionsOf(moons, true, () => {});
    const wanting = answered.filter(({ spectra }) => spectra !== undefined);
    expect(wanting.map(({ title }) => title)).toEqual(["bands, for spectra", "properties, for spectra"]);
    const told: string[] = [];
    const own2 = survey("extends: [minijpas]\nspectra:\n" + SPECTRUM + "questions: [{ title: a, given: bands, want: spectra }, { title: b, given: bands, want: z }]\n"); // prettier-ignore
    questionsOf(own2, false, (line) => told.push(line));
    expect(told).toContain('question "a" not asked: nothing is wanted among the network\'s answers');
    for (const { title, isGiven, wanted, spectra } of wanting) {
      const [j] = spectra!;
      expect([moons.fields[j].kind, wanted, isGiven[j]]).toEqual(["spectrum", [], 0]);
      expect(refused).not.toContain(title);
    }
    expect(
      survey(
        "fluxUnit: uJy\nfluxRange: [-1, 1]\ntiles: [a]\nzeroPointError: 0.1\nbands: []\nproperties: []\nspectra:\n" +
          SPECTRUM,
      ).headline,
    ).toEqual([]);
    const plain = questionsOf(loadSurvey("minijpas"), false, () => {}).map(({ title }) => title);
    expect(plain.filter((title) => title.startsWith("spectra"))).toEqual([]);
  });

  it("defaults to the first three properties and the plain questions", () => {
    const bands = "bands:\n  - { name: a, group: g, pivot: 5000, edges: [4900, 5100], rise: [10, 10], depth: [22] }\n";
    const property = (name: string): string =>
      `  - { name: ${name}, kind: linear, unit: "", description: d, range: [0, 1] }\n`;
    const own = survey(
      `fluxUnit: uJy\nfluxRange: [-1, 1]\ntiles: [sky]\nzeroPointError: 0.02\n${bands}properties:\n${["p", "q", "r", "s"].map(property).join("")}`,
    );
    expect(own.headline).toEqual(["p", "q", "r"]);
    expect(own.questions).toEqual([{ title: "all bands", given: "bands", want: "properties" }]);
    expect(own.figures).toEqual({ captions: [], planes: [] });
  });

  it.each([
    ["headline: [z, LOGMM]", /yaml:4:\d+: no field "LOGMM" \(did you mean "LOGM"\?\)/],
    [
      'questions:\n  - { title: "a b", given: broads, want: z }',
      /yaml:5:\d+: question "a b": unknown field "broads" \(did you mean "broad"/,
    ],
    ["figures: { bpt: { nii: N, halpha: HALPHA_EW, oiii: OIII5007_EW, hbeta: HBETA_EW } }", /yaml:4:\d+: no field "N"/],
    ["figures: { mass: MASS }", /yaml:4:\d+: no field "MASS"/],
    ["figures: { planes: [{ x: z, y: NO, notice: n }] }", /yaml:4:\d+: no field "NO"/],
    ["figures: { plane: [] }", /yaml:4:\d+: .*unknown key "plane" \(did you mean "planes"/],
    ["question: []", /yaml:4:1: unknown key "question" \(did you mean "questions"/],
  ])("%s: says where it is wrong", (text, message) => {
    expect(() => survey(`extends: [minijpas]\n${text}\n`)).toThrow(message);
  });
});

describe("lists of fields", () => {
  const { fields } = loadSurvey("minijpas");
  const names = (list: string): string[] => parseFieldList(list, fields, "--given").map((j) => fields[j].name);

  it("take ranges of wavelength, from the first up to the second", () => {
    expect(names("3700A..3905A")).toEqual(["J0378", "J0390"]);
    expect(names("3696.3A..3796.7A")).toEqual(["u"]);
    expect(names("..2000A,z")).toEqual(["FUV", "z"]);
    expect(names("9200A..")).toEqual(["J1007"]);
    expect([...names("..6000A"), ...names("6000A..")].sort()).toEqual(names("bands").sort());
  });

  it("still take ranges along the vocabulary", () => {
    expect(names("J0378..J0400")).toEqual(["J0378", "J0390", "J0400"]);
    expect(() => names("J0400..J0378")).toThrow(/runs backwards/);
    expect(() => names("1A..2A")).toThrow("--given: names no field");
    expect(() => names("J0378..9000A")).toThrow(/unknown field "9000A"/);
    expect(() => names("..")).toThrow(/unknown field/);
  });

  it("are empty where a name is unknown, for those who ask so", () => {
    expect(knownFields("z,nowhere", fields)).toEqual([]);
    expect(knownFields("z", fields).length).toBe(1);
  });
});
