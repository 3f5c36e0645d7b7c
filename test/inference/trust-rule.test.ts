import { beforeAll, describe, expect, it } from "vitest";
import { createPredictor } from "../../src/inference/predict.ts";
import {
  createTrustBasis,
  trustInputNames,
  type TrustRule,
  trustRuleSchema,
  trustScorer,
} from "../../src/model/trust-rule.ts";
import { createRng } from "../../src/random.ts";
import { type Catalog, copyRow, emptyCatalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { coderOf } from "../../src/train/config.ts";
import { createSpoiler, type SpoilName, spoilings } from "../../src/train/spoil.ts";
import { fitTrustRule, type KnownRedshifts } from "../../src/train/trust-fit.ts";
import { fitTrust } from "../../src/train/trust-questions.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { sourceOf, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const n = trustInputNames.length;
const [ODDS, RESIDUAL] = [trustInputNames.indexOf("odds"), trustInputNames.indexOf("residual")];
const inputsOf = (odds: number, residual: number): Float64Array => {
  const inputs = new Float64Array(n).fill(Number.NaN);
  inputs[ODDS] = odds;
  inputs[RESIDUAL] = residual;
  return inputs;
};
const logit = (p: number): number => Math.log(p / (1 - p));

describe("a rule of trust", () => {
  const odds = { name: "odds" as const, knots: [0, 2, 6] };
  const residual = { name: "residual" as const, knots: [-1, 1] };
  const rule: TrustRule = {
    answers: 0,
    poorFrom: 2,
    offset: 0.5,
    terms: [
      { of: [odds], coefficients: [-1, 1, 2] },
      { of: [odds, residual], coefficients: [0, 1, 2, 3, 4, 8] },
    ],
  };
  const scored = (x: number, y: number): number => logit(trustScorer(rule)(inputsOf(x, y)));

  it("is linear between the knots of one input and bilinear between those of two", () => {
    expect(scored(0, -1)).toBeCloseTo(0.5 - 1 + 0, 9);
    expect(scored(2, 1)).toBeCloseTo(0.5 + 1 + 3, 9);
    // a quarter of the way from 2 to 6, half of the way from -1 to 1
    expect(scored(3, 0)).toBeCloseTo(0.5 + 1.25 + 0.75 * 2.5 + 0.25 * 6, 9);
  });
  it("stays beyond the outer knots what it is there, and knows nothing of what is not known", () => {
    expect(scored(60, 50)).toBeCloseTo(scored(6, 1), 9);
    expect(scored(2, Number.NaN)).toBeCloseTo(0.5 + 1, 9);
    expect(scored(Number.NaN, 0)).toBeCloseTo(0.5, 9);
  });
  it("needs a coefficient for every knot", () => {
    expect(trustRuleSchema.parse(rule)).toEqual(rule);
    const short = { ...rule, terms: [{ of: [odds, residual], coefficients: [1, 2, 3] }] };
    expect(() => trustRuleSchema.parse(short)).toThrow("one coefficient per knot");
  });
  it("takes shares that add up to 1 for every term", () => {
    const { size, active, place } = createTrustBasis(rule.terms);
    expect([size, active]).toEqual([9, 6]);
    const [index, share] = [new Int32Array(active), new Float64Array(active)];
    place(inputsOf(4.2, 0.3), index, share, 0);
    expect(share.slice(0, 2).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(share.slice(2).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(Math.max(...index)).toBeLessThan(size);
  });
});

/** Redshifts that are right with a probability whose logit is `truth` of the odds' logit and the residual. */
function worldOf(count: number, truth: (odds: number, residual: number) => number, seed: string): KnownRedshifts {
  const rng = createRng(seed);
  const rows = Array.from({ length: count }, () => inputsOf(8 * rng.uniform() - 2, 3 * rng.uniform() - 1));
  const isRight = rows.map((own) => Number(rng.uniform() < 1 / (1 + Math.exp(-truth(own[ODDS], own[RESIDUAL])))));
  return { count, inputs: Float64Array.from(rows.flatMap((own) => Array.from(own))), isRight };
}

describe("the fit of a rule", () => {
  // a poor fit says nothing where the answer is unsure, and much where it is sure: no sum of functions of one input
  const truth = (odds: number, residual: number): number =>
    0.6 * odds - 0.5 * Math.max(0, odds - 1) * Math.max(0, residual);
  const rule = fitTrustRule(worldOf(20_000, truth, "known"), 2)!;
  const score = trustScorer(rule);

  it("finds the probabilities that right and wrong were drawn with", () => {
    for (const odds of [-1, 1, 3, 5]) {
      for (const residual of [-0.7, 0.5, 1.5]) {
        const found = score(inputsOf(odds, residual));
        expect(Math.abs(found - 1 / (1 + Math.exp(-truth(odds, residual)))), `${odds}, ${residual}`).toBeLessThan(0.06);
      }
    }
  });
  it("drops what was never known, and goes on beyond what was seen", () => {
    const used = new Set(rule.terms.flatMap(({ of }) => of.map(({ name }) => name)));
    expect([...used].sort()).toEqual(["odds", "residual"]);
    expect(score(inputsOf(5, 6))).toBeLessThan(score(inputsOf(5, 1)) + 0.05);
    expect(rule).toMatchObject({ answers: 20_000, poorFrom: 2 });
  });
  it("is none where too little is known", () => {
    expect(fitTrustRule(worldOf(200, truth, "few"), 2)).toBeUndefined();
    expect(
      fitTrustRule(
        worldOf(2000, () => 30, "all right"),
        2,
      ),
    ).toBeUndefined();
  });
});

describe("spoilt rows", () => {
  const catalog = toyCatalog(40, "spoilt");
  const coder = coderOf(startCheckpoint(catalog, { templates: 20 }).config);
  const source = sourceOf(catalog);
  const spoiltBy = (name: SpoilName, row: number): Catalog => {
    const kept = emptyCatalog(catalog.fields, 1);
    const { take, spoil } = createSpoiler(coder);
    const rng = createRng(`${row}`);
    const one = take([source, row], rng);
    spoil(name, [source, (row + 1) % 40], rng);
    copyRow(one, 0, kept, 0);
    return kept;
  };
  const width = toyFields.length;
  const changedIn = (name: SpoilName, row: number): number[] =>
    Array.from(spoiltBy(name, row).value).flatMap((x, j) => (x === catalog.value[row * width + j] ? [] : [j]));

  it("have other fluxes, and every label that they had", () => {
    for (const name of Object.keys(spoilings) as SpoilName[]) {
      const changed = Array.from({ length: 40 }, (_, row) => changedIn(name, row));
      expect(changed.flat().every((j) => j < toyBands)).toBe(true);
      const isFlux = name !== "nothing" && name !== "misnamed";
      expect(changed.some((some) => some.length > 0)).toBe(isFlux);
    }
  });
  it("have two bands swapped, one scaled, or light of the other on top", () => {
    const bandsOf = (row: number): number[] =>
      toyFields.flatMap((_, j) => (j < toyBands && catalog.state[row * width + j] === State.measured ? [j] : []));
    for (let row = 0; row < 40; row++) {
      const bands = bandsOf(row);
      const sum = ({ value }: Catalog, at = 0): number => bands.reduce((total, j) => total + value[at + j], 0);
      expect(changedIn("scaled", row).length).toBe(Math.min(1, bands.length));
      expect(changedIn("swapped", row).length).toBe(bands.length > 1 ? 2 : 0);
      expect(sum(spoiltBy("swapped", row))).toBeCloseTo(sum(catalog, row * width), 1);
      if (changedIn("blended", row).length === 0) continue;
      const ratio = sum(spoiltBy("blended", row)) / sum(catalog, row * width);
      expect(ratio).toBeGreaterThan(1.05);
      expect(ratio).toBeLessThan(2.05);
    }
  });
});

describe("a network's own rule", () => {
  const known = toyCatalog(900, "known");
  const checkpoint = startCheckpoint(known, { templates: 50 });
  let rule: TrustRule;
  beforeAll(async () => {
    rule = (await fitTrust(await onnx, checkpoint, [sourceOf(known)], 2000))!;
  });

  it("is the same of the same rows, and none of a network that carries no galaxies", async () => {
    expect(trustRuleSchema.parse(rule).answers).toBeGreaterThan(1000);
    expect(await fitTrust(await onnx, checkpoint, [sourceOf(known)], 2000)).toEqual(rule);
    expect(await fitTrust(await onnx, startCheckpoint(known), [sourceOf(known)], 2000)).toBeUndefined();
  });
  it("is what answers are scored by, unless they are not recalibrated; checkpoints without it answer as before", async () => {
    const recalibration = { caleidoVersion: "0", properties: {}, bands: {} };
    const fresh = toyCatalog(60, "fresh");
    const ask = async (trust: TrustRule | undefined, isRecalibrated = true) => {
      const own = { ...recalibration, ...(trust === undefined ? {} : { trust }) };
      const predictor = createPredictor(await onnx, { ...checkpoint, recalibration: own }, { isRecalibrated });
      const { z } = await predictor.ask(fresh, { given: "bands", want: "z" });
      await predictor.dispose();
      return { score: Array.from(z.trustScore!), words: z.trust! };
    };
    const [before, after] = [await ask(undefined), await ask(rule)];
    expect(after.score).not.toEqual(before.score);
    expect(await ask(rule, false)).toEqual(before);
    const certain: TrustRule = { answers: 1, poorFrom: 1e-6, offset: Math.log(4), terms: [] };
    const { score, words } = await ask(certain);
    for (const one of score) expect(one).toBeCloseTo(0.8, 6);
    expect(words).toContain("poor fit");
  });
});
