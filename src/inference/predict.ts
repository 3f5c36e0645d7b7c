import * as tf from "@tensorflow/tfjs-core";
import type { Compiled, Engine, NdArray, Signature } from "../engine/contract.ts";
import { headOf } from "../model/heads.ts";
import { unpack } from "../model/parameters.ts";
import { answerSpec, conditionals, encode, marginalsOf } from "../model/transformer.ts";
import type { Catalog } from "../survey/catalog.ts";
import { contextSignature, emptyArrays, fillContext, orderSignature } from "../tokens/batch.ts";
import { createFieldCoder, type FieldCoder } from "../tokens/standardise.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { Distribution } from "../model/distribution.ts";

/** Answers for a set of galaxies: one distribution per (row, wanted field), in the encoded space of `coder`. */
export interface Answers {
  /** Galaxy i, field w is row i * wanted.length + w. */
  readonly distribution: Distribution;
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

/** Inputs of one compiled network. */
function signatureOf(coder: FieldCoder, batch: number, fields: readonly number[], isOrdered: boolean): Signature {
  return {
    ...contextSignature(batch, coder.nField),
    ...(isOrdered ? orderSignature(batch, fields.length) : {}),
  };
}

/** The network with averaged weights as constants: marginals of `fields`, or the conditional of the last in that order. */
function compileNetwork(
  engine: Engine,
  { config, layout, state }: Checkpoint,
  coder: FieldCoder,
  batch: number,
  fields: readonly number[],
  isOrdered: boolean,
): Promise<Compiled> {
  const spec = answerSpec(config.model);
  const width = headOf(spec).width(spec);
  return engine.compile(
    (inputs) => {
      const params = unpack(tf.tensor1d(state.average), layout);
      const known = encode(config.model, coder, params, inputs, config.isCalibrated); // [B, S]
      const marginal = marginalsOf(config.model, params, known, coder, fields); // [B, fields, width]
      if (!isOrdered) return { raw: marginal };
      const ordered = conditionals(config.model, params, known, marginal, inputs); // [B, fields, width]
      return { raw: tf.slice(ordered, [0, fields.length - 1, 0], [batch, 1, width]) };
    },
    signatureOf(coder, batch, fields, isOrdered),
    `network, ${isOrdered ? "ordered, " : ""}${batch} galaxies`,
  );
}

/** Galaxies per run of an exported network: ONNX graphs have fixed sizes. */
const EXPORT_BATCH = 64;

/**
 * The network as one ONNX file, weights included: inputs `in.<name>` as in `contextSignature` for 64 galaxies, output the
 * raw marginals of every field, [64, N, width]. Undefined for engines that don't compile.
 */
export async function exportNetwork(engine: Engine, checkpoint: Checkpoint): Promise<Uint8Array | undefined> {
  const coder = createFieldCoder(checkpoint.config.fields, checkpoint.config.standardisation);
  const fields = coder.fields.map((_, j) => j);
  const compiled = await compileNetwork(engine, checkpoint, coder, EXPORT_BATCH, fields, false);
  await compiled.dispose();
  return compiled.onnx;
}

type FillOrder = (arrays: Record<string, NdArray>, b: number, i: number) => void;

/** Compiles the network as questions come; one graph per batch size and set of fields. */
export function createPredictor(engine: Engine, checkpoint: Checkpoint): Predictor {
  const { config } = checkpoint;
  const coder = createFieldCoder(config.fields, config.standardisation);
  const spec = answerSpec(config.model);
  const head = headOf(spec);
  const width = head.width(spec);
  const graphs = new Map<string, Promise<Compiled>>();

  const graph = (batch: number, fields: readonly number[], isOrdered: boolean): Promise<Compiled> => {
    const key = `${batch} ${isOrdered} ${fields.join()}`;
    const compiled = graphs.get(key) ?? compileNetwork(engine, checkpoint, coder, batch, fields, isOrdered);
    graphs.set(key, compiled);
    return compiled;
  };

  /** Runs rows in batches; `fillOrder` writes the ordered queries of row i at place b. */
  const run = async (
    catalog: Catalog,
    rows: Int32Array,
    isGiven: Uint8Array,
    fields: readonly number[],
    fillOrder?: FillOrder,
  ): Promise<Answers> => {
    const isOrdered = fillOrder !== undefined;
    const batch = upTo(rows.length, MOST_ROWS);
    const size = (isOrdered ? 1 : fields.length) * width;
    const compiled = await graph(batch, fields, isOrdered);
    const raw = new Float32Array(rows.length * size);
    const scales = new Float64Array(rows.length);
    for (let start = 0; start < rows.length; start += batch) {
      const arrays = emptyArrays(signatureOf(coder, batch, fields, isOrdered));
      const count = Math.min(batch, rows.length - start);
      for (let b = 0; b < count; b++) {
        scales[start + b] = fillContext(arrays, b, coder, catalog, rows[start + b], isGiven);
        fillOrder?.(arrays, b, start + b);
        arrays.isCalibrated.data[b] = config.isCalibrated ? 1 : 0;
      }
      const out = (await compiled.run(arrays)).raw.data as Float32Array;
      raw.set(out.subarray(0, count * size), start * size);
    }
    return { distribution: head.read(raw, (rows.length * size) / width, spec), scales };
  };

  return {
    coder,
    predict: (catalog, rows, isGiven, wanted) => run(catalog, rows, isGiven, wanted),
    predictNext(catalog, rows, isGiven, order, drawn) {
      const known = order.length - 1;
      return run(catalog, rows, isGiven, order, (arrays, b, i) => {
        order.forEach((field, t) => {
          arrays.targetField.data[b * order.length + t] = field;
          if (t < known) arrays.targetValue.data[b * order.length + t] = drawn[i * known + t];
        });
      });
    },
    async dispose() {
      for (const compiled of graphs.values()) await (await compiled).dispose();
      graphs.clear();
    },
  };
}
