import type { Argv } from "yargs";
import { UserError } from "../errors.ts";
import { loadRecipe, type Recipe, type RecipeVerb } from "../recipe.ts";
import { observationSchema } from "../simulate/observation.ts";
import { adapt, resumeAdaptation } from "../inference/adaptation.ts";
import type { RunSetting } from "../train/run-tables.ts";
import { finetune, pretrain, resume } from "../train/verbs.ts";
import { budgetAndShow, budgetsFrom, waysFrom } from "./budget.ts";
import {
  apertureOption,
  defineCommand,
  type EngineArguments,
  engineOf,
  engineOptions,
  initOption,
  type ReadArguments,
  readOptions,
  readOptionsOf,
  type SurveyArguments,
  surveyOption,
  surveyOptionOf,
} from "./shared.ts";
import { interruptible, say } from "./terminal.ts";

interface CommonArguments extends EngineArguments, ReadArguments {
  data: string[] | undefined;
  recipe: string;
  set: string[];
  observe: boolean;
  out: string;
  resume: string | undefined;
}

function recipeOptions(yargs: Argv, recipe: string): Argv {
  return readOptions(engineOptions(yargs))
    .option("recipe", { type: "string", default: recipe, describe: "recipe: a name in recipes/, or a YAML file" })
    .option("set", {
      type: "string",
      array: true,
      default: [],
      describe: "change the recipe, e.g. --set model.nLayer=6",
    })
    .option("observe", {
      type: "boolean",
      default: false,
      describe:
        "observe galaxies anew in every batch, from fluxes without noise (true_<BAND>), where tables have noisy ones beside; tables of fluxes without noise alone always are. observation.* in the recipe says how",
    })
    .option("resume", { type: "string", describe: "run folder to continue, with its own recipe and tables" }) as Argv;
}

/** The recipe that is asked for. */
function recipeOf({ recipe: name, set, observe }: CommonArguments, verb: RecipeVerb): Recipe {
  const recipe = loadRecipe(name, set, { verb });
  return observe && recipe.observation === undefined ? { ...recipe, observation: observationSchema.parse({}) } : recipe;
}

/** What a run that is continued has said already. */
const OF_THE_RUN = [
  "recipe",
  "set",
  "observe",
  "out",
  "layout",
  "unit",
  "relative-error",
  "error-floor",
  "extinction",
  "init",
  "freeze",
  "survey",
] as const;
const TABLES = ["source", "unlabelled", "labelled"] as const;

/** @throws UserError for what is given beside `--resume`, which would not heed it. */
function checkResumed({ data }: CommonArguments): void {
  const isGiven = (name: string): boolean => process.argv.some((word) => word.split("=")[0] === `--${name}`);
  const given = [...OF_THE_RUN, ...TABLES].find(isGiven);
  const what = given === undefined ? data?.[0] : `--${given}`;
  if (what !== undefined)
    throw new UserError(`${what}: not heeded beside --resume: a run goes on with its own recipe and tables`);
}

/** Runs a verb, or continues a run of it; Ctrl-C saves. */
async function runOrResume(
  args: CommonArguments,
  verb: "pretrain" | "adapt",
  prepareRun: () => (setting: RunSetting) => Promise<unknown>,
): Promise<void> {
  const { resume: folder } = args;
  if (folder !== undefined) checkResumed(args);
  const goOn = (setting: RunSetting, of: string): Promise<unknown> =>
    verb === "adapt" ? resumeAdaptation({ ...setting, folder: of }) : resume({ ...setting, folder: of, verb });
  const run = folder === undefined ? prepareRun() : (setting: RunSetting) => goOn(setting, folder);
  await interruptible(await engineOf(args), run);
  say(`  checkpoint in ${folder ?? args.out}/checkpoint`);
}

/** @throws UserError for what a new run needs and is not given. */
function needed(value: string | undefined, option: string): string {
  if (value === undefined) throw new UserError(`Missing required argument: ${option}; or --resume continues a run`);
  return value;
}

const tablesOf = (data: readonly string[] | undefined, verb: string): readonly string[] => {
  if (data === undefined || data.length === 0) {
    throw new UserError(`${verb}: no table given; expected e.g. caleido ${verb} sims.parquet`);
  }
  return data;
};

export const pretrainCommand = defineCommand<CommonArguments>({
  command: "pretrain [data..]",
  describe: "train a network on tables of galaxies (simulations, spectra, surveys)",
  builder: (yargs) =>
    recipeOptions(yargs, "default")
      .positional("data", { type: "string", array: true, describe: "tables to train on, or prepared folders" })
      .option("out", { type: "string", default: "runs/pretrain", describe: "run folder" })
      .example("$0 pretrain sims.parquet --out runs/a", "train on a simulation")
      .example("$0 pretrain clean.parquet --out runs/a", "on fluxes without noise: observed anew in every batch")
      .example("$0 pretrain --resume runs/a", "go on after an interruption"),
  handler: (args) =>
    runOrResume(args, "pretrain", () => {
      const data = tablesOf(args.data, "pretrain");
      const recipe = recipeOf(args, "pretrain");
      const request = { data, reading: readOptionsOf(args), recipe, out: args.out };
      return (setting) => pretrain({ ...setting, ...request });
    }),
});

interface FinetuneArguments extends CommonArguments, SurveyArguments {
  init: string | undefined;
  freeze: string[];
}

export const finetuneCommand = defineCommand<FinetuneArguments>({
  command: "finetune [data..]",
  describe: "continue training a network on other tables",
  builder: (yargs) =>
    recipeOptions(yargs, "finetune")
      .positional("data", { type: "string", array: true, describe: "tables to train on, or prepared folders" })
      .option("init", initOption)
      .option("freeze", {
        type: "string",
        array: true,
        default: [],
        describe: "parameters to keep, e.g. 'embed.*'; known: all but new fields, old answers stay what they are",
      })
      .option("survey", {
        type: "string",
        describe:
          "survey that describes the tables, where their columns are not the network's: bands are matched by name, else by pivot and width; what the checkpoint doesn't know is learned",
      })
      .option("out", { type: "string", default: "runs/finetune", describe: "run folder" })
      .example("$0 finetune specz.fits --init runs/a --out runs/c", "train on galaxies with spectra")
      .example("$0 finetune wise.fits --init runs/a --survey my.yaml --out runs/c", "teach it new bands and properties")
      .example("$0 finetune --resume runs/c", "go on after an interruption"),
  handler: (args) =>
    runOrResume(args, "pretrain", () => {
      const init = needed(args.init, "init");
      const data = tablesOf(args.data, "finetune");
      const recipe = recipeOf(args, "finetune");
      const { out, freeze } = args;
      const request = { data, reading: readOptionsOf(args), recipe, out, init, freeze, ...surveyOptionOf(args) };
      return (setting) => finetune({ ...setting, ...request });
    }),
});

type AdaptArguments = CommonArguments &
  SurveyArguments &
  Record<"init" | "source" | "unlabelled" | "labelled" | "budget" | "want" | "ways", string | undefined> & {
    seeds: number;
    anyTarget: boolean;
    anyAperture: boolean;
  };

/** Runs the table of label budgets in place of an adaptation. */
async function runBudget(args: AdaptArguments, budget: string): Promise<void> {
  const { source, out, seeds, want } = args;
  if (!Number.isInteger(seeds) || seeds < 1)
    throw new UserError(`--seeds ${seeds}: expected a whole number, at least 1`);
  const request = {
    init: needed(args.init, "init"),
    table: needed(args.labelled, "labelled"),
    source,
    recipe: recipeOf(args, "adapt"),
    budgets: budgetsFrom(budget),
    seeds,
    want,
    ways: waysFrom(args.ways),
    out,
    reading: readOptionsOf(args),
    ...surveyOptionOf(args),
  };
  await interruptible(await engineOf(args), (setting) => budgetAndShow({ ...setting, ...request }));
}

export const adaptCommand = defineCommand<AdaptArguments>({
  command: "adapt",
  describe: "move a network from simulations to real observations: zero-points, noise, few labels",
  builder: (yargs) =>
    apertureOption(surveyOption(recipeOptions(yargs, "adapt")))
      .option("init", initOption)
      .option("source", { type: "string", describe: "simulations that the network was trained on" })
      .option("unlabelled", { type: "string", describe: "observed table; its labels are not looked at" })
      .option("labelled", { type: "string", describe: "observed table with labels (spec-z, masses, ...)" })
      .option("budget", {
        type: "string",
        describe:
          "instead: ways to adapt at these numbers of labels of --labelled, e.g. 0,100,300,1000,3000,all, judged on a third of it; goes on where it stopped",
      })
      .option("seeds", { type: "number", default: 3, describe: "with --budget: choices of the labels at each of them" })
      .option("want", {
        type: "string",
        describe: "with --budget: property of the labels, a number or a class; default: the headline's first number",
      })
      .option("ways", {
        type: "string",
        describe:
          "with --budget: ways to be tried, e.g. folds,lowRank; default: all but lowRank, reweighted, aligned, priorSwap (docs/adaptation.md says what each is)",
      })
      .option("any-target", {
        type: "boolean",
        default: false,
        describe: "also a target that the look before training refuses: in other units, or of fewer than 50 rows",
      })
      .option("out", { type: "string", default: "runs/adapt", describe: "run folder" })
      .example("$0 adapt --init runs/a --source sims.parquet --unlabelled observed.fits --out runs/b", "no labels")
      .example("$0 adapt --init runs/a --labelled specz.fits --budget 0,300,all --out runs/c", "what labels are worth")
      .example("$0 adapt --resume runs/b", "go on after an interruption"),
  handler: (args) =>
    args.budget !== undefined
      ? runBudget(args, args.budget)
      : runOrResume(args, "adapt", () => {
          const init = needed(args.init, "init");
          const source = needed(args.source, "source");
          const unlabelled = needed(args.unlabelled, "unlabelled");
          const recipe = recipeOf(args, "adapt");
          const reading = readOptionsOf(args);
          const { labelled, out, anyTarget, anyAperture } = args;
          const tables = { init, source, unlabelled, out, reading, ...surveyOptionOf(args) };
          const request = { ...tables, recipe, anyTarget, anyAperture };
          return (setting) => adapt({ ...setting, ...request, ...(labelled === undefined ? {} : { labelled }) });
        }),
});
