import { loadCheckpoint } from "../train/checkpoint.ts";
import { exportCheckpoint } from "../train/export.ts";
import { readLog } from "../train/run.ts";
import { defineCommand, type EngineArguments, engineOf, engineOptions, neededCheckpoint } from "./shared.ts";
import { say } from "./terminal.ts";

interface Arguments extends EngineArguments {
  checkpoint: string;
  out: string;
  onnx: boolean;
}

export const exportCommand = defineCommand<Arguments>({
  command: "export",
  describe: "write the small form of a checkpoint: what answers, to be passed on",
  builder: (yargs) =>
    engineOptions(yargs)
      .option("checkpoint", neededCheckpoint)
      .option("out", { type: "string", demandOption: true, describe: "new folder" })
      .option("onnx", { type: "boolean", default: false, describe: "with the network as model.onnx" })
      .example("$0 export --checkpoint runs/a --out small", "averaged weights, configuration, vocabulary, model card"),
  handler: async (args) => {
    const checkpoint = loadCheckpoint(args.checkpoint);
    const log = readLog(args.checkpoint, checkpoint.state.step);
    const validation = log.findLast((line) => Number.isFinite(line.validation))?.validation;
    await exportCheckpoint(checkpoint, args.out, {
      ...(validation === undefined ? {} : { validation }),
      ...(args.onnx ? { engine: await engineOf(args) } : {}),
    });
    say(`  small form in ${args.out}`);
  },
});
