import { beforeAll, describe, expect, it } from "vitest";
import { floatVector } from "../../src/engine/arrays.ts";
import { type Layout, parameterIn } from "../../src/model/parameters.ts";
import { modelSchema } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { batchShape, drawBatch } from "../../src/tokens/batch.ts";
import { freezeRates } from "../../src/train/adapt.ts";
import { atState, type Checkpoint } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { train } from "../../src/train/loop.ts";
import { besideAdapters, withAdapters, withoutAdapters } from "../../src/train/low-rank.ts";
import { compileLoss } from "../../src/train/step.ts";
import { onnx, perturb, plainShape, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { sourceOf, toyCatalog } from "../helpers/toy.ts";

/** Adapters: nothing before training, of low rank after it, and an ordinary network once they are added. */

const RANK = 2;
const catalog = toyCatalog(300);
const model = modelSchema.parse({ ...tinyModel, dModel: 16, nHidden: 24, bandRank: 16 });
const start = perturb(startCheckpoint(catalog, { model, training: { steps: 40, batch: 16, nTarget: 2 } }));
const wide = withAdapters(start, RANK, createRng("adapters"));

/** Loss of one batch, by averaged weights. */
async function lossOf(checkpoint: Checkpoint): Promise<number> {
  const { config, state } = checkpoint;
  const coder = coderOf(config);
  const batch = batchShape(32, 2, config.subsets, false);
  const shape = plainShape(checkpoint, batch);
  const compiled = await compileLoss(await onnx, shape);
  const drawn = drawBatch(coder, [sourceOf(catalog)], config.subsets, batch, createRng("batch"));
  return (await compiled.run({ params: floatVector(state.average), ...drawn })).loss.data[0];
}

/** Singular values [rows, columns], largest first: one-sided Jacobi rotations of the columns (Hestenes 1958). */
function singularValues(matrix: Float64Array, rows: number, columns: number): number[] {
  const a = Array.from({ length: columns }, (_, j) => Array.from({ length: rows }, (__, i) => matrix[i * columns + j]));
  const dot = (x: number[], y: number[]): number => x.reduce((sum, v, i) => sum + v * y[i], 0);
  for (let sweep = 0; sweep < 30; sweep++) {
    for (let p = 0; p < columns; p++) {
      for (let q = p + 1; q < columns; q++) {
        const cross = dot(a[p], a[q]);
        if (Math.abs(cross) < 1e-300) continue;
        const angle = 0.5 * Math.atan2(2 * cross, dot(a[p], a[p]) - dot(a[q], a[q]));
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        const [x, y] = [a[p], a[q]];
        a[p] = x.map((v, i) => c * v + s * y[i]);
        a[q] = x.map((v, i) => c * y[i] - s * v);
      }
    }
  }
  return a.map((column) => Math.sqrt(dot(column, column))).sort((x, y) => y - x);
}

describe("low-rank adapters", () => {
  let taught: Checkpoint;
  let merged: Checkpoint;
  const change = (layout: Layout, name: string): Float64Array => {
    const before = parameterIn(start.state.average, start.layout, name);
    return Float64Array.from(parameterIn(merged.state.average, layout, name), (x, i) => x - before[i]);
  };

  beforeAll(async () => {
    const rateScale = freezeRates(wide.layout, besideAdapters(wide))!;
    const state = await train(
      {
        engine: await onnx,
        coder: coderOf(wide.config),
        sources: [sourceOf(catalog)],
        validation: [],
        phaseAt: () => ({ rateScale, subsets: wide.config.subsets }),
        onProgress: () => {},
        onCheckpoint: () => {},
      },
      wide,
    );
    taught = atState(wide, state);
    merged = withoutAdapters(taught);
  }, 120_000);

  it("change nothing before they learn, to the last bit", async () => {
    expect(wide.layout.total).toBeGreaterThan(start.layout.total);
    expect(await lossOf(wide)).toBe(await lossOf(start));
    expect(withoutAdapters(wide).state.average).toStrictEqual(start.state.average);
  });

  it("learn alone, and lower the loss", async () => {
    for (const name of besideAdapters(wide)) {
      const [before, after] = [start, taught].map(({ state, layout }) => parameterIn(state.average, layout, name));
      expect(after, name).toStrictEqual(before);
    }
    expect(await lossOf(taught)).toBeLessThan((await lossOf(start)) - 0.05);
  });

  it("added to their matrices are an ordinary network that answers the same", async () => {
    expect(merged.layout).toStrictEqual(start.layout);
    expect((await lossOf(merged)) / (await lossOf(taught))).toBeCloseTo(1, 5);
  });

  it("move matrices by no more than their rank, and nothing else", () => {
    let moved = 0;
    for (const { name, shape } of merged.layout.specs) {
      const by = change(merged.layout, name);
      if (!wide.layout.specs.some((spec) => spec.name === `${name}.adapter.left`)) {
        expect(
          by.every((x) => x === 0),
          name,
        ).toBe(true);
        continue;
      }
      const [largest, ...rest] = singularValues(by, shape[0], shape[1]);
      expect(largest, name).toBeGreaterThan(0);
      expect(rest[RANK - 1], name).toBeLessThan(1e-5 * Math.max(largest, 0.1)); // of rounding alone
      moved++;
    }
    expect(moved).toBeGreaterThan(5);
  });
});
