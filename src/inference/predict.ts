import * as tf from "@tensorflow/tfjs-core";
import type { Compiled, Engine, NdArray } from "../engine/contract.ts";
import { heads } from "../model/heads.ts";
import { unpack } from "../model/parameters.ts";
import { forward } from "../model/transformer.ts";
import type { Catalog } from "../survey/catalog.ts";
import { batchSignature, emptyArrays, fillContext } from "../tokens/batch.ts";
import { createFieldCoder, type FieldCoder } from "../tokens/standardise.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { Mixtures } from "./metrics-mixture.ts";

/** Answers for a set of galaxies: one mixture per (row, wanted field), in the encoded space of `coder`. */
export interface Answers {
  /** Row i, field w is mixture i * wanted.length + w. */
  readonly mixtures: Mixtures;
  /** [row] Scale that each row's band values are relative to; see `tokens/scale.ts`. */
  readonly scales: Float64Array;
}

export interface Predictor {
  readonly coder: FieldCoder;
  /** All marginals p(field | given) in one pass: `isGiven` holds one flag per field, unobserved ones are ignored. */
  predict(catalog: Catalog, rows: Int32Array, isGiven: Uint8Array, wanted: readonly number[]): Promise<Answers>;
  /**
   * Distribution of the last of `order` given the context and values drawn for the fields before it: one step of
   * joint sampling. `drawn` [rows, order.length - 1] holds encoded values.
   */
  predictNext(
    catalog: Catalog,
    rows: Int32Array,
    isGiven: Uint8Array,
    order: readonly number[],
    drawn: Float32Array,
  ): Promise<Answers>;
  dispose(): Promise<void>;
}

const MOST_ROWS = 256;

const upTo = (n: number, most: number): number => Math.min(most, 2 ** Math.ceil(Math.log2(Math.max(1, n))));

/** Compiles the network with the checkpoint's averaged weights as constants; one graph per (batch, answers) size. */
export function createPredictor(engine: Engine, checkpoint: Checkpoint): Predictor {
  const { config, layout, state } = checkpoint;
  const coder = createFieldCoder(config.fields, config.standardisation);
  const head = heads[config.model.head];
  const width = head.width(config.model.nComponent);
  const graphs = new Map<string, Promise<Compiled>>();

  function graph(batch: number, nTarget: number): Promise<Compiled> {
    const key = `${batch} x ${nTarget}`;
    let compiled = graphs.get(key);
    if (compiled === undefined) {
      const signature = batchSignature(batch, config.fields.length, nTarget);
      compiled = engine.compile(
        (inputs) => {
          const params = unpack(tf.tensor1d(state.average), layout);
          return { raw: forward(config.model, config.fields, params, inputs) };
        },
        signature,
        `network for ${key}`,
      );
      graphs.set(key, compiled);
    }
    return compiled;
  }

  /** Runs rows in batches; `fillQueries` writes row i's queries at place b. Reads answers [from, from + count) of each row. */
  async function run(
    catalog: Catalog,
    rows: Int32Array,
    isGiven: Uint8Array,
    nTarget: number,
    fillQueries: (arrays: Record<string, NdArray>, b: number, i: number) => void,
    read: { from: number; count: number },
  ): Promise<Answers> {
    const batch = upTo(rows.length, MOST_ROWS);
    const compiled = await graph(batch, nTarget);
    const raw = new Float32Array(rows.length * read.count * width);
    const scales = new Float64Array(rows.length);
    for (let start = 0; start < rows.length; start += batch) {
      const arrays = emptyArrays(batchSignature(batch, config.fields.length, nTarget));
      const size = Math.min(batch, rows.length - start);
      for (let b = 0; b < size; b++) {
        scales[start + b] = fillContext(arrays, b, coder, catalog, rows[start + b]!, isGiven);
        fillQueries(arrays, b, start + b);
        arrays.isCalibrated!.data[b] = config.isCalibrated ? 1 : 0;
      }
      const out = (await compiled.run(arrays)).raw!.data as Float32Array;
      for (let b = 0; b < size; b++) {
        const at = (b * nTarget + read.from) * width;
        raw.set(out.subarray(at, at + read.count * width), (start + b) * read.count * width);
      }
    }
    return { mixtures: head.read(raw, rows.length * read.count, config.model.nComponent), scales };
  }

  return {
    coder,
    predict(catalog, rows, isGiven, wanted) {
      const nTarget = upTo(wanted.length, 1024);
      const fill = (arrays: Record<string, NdArray>, b: number): void => {
        wanted.forEach((field, t) => (arrays.targetField!.data[b * nTarget + t] = field));
      };
      return run(catalog, rows, isGiven, nTarget, fill, { from: 0, count: wanted.length });
    },
    predictNext(catalog, rows, isGiven, order, drawn) {
      const nTarget = upTo(order.length, 1024);
      const known = order.length - 1;
      const fill = (arrays: Record<string, NdArray>, b: number, i: number): void => {
        arrays.isAutoregressive!.data[b] = 1;
        order.forEach((field, t) => {
          arrays.targetField!.data[b * nTarget + t] = field;
          if (t === known) return;
          arrays.targetValue!.data[b * nTarget + t] = drawn[i * known + t]!;
          arrays.targetState!.data[b * nTarget + t] = 1;
        });
      };
      return run(catalog, rows, isGiven, nTarget, fill, { from: known, count: 1 });
    },
    async dispose() {
      for (const compiled of graphs.values()) await (await compiled).dispose();
      graphs.clear();
    },
  };
}
