import { describe, expect, it } from "vitest";
import { derived, deriveFrom, parseWish } from "../../src/inference/derived.ts";
import { derivedColumns } from "../../src/inference/derived-columns.ts";
import { parseExpression } from "../../src/inference/expression.ts";
import { createPredictor } from "../../src/inference/predict.ts";
import { query } from "../../src/inference/query.ts";
import { drawJoint } from "../../src/inference/sampling.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { saveCheckpoint } from "../../src/train/checkpoint.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { toyCatalog } from "../helpers/toy.ts";
import { lineFields } from "../helpers/spectra.ts";

const { fields } = loadSurvey("minijpas");
const column = (name: string): number => fields.findIndex((field) => field.name === name);
const lines = {
  HALPHA_EW: 40,
  HBETA_EW: 10,
  NII6584_EW: 8,
  OIII5007_EW: 25,
  OII3727_EW: 12,
  z: 0.3,
  LOGM: 10.5,
  LOGSFR: 0.7,
  gSDSS: 80,
};
/** The same flux density in every band. */
const flat = {
  z: lines.z,
  flux: Float64Array.from(fields, ({ band }) => (band === undefined ? Number.NaN : 80)),
  error: new Float64Array(fields.length),
};
const valueOf = (j: number): number => lines[fields[j].name as keyof typeof lines];

const { log10, log, exp, sqrt } = Math;
const cases: readonly (readonly [formula: string, value: number, unit: string])[] = [
  ["log NII6584_EW/HALPHA_EW", log10(8 / 40), "dex"],
  ["log(NII6584_EW)/HALPHA_EW", log10(8) / 40, "dex / (Angstrom)"],
  ["log NII6584_EW/HALPHA_EW + 1", log10(8 / 40) + 1, "dex"],
  ["2 * log NII6584_EW / HALPHA_EW - LOGM", 2 * log10(8 / 40) - 10.5, "dex"],
  ["LOGSFR - LOGM", 0.7 - 10.5, "dex"],
  ["HALPHA_EW - HBETA_EW - NII6584_EW", 40 - 10 - 8, "Angstrom"],
  ["HALPHA_EW / HBETA_EW / 2", 40 / 10 / 2, ""],
  ["HALPHA_EW * (1 + z)", 40 * 1.3, "Angstrom"],
  ["-2.5 * log gSDSS/1e3", -2.5 * log10(0.08), "mag"],
  ["-z^2", -(0.3 ** 2), ""],
  ["2^-z^2", 2 ** -(0.3 ** 2), ""],
  ["HALPHA_EW^2", 1600, "(Angstrom)^2"],
  ["sqrt(HALPHA_EW * HALPHA_EW)", 40, "(Angstrom * Angstrom)^0.5"],
  ["exp(ln(1 + z)) + abs(-z)", exp(log(1.3)) + 0.3, ""],
  ["sqrt exp z * 2", sqrt(exp(0.6)), ""],
];

describe("formulae", () => {
  it.each(cases)("%s", (formula, value, unit) => {
    const { needs, of, unit: own } = parseExpression(formula, fields, "--want");
    expect(of(needs.map(valueOf))).toBeCloseTo(value, 12);
    expect(own).toBe(unit);
  });

  it.each([
    ["log NII6584_EW/HALFA_EW", 'unknown field "HALFA_EW" (did you mean "HALPHA_EW"?)'],
    ["LOGSFR + HALPHA_EW", "adds dex and Angstrom"],
    ["(z + 1", "expected ) before the end"],
    ["z + 1)", 'unexpected ")"'],
    ["z + ", "expected a field or a number before the end"],
    ["z ; 2", 'unexpected ";"'],
    ["z 2", 'unexpected "2"'],
    ["HALPHA_EW^z", "raises Angstrom to what is no number"],
    ["CLASS + 1", "CLASS is no number"],
    ["1 + 2", "names no field"],
  ])("%s is refused in one line", (formula, why) => {
    expect(() => parseExpression(formula, fields, "--want")).toThrow(`--want "${formula.trim()}": ${why}`);
    try {
      parseExpression(formula, fields, "--want");
    } catch (error) {
      expect((error as Error).message.split("\n")).toHaveLength(1);
    }
  });
});

describe("what is wanted", () => {
  it("is fields, names and formulae, side by side; what they are of is asked together", () => {
    const wish = parseWish("z, BPT,log NII6584_EW/HALPHA_EW,J0378..J0400,S = LOGSFR - LOGM, z", fields, "--want");
    expect(wish.wanted.map((j) => fields[j].name)).toEqual(["z", "J0378", "J0390", "J0400"]);
    expect(wish.derived.map(({ name }) => name)).toEqual(["BPT", "log_NII6584_EW_per_HALPHA_EW", "S"]);
    expect(wish.together.slice(4).map((j) => fields[j].name)).toEqual(
      ["NII6584_EW", "HALPHA_EW", "OIII5007_EW", "HBETA_EW", "LOGSFR", "LOGM"], // each once
    );
  });

  it.each([
    ["", "--want: names no field"],
    ["BPTT", 'unknown field "BPTT" (did you mean "BPT"?)'],
    ["z = LOGM - 1", "z is a field; expected another name"],
    ["z,LOGM-", "expected a field or a number"],
  ])("%j is refused", (text, why) => {
    expect(() => parseWish(text, fields, "--want")).toThrow(why);
  });

  it("asks for spectra by name or as a group of their own: other groups leave them out", () => {
    expect(parseWish("properties", lineFields, "--want")).toMatchObject({ wanted: [2], spectra: [] });
    expect(parseWish("all", lineFields, "--want")).toMatchObject({ wanted: [0, 1, 2], spectra: [] });
    expect(parseWish("z,spectrum", lineFields, "--want")).toMatchObject({ wanted: [2], spectra: [3] });
    expect(parseWish("spectra", lineFields, "--want")).toMatchObject({ wanted: [], spectra: [3] });
    expect(() => parseWish("z,spectra", fields, "--want")).toThrow("--want spectra: the survey has no spectrum");
  });

  it("says which field a quantity lacks", () => {
    expect(() => parseWish("BPT", fields.slice(0, 3), "--want")).toThrow("--want BPT: needs the field NII6584_EW");
  });

  it("every row of the table has a value, or a class, for a galaxy with lines", () => {
    for (const name of Object.keys(derived)) {
      const [quantity] = parseWish(name, fields, "--want").derived;
      const value = quantity.of(quantity.needs.map(valueOf), flat);
      expect(Number.isFinite(value), name).toBe(true);
      if (quantity.classes !== undefined) expect(quantity.classes[value], name).toBeDefined();
    }
  });
});

/** A class by the widths of [NII], Halpha, [OIII], Hbeta. */
function classOf(name: "BPT" | "WHAN", [nii, halpha, oiii, hbeta]: readonly number[]): string {
  const [quantity] = parseWish(name, fields, "--want").derived;
  const widths: Record<string, number> = { NII6584_EW: nii, HALPHA_EW: halpha, OIII5007_EW: oiii, HBETA_EW: hbeta };
  return quantity.classes![quantity.of(quantity.needs.map((j) => widths[fields[j].name]))];
}

// At log [NII]/Halpha = -0.5 Kauffmann's line is at 0.191, Kewley's at 0.561; at 0.1 there is none of the first.
describe("diagrams", () => {
  it.each([
    ["star_forming", [10 ** -0.5 * 30, 30, 10 ** 0.18 * 8, 8]],
    ["composite", [10 ** -0.5 * 30, 30, 10 ** 0.2 * 8, 8]],
    ["composite", [10 ** -0.5 * 30, 30, 10 ** 0.55 * 8, 8]],
    ["active", [10 ** -0.5 * 30, 30, 10 ** 0.57 * 8, 8]],
    ["composite", [10 ** 0.1 * 30, 30, 10 ** -0.6 * 8, 8]],
    ["active", [10 ** 0.5 * 30, 30, 10 ** -1.5 * 8, 8]],
    ["no_lines", [1, 30, -0.1, 8]],
  ])("BPT: %s", (name, widths) => expect(classOf("BPT", widths)).toBe(name));

  it.each([
    ["star_forming", [10 ** -0.41 * 5, 5]],
    ["star_forming", [-1, 5]],
    ["strong_agn", [10 ** -0.39 * 6.1, 6.1]],
    ["weak_agn", [10 ** -0.39 * 5.9, 5.9]],
    ["retired", [0.1, 2.9]],
    ["retired", [0.6, 0.1]],
    ["passive", [0.4, 0.4]],
  ])("WHAN: %s", (name, widths) => expect(classOf("WHAN", widths)).toBe(name));
});

const data = (columns: readonly Column[], name: string): Float32Array =>
  columns.find((one) => one.name === name)!.data as Float32Array;

describe("columns of joint draws", () => {
  const DRAWS = 20_000;
  const [nii, halpha] = [column("NII6584_EW"), column("HALPHA_EW")];
  const together = [halpha, nii];
  /** ln EW of both lines are Gaussian, 0.5 and 0.5 wide, with this correlation; a second galaxy has no lines half the time. */
  const CORRELATION = 0.9;

  function draw(): Float64Array {
    const rng = createRng("lines");
    const values = new Float64Array(2 * DRAWS * 2);
    for (let i = 0; i < 2 * DRAWS; i++) {
      const a = rng.normal();
      const b = CORRELATION * a + sqrt(1 - CORRELATION ** 2) * rng.normal();
      const sign = i >= DRAWS && i % 2 === 0 ? -1 : 1;
      values.set([exp(3 + 0.5 * a), sign * exp(2 + 0.5 * b)], 2 * i);
    }
    return values;
  }
  const values = draw();
  const draws = { rowCount: 2, draws: DRAWS, together, values };
  const [ratio] = parseWish("N2", fields, "--want").derived;
  const columns = derivedColumns([ratio, ...parseWish("WHAN", fields, "--want").derived], draws);

  it("have the moments and quantiles of the ratio of correlated lines, in closed form", () => {
    // ln of the ratio: N(-1, 2 0.25 (1 - rho)); in dex
    const sigma = (0.5 * sqrt(2 * (1 - CORRELATION))) / Math.LN10;
    const mean = -1 / Math.LN10;
    expect(Math.abs(data(columns, "N2_std")[0] / sigma - 1)).toBeLessThan(0.02);
    expect(Math.abs(data(columns, "N2_mean")[0] - mean)).toBeLessThan(0.02 * sigma);
    expect(Math.abs(data(columns, "N2_median")[0] - mean)).toBeLessThan(0.03 * sigma);
    expect(Math.abs(data(columns, "N2_q95")[0] - mean - 1.645 * sigma)).toBeLessThan(0.05 * sigma);
    expect(columns[0].unit).toBe("dex");
  });

  it("a product of the marginals has a ratio three times too wide", () => {
    const shuffled = values.slice();
    for (let i = 0; i < DRAWS; i++) shuffled[2 * i] = values[2 * ((i + 1) % DRAWS)]; // the same marginals
    const apart = derivedColumns([ratio], { ...draws, values: shuffled });
    expect(data(apart, "N2_std")[0] / data(columns, "N2_std")[0]).toBeGreaterThan(3); // 1 / sqrt(1 - rho) = 3.16
  });

  it("say in how many draws there is a ratio, and leave out the others", () => {
    expect([...data(columns, "N2_defined")]).toEqual([1, 0.5]);
    expect(Number.isFinite(data(columns, "N2_mean")[1])).toBe(true);
  });

  it("give every class its share of the draws", () => {
    const own = deriveFrom(parseWish("WHAN", fields, "--want").derived[0], {
      ...draws,
      values: values.subarray(0, 2 * DRAWS),
    });
    const shares = derived.WHAN.classes.map((_, k) => own.filter((c) => c === k).length / DRAWS);
    derived.WHAN.classes.forEach((name, k) => expect(data(columns, `WHAN_p_${name}`)[0]).toBeCloseTo(shares[k], 6));
    expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    expect(columns.find(({ name }) => name === "WHAN_mode")!.data[0]).toBe(
      derived.WHAN.classes[shares.indexOf(Math.max(...shares))],
    );
  });
});

describe("a query", () => {
  const galaxies = toyCatalog(6, "derived");
  const network = perturb(startCheckpoint(toyCatalog(400)), 0.1);
  const want = "z, L = log LINE/MASS";

  it("asks what a quantity is of together, given none of it, and writes it beside the fields", async () => {
    const [root, engine] = [scratch(), await onnx];
    await saveCheckpoint(root, network);
    const tables: Table[] = [];
    const values = ["N1=20+-1", "G=30+-1", "MASS=9.5", "LINE=30"];
    const ask = (given: string): Promise<number> =>
      query({
        engine,
        checkpoint: root,
        values,
        given,
        want,
        draws: 50,
        onAnswers: (table) => void tables.push(table),
      });
    await ask("all");
    await ask("bands");
    const names = tables[0].columns.map(({ name }) => name);
    for (const name of ["z_median", "z_odds", "L_mean", "L_q84", "L_defined"]) expect(names).toContain(name);
    expect(names.some((name) => name.startsWith("LINE"))).toBe(false);
    expect(tables[0]).toEqual(tables[1]);
    expect(tables[0].columns.find(({ name }) => name === "L_std")!.unit).toBe("dex");
  });

  it("of the library gives draws of quantities by their names", async () => {
    const predictor = createPredictor(await onnx, network);
    const draws = await drawJoint(predictor, galaxies, { given: "bands", want: `${want},LINE,MASS`, draws: 20 });
    expect(draws.L).toHaveLength(120);
    draws.L.forEach((ratio, i) => {
      const own = log10(draws.LINE[i] / draws.MASS[i]);
      if (Number.isFinite(own)) expect(ratio).toBeCloseTo(own, 10);
      else expect(ratio).toBeNaN();
    });
    await expect(predictor.ask(galaxies, { want })).rejects.toThrow(
      "L follows from several fields; expected drawJoint",
    );
    await predictor.dispose();
  });
});
