import type { Compiled, Engine } from "../engine/contract.ts";
import { marginals } from "../model/marginals.ts";
import { constantsOf } from "../model/parameters.ts";
import type { Readout } from "../model/readouts.ts";
import { encode } from "../model/transformer.ts";
import { contextSignature } from "../tokens/hosts.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { NetworkCoder } from "./config.ts";

/** States and raw marginals of some read-outs, by their names: of `batch` galaxies at once. */
export function compileAnswers(
  engine: Engine,
  { config, layout, state }: Checkpoint,
  coder: NetworkCoder,
  readouts: readonly Readout[],
  batch: number,
): Promise<Compiled> {
  return engine.compile(
    (inputs) => {
      const params = constantsOf(state.average, layout);
      const known = encode(config.model, coder, params, inputs, config.isCalibrated); // [B, S]
      const raw = readouts.map((one) => [one.name, marginals(coder, params, known, one)] as const); // [B, members, width]
      return { state: known, ...Object.fromEntries(raw) };
    },
    contextSignature(batch, coder),
    `answers of ${readouts.length} read-outs, ${batch} galaxies`,
  );
}
