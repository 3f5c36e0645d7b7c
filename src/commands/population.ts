import { recordPopulation } from "../train/population.ts";
import {
  defineCommand,
  neededCheckpoint,
  type ReadArguments,
  readOptions,
  readOptionsOf,
  type SurveyArguments,
  surveyOption,
  surveyOptionOf,
} from "./shared.ts";
import { terminal } from "./terminal.ts";

interface Arguments extends ReadArguments, SurveyArguments {
  tables: string[];
  checkpoint: string;
}

export const populationCommand = defineCommand<Arguments>({
  command: "population <tables..>",
  describe: "keep in a checkpoint how its training set is distributed, for --prior natural and wide",
  builder: (yargs) =>
    surveyOption(readOptions(yargs))
      .positional("tables", {
        type: "string",
        array: true,
        describe:
          "its training tables or prepared folders, or smaller ones of the same populations in the same proportions",
      })
      .option("checkpoint", neededCheckpoint)
      .example("$0 population natural.parquet wide.parquet --checkpoint runs/old", "of a network trained before 0.7.0"),
  handler: async (args) => {
    await recordPopulation({
      checkpoint: args.checkpoint,
      tables: args.tables,
      reading: readOptionsOf(args),
      ...surveyOptionOf(args),
      reporter: terminal,
    });
  },
});
