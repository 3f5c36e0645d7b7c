import { calibrate } from "../train/calibrate.ts";
import {
  apertureOption,
  defineCommand,
  type EngineArguments,
  engineOf,
  engineOptions,
  neededCheckpoint,
  type ReadArguments,
  readOptions,
  readOptionsOf,
  type SurveyArguments,
  surveyOption,
  surveyOptionOf,
} from "./shared.ts";
import { usualRecalibration } from "../train/recalibrate.ts";
import { terminal } from "./terminal.ts";

interface Arguments extends EngineArguments, ReadArguments, SurveyArguments {
  tables: string[];
  checkpoint: string;
  part: "held-out" | "all";
  distorted: number;
  questions: number;
  anyAperture: boolean;
}

export const calibrateCommand = defineCommand<Arguments>({
  command: "calibrate <tables..>",
  describe: "fit the recalibration of a network's intervals to tables with truths, and keep it in the checkpoint",
  builder: (yargs) =>
    apertureOption(surveyOption(readOptions(engineOptions(yargs))))
      .positional("tables", {
        type: "string",
        array: true,
        describe: "tables with truths, or prepared folders: at home and abroad, as many rows of each as it is to weigh",
      })
      .option("checkpoint", neededCheckpoint)
      .option("part", {
        choices: ["held-out", "all"] as const,
        default: "held-out",
        describe:
          "rows: the validation and calibration parts, or also the training part, of tables that no network saw",
      })
      .option("distorted", {
        type: "number",
        default: usualRecalibration.distorted,
        describe: "share of galaxies whose spectra and zero-points are distorted first",
      })
      .option("questions", { type: "number", default: 40_000, describe: "most questions asked" })
      .example("$0 calibrate sims.parquet --checkpoint runs/a", "by the rows that it was not trained on")
      .example(
        "$0 calibrate home.parquet abroad.parquet --part all --checkpoint runs/a",
        "by tables made for it, one of them of another universe",
      ),
  handler: async (args) => {
    await calibrate({
      engine: await engineOf(args),
      checkpoint: args.checkpoint,
      tables: args.tables,
      reading: readOptionsOf(args),
      ...surveyOptionOf(args),
      anyAperture: args.anyAperture,
      part: args.part,
      distorted: args.distorted,
      questions: args.questions,
      reporter: terminal,
    });
  },
});
