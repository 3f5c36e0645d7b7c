import { beforeAll, describe, expect, it } from "vitest";
import { type Derived, parseWish } from "../../src/inference/derived.ts";
import { continuumAt, type Light, windowsOf } from "../../src/inference/light.ts";
import { drawTogether } from "../../src/inference/light-draws.ts";
import { linesOf } from "../../src/inference/line-flux.ts";
import { query } from "../../src/inference/query.ts";
import { schemaOf } from "../../src/io/columns.ts";
import { writeTable } from "../../src/io/formats.ts";
import type { Table } from "../../src/io/table.ts";
import { quantile, sortFinite } from "../../src/report/statistics.ts";
import { gridIndex } from "../../src/simulate/grid.ts";
import { lineDensity } from "../../src/simulate/passband.ts";
import { emptyCatalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { type LineTruth, simulateLines } from "../helpers/line-truth.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";

const { fields } = loadSurvey("minijpas");
const n = fields.length;
const column = (name: string): number => fields.findIndex((field) => field.name === name);
const quantity = (name: string, of: readonly Field[] = fields): Derived => parseWish(name, of, "--want").derived[0];
const noError = new Float64Array(n);

/** What galaxies of `wanted` say of a quantity with these widths and fluxes in the bands of `groups`. */
function lightWith(z: number, fluxOf: (name: string) => number, groups: readonly string[]): Light {
  const flux = Float64Array.from(fields, ({ name, band }) =>
    band !== undefined && groups.includes(band.group) ? fluxOf(name) : Number.NaN,
  );
  return { z, flux, error: noError };
}

describe("the continuum at a line", () => {
  const windows = windowsOf(fields);
  const [at, width, level] = [8000, 300, 50];

  it.each([["narrow"], ["broad"]])("is what it is where %s bands hold a line of a flat spectrum", (group) => {
    const own = windows.filter(({ column: j }) => fields[j].band!.group === group);
    const flux = new Float64Array(n).fill(Number.NaN);
    for (const { column: j, passband } of own) flux[j] = level * (1 + width * lineDensity(passband, gridIndex(at)));
    const one = { z: 0, flux, error: noError };
    expect(continuumAt(own, one, at, [{ wavelength: at, width }])).toBeCloseTo(level, 8);
    // the line left in the bands would be taken for continuum
    expect(continuumAt(own, one, at, [])).toBeGreaterThan(1.02 * level);
  });

  it("is none without a band on either side, nor from far bands", () => {
    const light = lightWith(0, () => 1, ["narrow"]);
    for (const place of [3000, 9500]) expect(continuumAt(windows, light, place, [])).toBeNaN();
    expect(continuumAt(windows, light, 6000, [])).toBeCloseTo(1, 8);
    const apart = lightWith(0, (name) => (["J0390", "J0900"].includes(name) ? 1 : Number.NaN), ["narrow"]);
    expect(continuumAt(windows, apart, 6000, [])).toBeNaN();
  });

  it("hardly moves where a band with a large error is off", () => {
    const light = lightWith(0, (name) => (name === "J0600" ? 5 : 1), ["narrow"]);
    const error = noError.slice();
    error[column("J0600")] = 10;
    expect(continuumAt(windows, { ...light, error }, 6000, [])).toBeCloseTo(1, 3);
    expect(continuumAt(windows, light, 6000, [])).toBeGreaterThan(1.2);
  });
});

describe("lines by name", () => {
  it("are at the wavelengths in vacuum of the NIST database", () => {
    // Ritz wavelengths in vacuum, NIST ASD: Halpha 6564.6, Hbeta 4862.7, [OIII] 5008.2, [NII] 6585.3, [OII] 3727.1 and 3729.9
    const nist = { HALPHA: 6564.6, HBETA: 4862.7, OIII5007: 5008.2, NII6584: 6585.3, OII3727: 3728.5 };
    expect(linesOf(fields).map(({ name }) => name)).toEqual(Object.keys(nist).map((name) => `${name}_FLUX`));
    linesOf(fields).forEach(({ wavelength }, i) => expect(wavelength).toBeCloseTo(Object.values(nist)[i], 0));
  });

  it("need the widths of all lines, not z, and are in the unit of the fluxes over wavelength", () => {
    const { unit, needs, description } = quantity("HALPHA_FLUX");
    expect(unit).toBe("1e-19 erg/s/cm2");
    expect(needs.map((j) => fields[j].kind)).toEqual(["ew", "ew", "ew", "ew", "ew"]);
    expect(description).toContain("6564.6 Angstrom");
    expect(quantity("BALMER_DECREMENT").unit).toBe("");
  });

  it("of a survey's own are where it says, or what they are the same as; else they are refused", () => {
    const width = fields[column("HALPHA_EW")];
    const rest = fields.filter(({ kind }) => kind !== "ew");
    const own = (field: Partial<Field>): Field[] => [...rest, { ...width, ...field } as Field];
    expect(linesOf(own({ name: "EW_PA_BETA", line: 12821.6 }))).toMatchObject([
      { name: "PA_BETA_FLUX", wavelength: 12821.6 },
    ]);
    expect(linesOf(own({ name: "HA_W", sameAs: "HALPHA_EW" }))[0].wavelength).toBeCloseTo(6564.61, 2);
    expect(() => quantity("PA_BETA_FLUX", own({ name: "PA_BETA_EW" }))).toThrow(
      '--want PA_BETA_FLUX: the survey does not say where the line of PA_BETA_EW is; expected "line: <rest-frame Angstrom, vacuum>" in its row',
    );
    expect(() => quantity("BALMER_DECREMENT", own({}))).toThrow("BALMER_DECREMENT: needs the line of HBETA_EW");
  });

  it.each([
    ["sSFR", "LOGSSFR"],
    ["HALFA_FLUX", "HALPHA_FLUX"],
    ["balmer", "BALMER_DECREMENT"],
  ])("%s: did you mean %s?", (wrong, right) => {
    expect(() => parseWish(wrong, fields, "--want")).toThrow(`unknown field "${wrong}" (did you mean "${right}"?)`);
  });
});

describe("galaxies without noise, whose lines are known", () => {
  const groups = ["narrow", "broad"];
  let table: Table;
  let truth: LineTruth[];
  beforeAll(() => {
    const quiet = { systematics: 0, noiseScale: 0, foreground: { ebv: 0 }, redshift: { max: 0.6 } };
    ({ table, truth } = simulateLines({ seed: "lines", ...quiet }, 300));
  });
  const values = (name: string): Float32Array => table.columns.find((one) => one.name === name)!.data as Float32Array;
  /** Sorted ratios to the truth less one. */
  const offsets = (name: string, of: readonly string[], truthOf: (one: LineTruth) => number): Float64Array => {
    const { needs, of: value } = quantity(name);
    return sortFinite(
      truth.map((one, i) => {
        const light = lightWith(values("z")[i], (band) => values(`true_${band}`)[i], of);
        const widths = needs.map((j) => values(fields[j].name)[i]);
        return value(widths, light) / truthOf(one) - 1;
      }),
    );
  };

  // median and half of the 16 - 84 % range of the offsets; [OII] stands where the continuum bends most
  it.each([
    ["HALPHA_FLUX", groups, 0.01, 0.025],
    ["HALPHA_FLUX", ["broad"], 0.01, 0.02],
    ["HBETA_FLUX", groups, 0.03, 0.01],
    ["HBETA_FLUX", ["broad"], 0.07, 0.03],
    ["OIII5007_FLUX", groups, 0.025, 0.01],
    ["NII6584_FLUX", groups, 0.025, 0.03],
    ["OII3727_FLUX", groups, 0.08, 0.08],
  ])("%s from %j: median within %d, scatter below %d", (name, of, shift, scatter) => {
    const label = name.replace("FLUX", "EW") as keyof LineTruth;
    const found = offsets(name, of, (one) => one[label]);
    expect(found.length).toBeGreaterThan(200);
    expect(Math.abs(quantile(found, 0.5))).toBeLessThan(shift);
    expect((quantile(found, 0.84) - quantile(found, 0.16)) / 2).toBeLessThan(scatter);
  });

  it("the Balmer decrement is that of the fluxes, not of the widths", () => {
    const found = offsets("BALMER_DECREMENT", groups, (one) => one.HALPHA_EW / one.HBETA_EW);
    expect(Math.abs(quantile(found, 0.5))).toBeLessThan(0.04);
    expect((quantile(found, 0.84) - quantile(found, 0.16)) / 2).toBeLessThan(0.025);
    const ofWidths = sortFinite(
      truth.map((one, i) => values("HALPHA_EW")[i] / values("HBETA_EW")[i] / (one.HALPHA_EW / one.HBETA_EW) - 1),
    );
    expect(Math.abs(quantile(ofWidths, 0.5))).toBeGreaterThan(0.1);
  });

  it("a line beyond the bands has no flux", () => {
    const { needs, of } = quantity("HALPHA_FLUX");
    const widths = needs.map(() => 10);
    const seen = of(
      widths,
      lightWith(0.3, () => 1, ["narrow"]),
    );
    expect(seen).toBeGreaterThan(12); // 10 A at z = 0.3 of a continuum of 1, but for the lines in the bands
    expect(seen).toBeLessThan(13);
    expect(
      of(
        widths,
        lightWith(0.5, () => 1, ["narrow"]),
      ),
    ).toBeNaN();
  });
});

describe("light, draw by draw", () => {
  const catalog = emptyCatalog(fields, 2);
  const [z, j0600] = [column("z"), column("J0600")];
  const put = (row: number, j: number, value: number, error: number): void => {
    catalog.value[row * n + j] = value;
    catalog.error[row * n + j] = error;
    catalog.state[row * n + j] = State.measured;
  };
  for (const row of [0, 1]) (catalog.objectId as string[])[row] = `g${row}`;
  put(0, j0600, 20, 2);
  put(1, z, 0.1, 0);
  const all = new Uint8Array(n).fill(1);
  const own = quantity("HALPHA_FLUX").needs;

  const draws = 4000;
  const drawn = (isGiven: Uint8Array, together = own): ReturnType<typeof drawTogether> =>
    drawTogether(
      { quantities: [quantity("HALPHA_FLUX")], own: together, catalog, isGiven, draws, seed: "light" },
      async (wanted) => Float64Array.from({ length: 2 * draws * wanted.length }, (_, i) => wanted[i % wanted.length]),
    );

  it("is of given bands within their errors, of others as drawn, and of a redshift that not all have as drawn", async () => {
    const { light, together } = await drawn(all);
    expect(together.slice(0, own.length)).toEqual(own);
    expect(together).toContain(z);
    expect(together).not.toContain(j0600);
    expect(together).toContain(column("J0610"));
    expect(together).not.toContain(column("FUV")); // never near the line
    const seen = Array.from({ length: draws }, (_, i) => light!(i).flux[j0600]);
    const mean = seen.reduce((sum, x) => sum + x, 0) / draws;
    expect(mean).toBeCloseTo(20, 0);
    expect(Math.sqrt(seen.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws)).toBeCloseTo(2, 1);
    expect(light!(0).error[j0600]).toBe(2);
    expect([light!(5).z, light!(5).flux[column("J0610")]]).toEqual([z, column("J0610")]); // what `draw` above gives
    expect(light!(draws).flux[j0600]).toBeNaN(); // the second galaxy has none
  });

  it("is of the redshift as given where all galaxies have it", async () => {
    put(0, z, 0.3, 0);
    const { light, together } = await drawn(all);
    expect(together).not.toContain(z);
    expect([light!(0).z, light!(draws).z]).toEqual([Math.fround(0.3), Math.fround(0.1)]);
    const wanted = await drawn(all, [z, ...own]); // asked for: then it is not given
    expect(wanted.light!(0).z).toBe(z);
  });

  it("is not drawn where nothing is of it", async () => {
    const { together, light } = await drawTogether(
      { quantities: [quantity("N2")], own: [1], catalog, isGiven: all, draws: 1, seed: "1" },
      async () => new Float64Array(2),
    );
    expect([together, light]).toEqual([[1], undefined]);
  });
});

describe("the network that ships, on simulated galaxies with noise", () => {
  it("gives line fluxes and decrements whose intervals hold the truth as often as they should", async () => {
    const { table, truth } = simulateLines({ seed: "shipped lines", foreground: { ebv: 0 } }, 150);
    const path = `${scratch()}/lines.parquet`;
    await writeTable(
      path,
      { schema: table.columns.map(schemaOf), metadata: table.metadata },
      (async function* one() {
        yield table;
      })(),
    );
    const lines: string[] = [];
    let answers: Table | undefined;
    const want = "HALPHA_FLUX,OIII5007_FLUX,BALMER_DECREMENT";
    const reporter = { say: (line: string) => void lines.push(line), bar: () => ({ update() {}, stop() {} }) };
    const onAnswers = (one: Table): void => void (answers = one);
    await query({ engine: await onnx, table: path, given: "bands", want, draws: 100, reporter, onAnswers });
    const of = (name: string): Float32Array => answers!.columns.find((one) => one.name === name)!.data as Float32Array;
    const cover = (name: string, truthOf: (one: LineTruth) => number): number => {
      const [low, high, defined] = [of(`${name}_q16`), of(`${name}_q84`), of(`${name}_defined`)];
      const inside = truth.flatMap((one, i) =>
        defined[i] > 0.5 ? [Number(low[i] < truthOf(one) && truthOf(one) < high[i])] : [],
      );
      expect(inside.length, name).toBeGreaterThan(75);
      return inside.reduce((sum, x) => sum + x, 0) / inside.length;
    };
    // 75 galaxies or more: 5 % of sampling error
    for (const share of [
      cover("HALPHA_FLUX", (one) => one.HALPHA_EW),
      cover("OIII5007_FLUX", (one) => one.OIII5007_EW),
      cover("BALMER_DECREMENT", (one) => one.HALPHA_EW / one.HBETA_EW),
    ]) {
      expect(share).toBeGreaterThan(0.53);
      expect(share).toBeLessThan(0.83);
    }
    const far = of("HALPHA_FLUX_defined").filter((share) => share === 0).length;
    expect(far).toBeGreaterThan(5);
    expect(lines).toContain(
      `HALPHA_FLUX: ${far} galaxies have no answer: no two bands with a flux are on both sides of the line`,
    );
  }, 60_000);
});
