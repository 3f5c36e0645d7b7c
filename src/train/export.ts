import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { constantsOf } from "../model/parameters.ts";
import { marginals } from "../model/marginals.ts";
import { encode, readoutsOf } from "../model/transformer.ts";
import { contextSignature } from "../tokens/hosts.ts";
import { type CardOptions, modelCard } from "./card.ts";
import { type Checkpoint, saveAverages } from "./checkpoint.ts";
import { coderOf, portableConfig } from "./config.ts";
import { formatLog, type LogLine, validationOf } from "./run.ts";

/** Galaxies per run of an exported network: ONNX graphs have fixed sizes. */
const EXPORT_BATCH = 64;

/**
 * The network as one ONNX file, averaged weights included: inputs `in.<name>` as in `contextSignature` for 64 galaxies,
 * outputs `out.<read-out>` the raw marginals of each read-out's fields, [64, fields, width]. Undefined for engines that
 * don't compile.
 */
export async function exportNetwork(
  engine: Engine,
  { config, layout, state, templates }: Checkpoint,
): Promise<Uint8Array | undefined> {
  const coder = coderOf(config, templates);
  const compiled = await engine.compile(
    (inputs) => {
      const params = constantsOf(state.average, layout);
      const known = encode(config.model, coder, params, inputs, config.isCalibrated); // [B, S]
      const readouts = readoutsOf(config.model, coder).flatMap((family) => family.readouts);
      return Object.fromEntries(readouts.map((one) => [one.name, marginals(coder, params, known, one)])); // [B, fields, width]
    },
    contextSignature(EXPORT_BATCH, coder),
    `network to export, ${EXPORT_BATCH} galaxies`,
  );
  await compiled.dispose();
  return compiled.onnx;
}

/** Bytes of a log that goes along; of a longer one every n-th line, and all with a validation loss. */
const MOST_LOG = 200_000;

function thinned(log: readonly LogLine[]): LogLine[] {
  const every = Math.ceil(formatLog(log).length / MOST_LOG);
  return log.filter(({ validation }, i) => i % every === 0 || validation !== undefined);
}

export interface ExportOptions extends Pick<CardOptions, "sections"> {
  /** The run's log, thinned; its last validation loss goes into the model card. */
  readonly log?: readonly LogLine[];
  /** Compiles the network into `model.onnx`, which goes along. */
  readonly engine?: Engine;
}

/**
 * Writes the small form of a checkpoint into a new folder: averaged weights, configuration, vocabulary, model card and log.
 * It answers, and `finetune` and `adapt` start anew from it; an interrupted run can't be resumed from it. It names no
 * folders of the machine that trained it.
 * @throws UserError when the folder holds something already, or can't be written.
 */
export async function exportCheckpoint(
  checkpoint: Checkpoint,
  folder: string,
  { log = [], sections, engine }: ExportOptions = {},
): Promise<void> {
  const { config, layout, state } = checkpoint;
  const path = join(dirname(folder), basename(folder)); // without a slash at its end
  if (existsSync(path) && (!statSync(path).isDirectory() || readdirSync(path).length > 0)) {
    throw new UserError(`${path}: is there already; expected a new folder`);
  }
  const small = { ...checkpoint, config: portableConfig({ ...config, step: state.step }) };
  const onnx = engine === undefined ? undefined : await exportNetwork(engine, small);
  if (engine !== undefined && onnx === undefined) {
    throw new UserError(`${engine.name}: makes no ONNX file; expected --backend onnx`);
  }
  await saveAverages(path, small, {
    "README.md": modelCard(small.config, layout, {
      validation: validationOf(config, log),
      isSmall: true,
      ...(sections === undefined ? {} : { sections }),
    }),
    ...(log.length === 0 ? {} : { "log.jsonl": formatLog(thinned(log)) }),
    ...(onnx === undefined ? {} : { "model.onnx": onnx }),
  });
}
