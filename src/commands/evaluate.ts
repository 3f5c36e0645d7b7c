import { baselines } from "../inference/baselines.ts";
import type { BaselineName } from "../inference/baselines.ts";
import { evaluate, type Evaluation } from "../inference/evaluation.ts";
import { shownMetrics } from "../inference/evaluation-report.ts";
import { metrics } from "../inference/metrics.ts";
import { type SplitName, splitNames } from "../survey/split.ts";
import { number } from "../text.ts";
import {
  apertureOption,
  defineCommand,
  type EngineArguments,
  engineOf,
  engineOptions,
  type ReadArguments,
  readOptions,
  readOptionsOf,
} from "./shared.ts";
import { printTable, say, terminal } from "./terminal.ts";

/** The main question's scores on the terminal. */
export function printScores(evaluation: Evaluation, coderFields: readonly string[]): void {
  const [title, { scores }] = Object.entries(evaluation.questions)[0];
  say(`\n  given ${title}, ${evaluation.rows} held-out galaxies:`);
  const names = shownMetrics.redshift;
  printTable(
    ["field", "method", ...names.map((name) => metrics[name].title)],
    coderFields.flatMap((field) =>
      Object.entries(scores[field] ?? {}).map(([method, score]) => [
        field,
        method,
        ...names.map((name) => (score[name] === undefined ? "" : number(score[name].value))),
      ]),
    ),
  );
}

interface Arguments extends EngineArguments, ReadArguments {
  table: string;
  checkpoint: string;
  part: SplitName | "all";
  baselines: string | undefined;
  methods: BaselineName[];
  out: string;
  seed: string;
  rows: number;
  anyAperture: boolean;
}

export const evaluateCommand = defineCommand<Arguments>({
  command: "evaluate <table>",
  describe: "score a network on held-out galaxies beside baselines; writes metrics.json and report.html",
  builder: (yargs) =>
    apertureOption(readOptions(engineOptions(yargs)))
      .positional("table", { type: "string", describe: "table with truths, or a prepared folder" })
      .option("checkpoint", { type: "string", demandOption: true, describe: "checkpoint or run folder" })
      .option("part", {
        choices: [...splitNames, "all"],
        default: "test",
        describe: "rows: a part of the split by parent, or all",
      })
      .option("baselines", { type: "string", describe: "table whose training part the baselines learn from" })
      .option("methods", {
        choices: Object.keys(baselines),
        array: true,
        default: ["trainZ", "ridge"],
        describe: "baselines",
      })
      .option("out", {
        type: "string",
        default: "runs/evaluation",
        describe: "folder for metrics.json and report.html",
      })
      .option("seed", { type: "string", default: "1", describe: "seed of bootstrap and baselines" })
      .option("rows", { type: "number", default: 5000, describe: "most galaxies scored" }),
  handler: async (args) => {
    const evaluation = await evaluate({
      engine: await engineOf(args),
      checkpoint: args.checkpoint,
      table: args.table,
      reading: readOptionsOf(args),
      anyAperture: args.anyAperture,
      reporter: terminal,
      part: args.part,
      methods: args.methods,
      out: args.out,
      run: args.checkpoint,
      seed: args.seed,
      mostRows: args.rows,
      ...(args.baselines === undefined ? {} : { baselineTable: args.baselines }),
    });
    printScores(evaluation, Object.keys(Object.values(evaluation.questions)[0].scores));
    say(`  ${args.out}/report.html`);
  },
});
