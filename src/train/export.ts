import type { Engine } from "../engine/contract.ts";
import { constantsOf } from "../model/parameters.ts";
import { encode, marginals, readoutsOf } from "../model/transformer.ts";
import { contextSignature } from "../tokens/hosts.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { coderOf } from "./config.ts";

/** Galaxies per run of an exported network: ONNX graphs have fixed sizes. */
const EXPORT_BATCH = 64;

/**
 * The network as one ONNX file, averaged weights included: inputs `in.<name>` as in `contextSignature` for 64 galaxies,
 * outputs `out.<read-out>` the raw marginals of each read-out's fields, [64, fields, width]. Undefined for engines that
 * don't compile.
 */
export async function exportNetwork(
  engine: Engine,
  { config, layout, state }: Checkpoint,
): Promise<Uint8Array | undefined> {
  const coder = coderOf(config);
  const compiled = await engine.compile(
    (inputs) => {
      const params = constantsOf(state.average, layout);
      const known = encode(config.model, coder, params, inputs, config.isCalibrated); // [B, S]
      const readouts = readoutsOf(config.model, coder).flatMap((family) => family.readouts);
      return Object.fromEntries(readouts.map((one) => [one.name, marginals(params, known, one)])); // [B, fields, width]
    },
    contextSignature(EXPORT_BATCH, coder),
    `network to export, ${EXPORT_BATCH} galaxies`,
  );
  await compiled.dispose();
  return compiled.onnx;
}
