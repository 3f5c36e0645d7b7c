import { scoresForCard } from "../inference/card-scores.ts";
import { readWholeText } from "../io/text.ts";
import { loadCheckpoint } from "../train/checkpoint.ts";
import { exportCheckpoint } from "../train/export.ts";
import { readLog } from "../train/run.ts";
import { checkpointPath } from "../train/shipped.ts";
import { defineCommand, type EngineArguments, engineOf, engineOptions, neededCheckpoint } from "./shared.ts";
import { say } from "./terminal.ts";

interface Arguments extends EngineArguments {
  checkpoint: string;
  out: string;
  onnx: boolean;
  scores: string | undefined;
  notes: string | undefined;
}

export const exportCommand = defineCommand<Arguments>({
  command: "export",
  describe: "write the small form of a checkpoint: what answers, to be passed on",
  builder: (yargs) =>
    engineOptions(yargs)
      .option("checkpoint", neededCheckpoint)
      .option("out", { type: "string", demandOption: true, describe: "new folder" })
      .option("onnx", { type: "boolean", default: false, describe: "with the network as model.onnx" })
      .option("scores", { type: "string", describe: "metrics.json of evaluate, as a table of the model card" })
      .option("notes", { type: "string", describe: "Markdown for the model card: limits, licence, whom to cite" })
      .example(
        "$0 export --checkpoint runs/a --out small",
        "averaged weights, configuration, vocabulary, model card, log",
      ),
  handler: async (args) => {
    const checkpoint = loadCheckpoint(args.checkpoint);
    const scores = args.scores === undefined ? [] : [await scoresForCard(args.scores)];
    const notes = args.notes === undefined ? [] : [await readWholeText(args.notes, "Markdown")];
    await exportCheckpoint(checkpoint, args.out, {
      log: readLog(checkpointPath(args.checkpoint), checkpoint.state.step),
      sections: [...scores, ...notes],
      ...(args.onnx ? { engine: await engineOf(args) } : {}),
    });
    say(`  small form in ${args.out}`);
  },
});
