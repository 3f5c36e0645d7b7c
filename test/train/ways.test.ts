import { beforeAll, describe, expect, it } from "vitest";
import { predictTruths } from "../../src/inference/evaluate.ts";
import { createPredictor } from "../../src/inference/predict.ts";
import { modelSchema } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog, hide, select } from "../../src/survey/catalog.ts";
import { catalogStore, labelledRows } from "../../src/tokens/batch.ts";
import { adaptSchema } from "../../src/train/adapt.ts";
import { atState, type Checkpoint } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { train } from "../../src/train/loop.ts";
import { reweightedReplay } from "../../src/train/reweighted-replay.ts";
import { noInstrument } from "../../src/train/zero-points.ts";
import { fitted, type Lessons } from "../../src/train/teaching.ts";
import { ways, waysToMake } from "../../src/train/ways.ts";
import { createWorld, sampleWorld } from "../helpers/gaussian.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { sourceOf } from "../helpers/toy.ts";

/** Ways without labels, in worlds where they must help: another population, and states that another instrument has moved. */

const world = createWorld();
const n = world.fields.length;
const [B1, Z] = [0, 2]; // columns
const model = modelSchema.parse({ nLatent: 2, dModel: 16, nLayer: 1, nHidden: 32, dQuery: 8, nComponent: 3 });
const sample = (rows: number, seed: string): Catalog => sampleWorld(world, rows, createRng(seed)).catalog;
const simulated = sample(4000, "simulated");
const NO_ROWS = new Int32Array(0);
const zOf = (catalog: Catalog, rows: Int32Array): number =>
  rows.reduce((sum, row) => sum + catalog.value[row * n + Z], 0) / rows.length;

let start: Checkpoint;

/** The lessons of a target without a label. */
async function lessonsOf(catalog: Catalog): Promise<Lessons> {
  const { optimiser, subsets, training } = start.config;
  return {
    engine: await onnx,
    source: start,
    instrument: noInstrument(2),
    recipe: { adapt: adaptSchema.parse({}), optimiser: { ...optimiser, rate: 2e-3 }, subsets, training },
    catalog,
    bare: hide(catalog, ({ band }) => band === undefined),
    unlabelled: allRows(catalog),
    column: Z,
    train: NO_ROWS,
    validation: NO_ROWS,
    replay: { store: catalogStore(simulated), rows: allRows(simulated), labelled: labelledRows(simulated) },
  };
}

beforeAll(async () => {
  const blank = startCheckpoint(simulated, {
    model,
    isCalibrated: true,
    subsets: { fullShare: 0.8, autoregressiveShare: 0 },
    training: { steps: 600, batch: 64, nTarget: 2 },
  });
  const state = await train(
    {
      engine: await onnx,
      coder: coderOf(blank.config),
      sources: [sourceOf(simulated)],
      validation: [],
      onProgress: () => {},
      onCheckpoint: () => {},
    },
    blank,
  );
  start = atState(blank, state);
}, 240_000);

describe("replay like the target", () => {
  it("has its redshifts, of which no label told", async () => {
    const all = sample(3000, "target");
    const predictor = createPredictor(await onnx, start);
    const { z } = await predictor.ask(all, { given: "bands", want: "z", trust: false });
    await predictor.dispose();
    // three quarters of those that seem near are left out
    const middle = z.median.toSorted()[1500];
    const far = select(
      all,
      allRows(all).filter((row) => z.median[row] > middle || row % 4 === 0),
    );
    const found = await reweightedReplay(await lessonsOf(far), start);
    const { rows } = found!.lessons.replay!;
    const usual = zOf(simulated, allRows(simulated));
    const [wanted, reached] = [zOf(far, allRows(far)) - usual, zOf(simulated, rows) - usual];
    expect(wanted).toBeGreaterThan(0.03);
    expect(reached / wanted).toBeGreaterThan(0.8);
    expect(reached / wanted).toBeLessThan(1.2);
    expect(found!.effective).toBeLessThan(0.95 * rows.length);
  }, 60_000);
});

describe("a network taught by replay like the target", () => {
  it("answers better where the target's redshifts are others", async () => {
    const all = sample(4000, "others");
    const near = zOf(all, allRows(all));
    const far = select(
      all,
      allRows(all).filter((row) => all.value[row * n + Z] > near || row % 8 === 0),
    );
    const lessons = await lessonsOf(far);
    const taught = await ways.reweighted.make(lessons, { instrument: { network: start } });
    const lossesOf = async (network: Checkpoint): Promise<ArrayLike<number>> => {
      const predictor = createPredictor(await onnx, network);
      const isGiven = Uint8Array.from(world.fields, ({ band }) => Number(band !== undefined));
      const question = { title: "bands", isGiven, wanted: [Z] };
      const { negLogLik } = (await predictTruths(predictor, far, allRows(far), question)).get("z")!.predictions;
      await predictor.dispose();
      return negLogLik;
    };
    const [usual, like] = [await lossesOf(await fitted(lessons, start)), await lossesOf(taught!.network)];
    const gains = Array.from(usual, (loss, i) => loss - like[i]);
    const mean = gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
    const spread = Math.sqrt(gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0) / gains.length);
    expect(mean).toBeGreaterThan((3 * spread) / Math.sqrt(gains.length));
  }, 120_000);
});

describe("states aligned", () => {
  const moved = sample(3000, "target");
  for (let row = 0; row < moved.rowCount; row++) moved.value[row * n + B1] *= 1.6; // a zero-point nobody knows

  /** Of the mean of each number of the state, simulated and real rows apart by so many deviations, in the rms; median |z - truth|. */
  async function judge(network: Checkpoint): Promise<{ apart: number; error: number }> {
    const predictor = createPredictor(await onnx, network);
    const isGiven = Uint8Array.from(world.fields, ({ band }) => Number(band !== undefined));
    const rows = allRows(moved);
    const [real, made] = [
      await predictor.network.encode(moved, rows, isGiven),
      await predictor.network.encode(simulated, rows, isGiven),
    ];
    const size = real.state.length / rows.length;
    let apart = 0;
    for (let k = 0; k < size; k++) {
      const [a, b] = [real, made].map(({ state }) => Float64Array.from(rows, (row) => state[row * size + k]));
      const mean = (x: Float64Array): number => x.reduce((sum, v) => sum + v, 0) / x.length;
      const std = Math.sqrt(mean(b.map((v) => v * v)) - mean(b) ** 2);
      apart += ((mean(a) - mean(b)) / std) ** 2 / size;
    }
    const { z } = await predictor.ask(moved, { given: "bands", want: "z", trust: false });
    const off = Array.from(rows, (row) => Math.abs(z.median[row] - moved.value[row * n + Z])).sort((a, b) => a - b);
    await predictor.dispose();
    return { apart: Math.sqrt(apart), error: off[rows.length / 2] };
  }

  it("are nearer to each other than without, and answer better", async () => {
    const lessons = await lessonsOf(moved);
    const without = await judge(await fitted(lessons, start));
    const aligned = await judge(await fitted(lessons, start, { alignment: 10 }));
    expect(aligned.apart).toBeLessThan(0.7 * without.apart);
    expect(aligned.error).toBeLessThan(0.98 * without.error);
  }, 240_000);
});

describe("what is made", () => {
  it("is what was wished and what that is made from, in order; by default nothing extra", () => {
    expect(waysToMake(["averaged"])).toStrictEqual(["zeroShot", "instrument", "retaught", "allWeights", "averaged"]);
    expect(waysToMake(["scratch"])).toStrictEqual(["zeroShot", "instrument", "scratch"]);
    for (const name of waysToMake()) expect(ways[name].isExtra).not.toBe(true);
  });
});
