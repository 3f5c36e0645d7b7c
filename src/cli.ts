#!/usr/bin/env node
import pc from "picocolors";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { datasetsCommand } from "./commands/datasets.ts";
import { evaluateCommand } from "./commands/evaluate.ts";
import { infoCommand } from "./commands/info.ts";
import { prepareCommand } from "./commands/prepare.ts";
import { queryCommand } from "./commands/query.ts";
import { quickstartCommand } from "./commands/quickstart.ts";
import { simulateCommand } from "./commands/simulate.ts";
import { adaptCommand, finetuneCommand, pretrainCommand } from "./commands/train.ts";
import { UserError } from "./errors.ts";
import { version } from "./version.ts";

/** Exit codes: 1 for the user's mistakes, 2 for ours. */
function exitWith(error: unknown): never {
  if (error instanceof UserError) {
    console.error(`${pc.red("caleido:")} ${error.message}`);
    process.exit(1);
  }
  console.error(`${pc.red("caleido: internal error")} (please report it)`);
  console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exit(2);
}

try {
  await yargs(hideBin(process.argv))
    .scriptName("caleido")
    .usage("$0 <verb> [options]\n\nAny piece of a galaxy in, any piece out: train, adapt and query one network.")
    .command([
      quickstartCommand,
      simulateCommand,
      prepareCommand,
      pretrainCommand,
      finetuneCommand,
      adaptCommand,
      queryCommand,
      evaluateCommand,
      datasetsCommand,
      infoCommand,
    ])
    .demandCommand(1, "expected a verb; caleido --help lists them")
    .strict()
    .recommendCommands()
    .completion("completion", "print a shell completion script")
    .version(version)
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .fail((message, error) => {
      throw error instanceof UserError || (message as string | null) === null
        ? error
        : new UserError(`${message} (see --help)`);
    })
    .parseAsync();
} catch (error) {
  exitWith(error);
}
