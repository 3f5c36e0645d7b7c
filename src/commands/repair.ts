import { repair } from "../inference/repair.ts";
import { defineCommand, type ReadArguments, readOptions, readOptionsOf } from "./shared.ts";
import { terminal } from "./terminal.ts";

interface Arguments extends ReadArguments {
  table: string;
  checkpoint: string;
  out: string;
  noise: boolean;
}

export const repairCommand = defineCommand<Arguments>({
  command: "repair <table>",
  describe: "write a table again with the zero-points applied that adaptation has learned",
  builder: (yargs) =>
    readOptions(yargs)
      .positional("table", { type: "string", describe: "table of the survey that the checkpoint was adapted to" })
      .option("checkpoint", { type: "string", demandOption: true, describe: "checkpoint or run folder of adapt" })
      .option("out", { type: "string", demandOption: true, describe: "table to write; its ending says the format" })
      .option("noise", {
        type: "boolean",
        default: false,
        describe: "multiply errors by the learned noise factors too",
      })
      .example(
        "$0 repair cat.fits --checkpoint runs/adapted --out fixed.fits",
        "all columns of cat.fits, bands repaired in their own units, and <column>_zp_applied [mag]",
      ),
  handler: async (args) => {
    await repair({
      checkpoint: args.checkpoint,
      table: args.table,
      out: args.out,
      noise: args.noise,
      reading: readOptionsOf(args),
      reporter: terminal,
    });
  },
});
