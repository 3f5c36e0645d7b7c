import { join } from "node:path";
import { makeFolder } from "../io/atomic.ts";
import { writeTable } from "../io/formats.ts";
import { schemaOf } from "../io/columns.ts";
import { readWholeCatalog } from "../survey/read.ts";
import { splitByParent, splitNames } from "../survey/split.ts";
import { loadSurvey } from "../survey/survey.ts";
import { catalogTable } from "../survey/table.ts";
import { defineCommand } from "./shared.ts";
import { printTable, say } from "./terminal.ts";

export const prepareCommand = defineCommand<{ table: string; survey: string; out: string }>({
  command: "prepare <table>",
  describe: "read a survey's table, say what was dropped and why, and write it split by parent",
  builder: (yargs) =>
    yargs
      .positional("table", { type: "string", describe: "table in any known layout" })
      .option("survey", {
        type: "string",
        default: "minijpas",
        describe: "survey file: a name of `caleido datasets`, or a path",
      })
      .option("out", {
        type: "string",
        demandOption: true,
        describe: "folder for train, validation, calibration, test .parquet",
      }),
  handler: async ({ table, survey: name, out }) => {
    const survey = loadSurvey(name);
    const { catalog, report } = await readWholeCatalog(table, survey);
    for (const line of report) say(`  ${line}`);
    const split = splitByParent(catalog.parentId);
    makeFolder(out);
    const written: string[][] = [];
    for (const part of splitNames) {
      if (split[part].length === 0) continue;
      const path = join(out, `${part}.parquet`);
      const rows = catalogTable(catalog, split[part]);
      const metadata = { creator: "caleido prepare", survey: survey.name, source: table, part };
      await writeTable(path, { schema: rows.columns.map(schemaOf), metadata, rowCount: rows.rowCount }, [rows]);
      written.push([path, String(rows.rowCount)]);
    }
    printTable(["file", "rows"], written);
  },
});
