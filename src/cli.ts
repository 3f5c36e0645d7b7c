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
import { knownOptions } from "./commands/shared.ts";
import { simulateCommand } from "./commands/simulate.ts";
import { adaptCommand, finetuneCommand, pretrainCommand } from "./commands/train.ts";
import { UserError } from "./errors.ts";
import { didYouMean } from "./io/nearest.ts";
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

const commands = [
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
];

/** What yargs says of a command line, with the nearest right name of a verb or an option. */
function explain(message: string, options: readonly string[]): string {
  const words = hideBin(process.argv);
  const verbs = commands.map(({ command }) => String(command).split(" ")[0]);
  const unknown = /^Unknown arguments?: ([^,]+)/.exec(message)?.[1];
  const verb = verbs.includes(words[0]) ? `${words[0]} ` : "";
  const help = `caleido ${verb}--help lists them`;
  if (unknown === undefined)
    return verb === "" ? message : `${verb.trim()}: ${message}; caleido ${verb}--help explains`;
  if (words.some((word) => word.split("=")[0] === `--${unknown}`)) {
    return `unknown option --${unknown}${didYouMean(unknown, options)}; ${help}`;
  }
  if (verb === "") return `unknown verb "${unknown}"${didYouMean(unknown, verbs)}; expected one of ${verbs.join(", ")}`;
  return `${verb.trim()}: unexpected argument "${unknown}"; caleido ${verb}--help explains`;
}

try {
  const cli = yargs(hideBin(process.argv));
  await cli
    .scriptName("caleido")
    .usage("$0 <verb> [options]\n\nAny piece of a galaxy in, any piece out: train, adapt and query one network.")
    .command(commands)
    .demandCommand(1, "expected a verb; caleido --help lists them")
    .strict()
    .completion("completion", "print a shell completion script")
    .version(version)
    .wrap(Math.min(120, process.stdout.columns ?? 100))
    .fail((message: string | null, error: Error | undefined) => {
      if (message === null || error instanceof UserError) throw error;
      throw new UserError(explain(message, knownOptions(cli).names));
    })
    .parseAsync();
} catch (error) {
  exitWith(error);
}
