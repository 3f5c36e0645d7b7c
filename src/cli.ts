#!/usr/bin/env node
import yargs from "yargs";
import type { CommandModule } from "yargs";
import { hideBin } from "yargs/helpers";
import { explainUsage } from "./commands/shared.ts";
import { colours } from "./commands/terminal.ts";
import { UserError } from "./errors.ts";
import { version } from "./version.ts";

/** Every verb, in the order of the help. Only the one that is called is loaded. */
const verbs: Readonly<Record<string, () => Promise<CommandModule>>> = {
  quickstart: async () => (await import("./commands/quickstart.ts")).quickstartCommand,
  simulate: async () => (await import("./commands/simulate.ts")).simulateCommand,
  look: async () => (await import("./commands/look.ts")).lookCommand,
  prepare: async () => (await import("./commands/prepare.ts")).prepareCommand,
  pretrain: async () => (await import("./commands/train.ts")).pretrainCommand,
  finetune: async () => (await import("./commands/train.ts")).finetuneCommand,
  adapt: async () => (await import("./commands/train.ts")).adaptCommand,
  query: async () => (await import("./commands/query.ts")).queryCommand,
  advise: async () => (await import("./commands/advise.ts")).adviseCommand,
  repair: async () => (await import("./commands/repair.ts")).repairCommand,
  evaluate: async () => (await import("./commands/evaluate.ts")).evaluateCommand,
  calibrate: async () => (await import("./commands/calibrate.ts")).calibrateCommand,
  population: async () => (await import("./commands/population.ts")).populationCommand,
  export: async () => (await import("./commands/export.ts")).exportCommand,
  datasets: async () => (await import("./commands/datasets.ts")).datasetsCommand,
  info: async () => (await import("./commands/info.ts")).infoCommand,
};

/** Exit codes: 1 for the user's mistakes, 2 for ours. */
function exitWith(error: unknown): never {
  if (error instanceof UserError) {
    console.error(`${colours.red("caleido:")} ${error.message}`);
    process.exit(1);
  }
  console.error(`${colours.red("caleido: internal error")} (please report it)`);
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exit(2);
}

try {
  const words = hideBin(process.argv);
  const called = words[0] !== undefined && Object.hasOwn(verbs, words[0]) ? [verbs[words[0]]] : Object.values(verbs);
  const cli = yargs(words);
  await cli
    .scriptName("caleido")
    .usage("$0 <verb> [options]\n\nAny piece of a galaxy in, any piece out: train, adapt and query one network.")
    .command(await Promise.all(called.map((load) => load())))
    .demandCommand(1, "expected a verb; caleido --help lists them")
    .strict()
    .completion("completion", "print a shell completion script")
    .version(version)
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .fail((message: string | null, error: Error | undefined) => {
      if (message === null || error instanceof UserError) throw error;
      throw new UserError(explainUsage(message, words, Object.keys(verbs), cli));
    })
    .parseAsync();
} catch (error) {
  exitWith(error);
}
