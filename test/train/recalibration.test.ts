import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { predictTruths } from "../../src/inference/evaluate.ts";
import { withinLimits } from "../../src/inference/field-answer.ts";
import { createPredictor } from "../../src/inference/predict.ts";
import { sampleJoint } from "../../src/inference/sampling.ts";

import { normalCdf } from "../../src/model/normal.ts";
import { covariateNames, scoreWarpOf } from "../../src/model/recalibration.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { catalogStore } from "../../src/tokens/batch.ts";
import { WHOLE } from "../../src/tokens/spectrum.ts";
import { type Checkpoint, loadCheckpoint, saveCheckpoint, saveRecalibration } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { fillCovariates } from "../../src/train/covariates.ts";
import { distortedStore } from "../../src/train/distort.ts";
import { exportCheckpoint } from "../../src/train/export.ts";
import { minimise } from "../../src/train/minimise.ts";
import { recalibrate } from "../../src/train/recalibrate.ts";
import { fitRecalibration, type KnownAnswers } from "../../src/train/recalibration-fit.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { lineCatalog } from "../helpers/spectra.ts";
import { scratch } from "../helpers/scratch.ts";
import { distance, sourceOf, toyCatalog } from "../helpers/toy.ts";

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));

const [misfit, given] = [covariateNames.indexOf("misfit"), covariateNames.indexOf("given")];

/** Scores of answers N(0, 1) whose truths are N(shift(x), width(x)), x uniform in 0 .. 1, as the misfit. */
function answersOf(
  count: number,
  seed: string,
  shift: (x: number) => number,
  width: (x: number) => number,
): KnownAnswers {
  const rng = createRng(seed);
  const covariates = new Float64Array(count * covariateNames.length).fill(Number.NaN);
  const score = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const x = rng.uniform();
    covariates[i * covariateNames.length + misfit] = x;
    covariates[i * covariateNames.length + given] = rng.uniform();
    score[i] = shift(x) + width(x) * rng.normal();
  }
  const logTail = score.map((x) => -Math.log(3) + 0.5 * x * x * (1 - 1 / 9));
  const all = (value: number): Float64Array => new Float64Array(count).fill(value);
  return {
    count,
    covariates,
    score,
    logTail,
    low: all(-8),
    high: all(8),
    inside: all(1),
    under: score.map((x) => normalCdf(x / 3)),
    weight: all(1),
  };
}

const at = (x: number): Float64Array => {
  const values = new Float64Array(covariateNames.length).fill(Number.NaN);
  values[misfit] = x;
  values[given] = 0.5;
  return values;
};

describe("the fit", () => {
  it("finds how far answers are off, and where", () => {
    const warp = scoreWarpOf(
      fitRecalibration(
        answersOf(
          6000,
          "off",
          (x) => 0.3 * x,
          (x) => 0.8 + 0.8 * x,
        ),
      )!,
    );
    for (const x of [0.05, 0.3, 0.5, 0.7, 0.95]) {
      const { shift, width, tail } = warp(at(x));
      expect(Math.abs(shift - 0.3 * x)).toBeLessThan(0.08);
      expect(width / (0.8 + 0.8 * x)).toBeGreaterThan(0.95);
      expect(width / (0.8 + 0.8 * x)).toBeLessThan(1.05);
      expect(tail).toBeLessThan(0.01);
    }
    // beyond what was seen it is what it is at the end
    expect(warp(at(40))).toEqual(warp(at(1)));
    expect(warp(at(-40)).width).toBeCloseTo(warp(at(0)).width, 2);
  });
  it("leaves good answers as they are, be they many or few", () => {
    for (const count of [150, 5000]) {
      const good = answersOf(
        count,
        "good",
        () => 0,
        () => 1,
      );
      const { shift, width, tail } = scoreWarpOf(fitRecalibration(good)!)(at(0.5));
      expect(Math.abs(shift)).toBeLessThan(3.5 / Math.sqrt(count));
      expect(Math.abs(Math.log(width))).toBeLessThan(2.5 / Math.sqrt(count));
      expect(tail).toBeLessThan(0.01);
    }
    const few = answersOf(
      99,
      "few",
      () => 1,
      () => 2,
    );
    expect(fitRecalibration(few)).toBeUndefined();
  });
  it("knows that answers are cut at the field's limits afterwards", () => {
    const known = answersOf(
      8000,
      "cut",
      () => 0,
      () => 1.3,
    );
    // truths are above -0.5 alone: what is left of answers that are wide enough, once they are cut there
    const kept = Array.from(known.score.keys()).filter((i) => known.score[i] > -0.5);
    const part = (values: Float64Array, size = 1): Float64Array =>
      Float64Array.from(kept.flatMap((i) => [...values.subarray(i * size, (i + 1) * size)]));
    const { shift, width } = scoreWarpOf(
      fitRecalibration({
        count: kept.length,
        covariates: part(known.covariates, covariateNames.length),
        score: part(known.score),
        logTail: part(known.logTail),
        low: new Float64Array(kept.length).fill(-0.5),
        high: part(known.high),
        inside: new Float64Array(kept.length).fill(1 - normalCdf(-0.5 / 3)),
        under: part(known.under).map((below) => below - normalCdf(-0.5 / 3)),
        weight: part(known.weight),
      })!,
    )(at(0.5));
    // where the cut answer has its quarters
    const below = (x: number, m: number, s: number): number =>
      (normalCdf((x - m) / s) - normalCdf((-0.5 - m) / s)) / (1 - normalCdf((-0.5 - m) / s));
    for (const x of [0, 0.5, 1, 2]) expect(Math.abs(below(x, shift, width) - below(x, 0, 1.3))).toBeLessThan(0.02);
  });
  it("gives outliers a tail rather than everything their width", () => {
    const known = answersOf(
      5000,
      "tails",
      () => 0,
      () => 1,
    );
    const rng = createRng("outliers");
    const score = known.score.map((x) => (rng.uniform() < 0.08 ? 3 * x : x));
    const logTail = score.map((x) => -Math.log(3) + 0.5 * x * x * (1 - 1 / 9));
    const { width, tail } = scoreWarpOf(fitRecalibration({ ...known, score, logTail })!)(at(0.5));
    expect(width).toBeCloseTo(1, 1);
    expect(tail).toBeGreaterThan(0.04);
    expect(tail).toBeLessThan(0.12);
  });
});

it("minimise finds the lowest place of Rosenbrock's valley", () => {
  const place = Float64Array.of(-1.2, 1);
  const value = minimise(
    ([x, y], gradient) => {
      gradient[0] = -400 * x * (y - x * x) - 2 * (1 - x);
      gradient[1] = 200 * (y - x * x);
      return 100 * (y - x * x) ** 2 + (1 - x) ** 2;
    },
    place,
    1e-14,
  );
  expect(value).toBeLessThan(1e-9);
  expect(place[0]).toBeCloseTo(1, 4);
  expect(place[1]).toBeCloseTo(1, 4);
});

it("distorted galaxies keep their labels and S/N, and are distorted anew each time", () => {
  const catalog = toyCatalog(50);
  const n = catalog.fields.length;
  const store = distortedStore(catalogStore(catalog), catalog.fields);
  const sizes: number[] = [];
  for (let row = 0; row < 50; row++) {
    const seen = store.at(row, createRng(`d${row}`)).catalog;
    catalog.fields.forEach(({ band }, j) => {
      const from = row * n + j;
      if (band === undefined) expect(seen.value[j]).toBe(catalog.value[from]);
      else if (catalog.value[from] > 0) {
        expect(seen.value[j] / seen.error[j]).toBeCloseTo(catalog.value[from] / catalog.error[from], 3);
        sizes.push(Math.abs(Math.log(seen.value[j] / catalog.value[from])));
      }
    });
  }
  expect(Math.max(...sizes)).toBeGreaterThan(0.1);
  expect(sizes.toSorted((a, b) => a - b)[sizes.length >> 1]).toBeLessThan(0.06);
});

describe("an untrained network, recalibrated", async () => {
  const engine = await onnx;
  const known = toyCatalog(1200, "known");
  const plain = startCheckpoint(known, { templates: 50 });
  const ask = { questions: 2400, distorted: 0 };
  const recalibration = await recalibrate(engine, plain, [sourceOf(known)], ask);
  const checkpoint: Checkpoint = { ...plain, recalibration: recalibration! };
  const fresh = toyCatalog(500, "fresh");
  fresh.error.forEach(
    (_, at) => (fresh.error[at] *= Number(fresh.fields[at % fresh.fields.length].band !== undefined)),
  );
  const properties = fresh.fields.flatMap(({ band }, j) => (band === undefined ? [j] : []));
  const isGiven = Uint8Array.from(fresh.fields, ({ band }) => (band === undefined ? 0 : 1));

  /** Of every property: mean -ln p of the truths, and the share of them in 90 % intervals. */
  async function judged(isRecalibrated: boolean): Promise<{ loss: number; covered: number }[]> {
    const predictor = createPredictor(engine, checkpoint, { isRecalibrated });
    const question = { title: "bands", isGiven, wanted: properties };
    const answers = await predictTruths(predictor, fresh, allRows(fresh), question);
    await predictor.dispose();
    return [...answers.values()].map(({ predictions: { pit, negLogLik } }) => {
      const shareOf = (isIn: (u: number) => boolean): number => Array.from(pit).filter(isIn).length / pit.length;
      const loss = Array.from(negLogLik).reduce((sum, x) => sum + x / pit.length, 0);
      return { loss, covered: shareOf((u) => Math.abs(u - 0.5) < 0.45) };
    });
  }

  it("covers what it says, of galaxies that it has not seen", async () => {
    const [before, after] = [await judged(false), await judged(true)];
    const mean = (all: typeof after, of: (one: (typeof after)[number]) => number): number =>
      all.reduce((sum, one) => sum + of(one) / all.length, 0);
    const off = (all: typeof after): number => mean(all, ({ covered }) => Math.abs(covered - 0.9));
    expect(mean(after, ({ loss }) => loss)).toBeLessThan(mean(before, ({ loss }) => loss));
    expect(off(before)).toBeGreaterThan(0.1);
    expect(off(after)).toBeLessThan(0.5 * off(before));
  });

  it("draws jointly from the marginals that it answers with, ranks as they were", async () => {
    const predictor = createPredictor(engine, checkpoint);
    const unchanged = createPredictor(engine, plain);
    const wanted = properties.slice(0, 2);
    const rngOf = (row: number) => createRng(`draws ${row}`);
    const rows = Int32Array.of(3, 1);
    const draws = 60;
    const [moved, own] = [
      await sampleJoint(predictor, fresh, rows, isGiven, wanted, draws, rngOf),
      await sampleJoint(unchanged, fresh, rows, isGiven, wanted, draws, rngOf),
    ];
    const answers = [
      await predictor.predict(fresh, rows, isGiven, wanted),
      await unchanged.predict(fresh, rows, isGiven, wanted),
    ];
    await predictor.dispose();
    await unchanged.dispose();
    for (const [w, j] of wanted.entries()) {
      const [to, from] = answers.map(({ encoded, scales }) =>
        withinLimits(unchanged.coder, j, encoded[w], (row) => scales[row]),
      );
      for (let i = 0; i < rows.length * draws; i++) {
        const [row, at] = [Math.floor(i / draws), i * wanted.length + w];
        expect(to.cdf(row, moved.encoded[at])).toBeCloseTo(from.cdf(row, own.encoded[at]), 4);
      }
    }
    expect(distance(moved.encoded, own.encoded)).toBeGreaterThan(0.01);
  });

  it("is kept by the checkpoint, goes along with its small form, and is told when damaged", async () => {
    const folder = join(root, "kept");
    await saveCheckpoint(folder, plain, { "README.md": "card" });
    expect(loadCheckpoint(folder).recalibration).toBeUndefined();
    await saveRecalibration(folder, recalibration!);
    expect(loadCheckpoint(folder, { forTraining: true }).recalibration).toEqual(recalibration);
    await exportCheckpoint(loadCheckpoint(folder), join(root, "small"));
    const small = loadCheckpoint(join(root, "small"));
    expect(small.recalibration).toEqual(recalibration);
    expect(distance(small.state.average, plain.state.average)).toBe(0);
    writeFileSync(join(folder, "recalibration.json"), JSON.stringify(recalibration).replace("0.", "1."));
    expect(() => loadCheckpoint(folder)).toThrow("recalibration.json: damaged or edited");
  });

  it("of the same rows twice is the same, and of none is none", async () => {
    const few = { questions: 300, distorted: 0.5 };
    const one = await recalibrate(engine, plain, [sourceOf(known)], few);
    expect(await recalibrate(engine, plain, [sourceOf(known)], few)).toEqual(one);
    expect(await recalibrate(engine, plain, [], few)).toBeUndefined();
  });
});

describe("of a given spectrum", () => {
  const lines = lineCatalog(300, "recalibrated");
  const [pixels, pixelSignal] = [covariateNames.indexOf("pixels"), covariateNames.indexOf("pixelSignal")];
  const covariatesOf = (catalog: Catalog, isContext: readonly number[], window = WHOLE): Float64Array => {
    const coder = coderOf(startCheckpoint(catalog).config);
    const to = new Float64Array(covariateNames.length);
    const evidence = { catalog, row: 3, isContext: Uint8Array.from(isContext), scale: 1, window };
    fillCovariates(coder, evidence, new Float32Array(0), to);
    return to;
  };

  it("its pixels and their signal are known, 0 where it is not given, and nothing of networks without", () => {
    const given = covariatesOf(lines, [1, 1, 0, 1]);
    expect(given[pixels]).toBeGreaterThan(0.8);
    expect(given[pixels]).toBeLessThan(1); // one in ten is not observed
    expect(given[pixelSignal]).toBeGreaterThan(0.2);
    const part = covariatesOf(lines, [1, 1, 0, 1], { from: 0.25, to: 0.75 });
    expect(part[pixels] / given[pixels]).toBeCloseTo(0.5, 1);
    const hidden = covariatesOf(lines, [1, 1, 0, 0]);
    expect([hidden[pixels], hidden[pixelSignal]]).toEqual([0, 0]);
    const toy = toyCatalog(20);
    const none = covariatesOf(
      toy,
      toy.fields.map(() => 1),
    );
    expect([none[pixels], none[pixelSignal]]).toEqual([Number.NaN, Number.NaN]);
  });

  it("the recalibration of answers depends on it, and not of networks without", async () => {
    const fitted = async (catalog: Catalog) =>
      recalibrate(await onnx, startCheckpoint(catalog), [sourceOf(catalog)], { questions: 2000, distorted: 0 });
    const names = (await fitted(lines))!.properties.z.covariates.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["pixels", "pixelSignal"]));
    const toy = (await fitted(toyCatalog(300)))!.properties;
    const others = Object.values(toy).flatMap((one) => one.covariates.map(({ name }) => name));
    expect(others).toContain("signal");
    expect(others).not.toContain("pixels");
  });
});
