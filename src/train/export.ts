import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../engine/contract.ts";
import { unpack } from "../model/parameters.ts";
import { encode, marginalsOf } from "../model/transformer.ts";
import { contextSignature } from "../tokens/batch.ts";
import { createFieldCoder } from "../tokens/standardise.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** Galaxies per run of an exported network: ONNX graphs have fixed sizes. */
const EXPORT_BATCH = 64;

/**
 * The network as one ONNX file, averaged weights included: inputs `in.<name>` as in `contextSignature` for 64 galaxies,
 * output the raw marginals of every field, [64, N, width]. Undefined for engines that don't compile.
 */
export async function exportNetwork(
  engine: Engine,
  { config, layout, state }: Checkpoint,
): Promise<Uint8Array | undefined> {
  const coder = createFieldCoder(config.fields, config.standardisation);
  const fields = coder.fields.map((_, j) => j);
  const compiled = await engine.compile(
    (inputs) => {
      const params = unpack(tf.tensor1d(state.average), layout);
      const known = encode(config.model, coder, params, inputs, config.isCalibrated); // [B, S]
      return { raw: marginalsOf(config.model, params, known, coder, fields) }; // [B, N, width]
    },
    contextSignature(EXPORT_BATCH, coder.nField),
    `network to export, ${EXPORT_BATCH} galaxies`,
  );
  await compiled.dispose();
  return compiled.onnx;
}
