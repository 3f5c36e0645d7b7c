import { FEWEST_TILES, splitNames } from "../survey/split.ts";
import { prepare } from "../tokens/prepare.ts";
import { defineCommand, type ReadArguments, readOptions, readOptionsOf } from "./shared.ts";
import { printTable, terminal } from "./terminal.ts";

interface Arguments extends ReadArguments {
  tables: string[];
  survey: string;
  out: string;
  split: "parent" | "tile" | undefined;
  rowsPerShard: number;
  seed: number;
}

export const prepareCommand = defineCommand<Arguments>({
  command: "prepare <tables..>",
  describe: "stream tables into shards for training, say what was dropped and why, split them, fit standardisation",
  builder: (yargs) =>
    readOptions(yargs)
      .positional("tables", { type: "string", array: true, describe: "tables in any known layout, or folders of them" })
      .option("survey", {
        type: "string",
        default: "minijpas",
        describe: "survey file: a name of `caleido datasets`, or a path",
      })
      .option("out", {
        type: "string",
        demandOption: true,
        describe: "folder for shards and manifest.json, which training verbs take as a table",
      })
      .option("split", {
        choices: ["parent", "tile"],
        describe: `tile: hold whole tiles out for test (default where there are at least ${FEWEST_TILES})`,
      })
      .option("rows-per-shard", { type: "number", default: 50_000, describe: "rows of a shard" })
      .option("seed", {
        type: "number",
        default: 0,
        describe: "seed of the split and of the sample for standardisation",
      })
      .example("$0 prepare survey/*.fits --out prepared", "then: caleido pretrain prepared --out runs/a"),
  handler: async (args) => {
    const { tables, survey, out, split, rowsPerShard, seed } = args;
    const request = { tables, survey, out, rowsPerShard, seed, reading: readOptionsOf(args), reporter: terminal };
    const parts = await prepare(split === undefined ? request : { ...request, split });
    printTable(
      ["part", "shards", "rows"],
      splitNames.map((part) => [part, String(parts[part].shards), parts[part].rows.toLocaleString("en-US")]),
    );
  },
});
