import type { ArgumentsCamelCase, Argv, CommandModule } from "yargs";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import type { LibraryChoice } from "../inference/library-predictor.ts";
import { didYouMean } from "../io/nearest.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { USUAL_CHECKPOINT } from "../train/shipped.ts";

/** A verb of the command line. `A` names the options as the handler sees them: yargs camel-cases `--median-z`. */
export function defineCommand<A>(verb: {
  command: string;
  describe: string;
  builder: (yargs: Argv) => Argv<unknown>;
  handler: (args: ArgumentsCamelCase<A>) => Promise<void> | void;
}): CommandModule {
  const builder = (yargs: Argv): Argv<unknown> => verb.builder(yargs).check((args) => checkValues(args, yargs));
  return { ...verb, builder } as unknown as CommandModule;
}

/** What yargs knows of the options of a verb. */
function knownOptions(yargs: Argv): { readonly array: readonly string[]; readonly names: readonly string[] } {
  const { array, key } = (
    yargs as unknown as { getOptions(): { array: string[]; key: Record<string, unknown> } }
  ).getOptions();
  return { array, names: Object.keys(key) };
}

/** @throws UserError for an option without a value, given twice where one is expected, or that is no number where one is. */
function checkValues(args: Readonly<Record<string, unknown>>, yargs: Argv): true {
  const { array, names } = knownOptions(yargs);
  for (const name of names) {
    const value = args[name];
    if (Array.isArray(value) && !array.includes(name)) {
      throw new UserError(`--${name}: given ${value.length} times, expected once`);
    }
    if (Array.isArray(value) && value.length === 0 && process.argv.includes(`--${name}`)) {
      throw new UserError(`--${name}: expected a value`);
    }
    if (value === "") throw new UserError(`--${name}: expected a value`);
    if (Number.isNaN(value)) throw new UserError(`--${name}: expected a number`);
  }
  return true;
}

/** What yargs says over several lines, or in its own words, as a line. */
function plainUsage(message: string): string {
  const [, name, given, choices] = /Argument: (.+), Given: (.+), Choices: (.+)/.exec(message) ?? [];
  if (name !== undefined) return `--${name}: ${given} is not one of ${choices}`;
  const words = /^Not enough non-option arguments: got (\d+), need at least (\d+)/.exec(message);
  return words === null
    ? message
    : `expected ${words[2]} ${words[2] === "1" ? "argument" : "arguments"}, got ${words[1]}`;
}

/** What yargs says of a command line, with the nearest right name of a verb or an option. */
export function explainUsage(message: string, words: readonly string[], verbs: readonly string[], yargs: Argv): string {
  const verb = verbs.includes(words[0]) ? words[0] : undefined;
  const unknown = /^Unknown arguments?: ([^,]+)/.exec(message)?.[1];
  if (unknown === undefined) {
    const told = plainUsage(message);
    return verb === undefined ? told : `${verb}: ${told}; caleido ${verb} --help explains`;
  }
  if (words.some((word) => word.split("=")[0] === `--${unknown}`)) {
    const help = verb === undefined ? "caleido --help" : `caleido ${verb} --help`;
    return `unknown option --${unknown}${didYouMean(unknown, knownOptions(yargs).names)}; ${help} lists them`;
  }
  if (verb === undefined) {
    return `unknown verb "${unknown}"${didYouMean(unknown, verbs)}; expected one of ${verbs.join(", ")}`;
  }
  return `${verb}: unexpected argument "${unknown}"; caleido ${verb} --help explains`;
}

/** Options of every command that reads tables. */
export interface ReadArguments {
  readonly layout: string | undefined;
  readonly hdu: string | undefined;
  readonly unit: string[] | undefined;
  readonly relativeError: number | undefined;
  readonly errorFloor: string[] | undefined;
  readonly extinction: string | undefined;
  readonly wavelengths: "air" | "vacuum" | undefined;
}

export function readOptions(yargs: Argv): Argv {
  return yargs
    .option("layout", {
      type: "string",
      describe: "layout of the tables: the name of one, where their columns fit several, or a YAML file of one's own",
    })
    .option("hdu", {
      type: "string",
      describe:
        "table of FITS files and VOTables that hold several: name or number (default: the one with most fields); TABLE[NAME] for one file",
    })
    .option("unit", {
      type: "string",
      array: true,
      nargs: 1,
      describe:
        'unit of columns that state none, or a wrong one: COLUMN=UNIT, * for any; "*=survey": the survey\'s own',
    })
    .option("relative-error", {
      type: "number",
      describe: "1 sigma error of fluxes without an error column, as a fraction",
    })
    .option("error-floor", {
      type: "string",
      array: true,
      nargs: 1,
      describe: 'BANDS=FRACTION of the flux added to errors in quadrature (0.02 is 0.02 mag): "J*=0.02", broad=0.01',
    })
    .option("wavelengths", {
      choices: ["air", "vacuum"] as const,
      describe: "what the wavelengths of spectra are in, where neither file nor layout says",
    })
    .option("extinction", {
      type: "string",
      describe:
        'correct fluxes for Galactic extinction by a column: E(B-V) as EBV or "0.86*EBV", or MW_TRANSMISSION_{FIELD}; none: not',
    }) as Argv;
}

/** `J*=0.02` as bands and a fraction. */
function floorFrom(text: string): NonNullable<BindOptions["floors"]>[number] {
  const split = text.lastIndexOf("=");
  const fraction = split < 1 || split === text.length - 1 ? Number.NaN : Number(text.slice(split + 1));
  if (Number.isNaN(fraction)) {
    throw new UserError(`--error-floor ${text}: expected BANDS=FRACTION, e.g. --error-floor "J*=0.02"`);
  }
  return { bands: text.slice(0, split), fraction };
}

/** `EBV`, `0.86*EBV`, `none`. */
function extinctionFrom(text: string): NonNullable<BindOptions["extinction"]> {
  if (text === "none") return text;
  const [, scale = "1", column] = /^(?:\s*([\d.eE+-]+)\s*\*)?\s*(.+?)\s*$/.exec(text) ?? [];
  if (column !== undefined && Number(scale) > 0) return { column, scale: Number(scale) };
  throw new UserError(`--extinction ${text}: expected a column, or a number above 0 times one, e.g. "0.86*EBV"`);
}

/** Option of every command that asks a given network about tables. */
export interface SurveyArguments {
  readonly survey: string | undefined;
}

export function surveyOption(yargs: Argv): Argv {
  return yargs.option("survey", {
    type: "string",
    describe:
      "survey that describes the tables, where their columns are not the network's: a name of `caleido datasets` or a file; bands are matched by name, else by pivot and width",
  }) as Argv;
}

export const surveyOptionOf = ({ survey }: SurveyArguments): { readonly survey?: string } =>
  survey === undefined ? {} : { survey };

/** @throws UserError for a unit that is not `COLUMN=UNIT`, an error that is not positive. */
export function readOptionsOf(args: ReadArguments): BindOptions {
  const { layout, hdu, unit, relativeError, errorFloor, extinction, wavelengths } = args;
  if (relativeError !== undefined && !(relativeError > 0)) {
    throw new UserError(`--relative-error ${relativeError}: expected a fraction above 0, e.g. 0.05`);
  }
  const units = (unit ?? []).map((text) => {
    const split = text.indexOf("=");
    if (split < 1) throw new UserError(`--unit ${text}: expected COLUMN=UNIT, e.g. --unit "J0378=uJy" or "*=survey"`);
    return { column: text.slice(0, split), unit: text.slice(split + 1) };
  });
  return {
    ...(units.length === 0 ? {} : { units }),
    ...(errorFloor === undefined ? {} : { floors: errorFloor.map(floorFrom) }),
    ...(extinction === undefined ? {} : { extinction: extinctionFrom(extinction) }),
    ...(layout === undefined ? {} : { layout }),
    ...(hdu === undefined ? {} : { hdu }),
    ...(wavelengths === undefined ? {} : { wavelengths }),
    ...(relativeError === undefined ? {} : { relativeError }),
  };
}

/** Options of every command that asks a library of simulated galaxies. */
export interface LibraryArguments {
  readonly library: string | undefined;
  readonly amplitude: string;
  readonly modelError: number;
}

/** `modelError`: the default, as a fraction of the flux. */
export function libraryOptions(yargs: Argv, modelError: number): Argv {
  return yargs
    .option("library", {
      type: "string",
      describe: "clean simulated galaxies (simulate --fluxes clean), a table or a prepared folder",
    })
    .option("amplitude", {
      type: "string",
      default: "free",
      describe:
        "brightness of the library's galaxies: free, absolute (as simulated), or a deviation about it, e.g. 0.3",
    })
    .option("model-error", {
      type: "number",
      default: modelError,
      describe: "error of the library's fluxes, as a fraction of the observed flux",
    }) as Argv;
}

/** @throws UserError for an amplitude that is none. */
export function libraryChoiceOf({ amplitude, modelError }: LibraryArguments): LibraryChoice {
  if (amplitude === "free" || amplitude === "absolute") return { amplitude, modelError };
  const deviation = Number(amplitude);
  if (!Number.isFinite(deviation)) {
    throw new UserError(`--amplitude ${amplitude}: expected free, absolute, or a deviation, e.g. 0.3`);
  }
  return { amplitude: deviation, modelError };
}

/** What says which network answers. */
const CHECKPOINT = `checkpoint or run folder, or the name of a network that comes along (${USUAL_CHECKPOINT})`;

/** What training starts from: never by default, since it decides what comes out. */
export const initOption = { type: "string", describe: `where to start: ${CHECKPOINT}` } as const;

/** The option of commands that need to be told which network. */
export const neededCheckpoint = { type: "string", demandOption: true, describe: CHECKPOINT } as const;

/** The option of commands that take the network that comes along where none is named. */
export const usualCheckpoint = { type: "string", default: USUAL_CHECKPOINT, describe: CHECKPOINT } as const;

/** An option of commands that ask a network about tables. */
export function apertureOption(yargs: Argv): Argv {
  return yargs.option("any-aperture", {
    type: "boolean",
    default: false,
    describe: "also tables whose fluxes are total, PSF-corrected or in an aperture where the network learned another",
  });
}

/** Option of the commands that answer. */
export function recalibrationOption(yargs: Argv): Argv {
  return yargs.option("recalibration", {
    type: "boolean",
    default: true,
    describe:
      "answers go through the checkpoint's recalibration, where it has one; --no-recalibration: as the network says",
  }) as Argv;
}

/** Options of every command that runs the network. */
export interface EngineArguments {
  readonly backend: "onnx" | "cpu" | "tensorflow";
  readonly device: "cpu" | "cuda" | "webgpu";
  readonly threads: number | undefined;
}

export function engineOptions(yargs: Argv): Argv {
  return yargs
    .option("backend", {
      choices: ["onnx", "cpu", "tensorflow"],
      default: "onnx",
      describe: "onnx: compiled; tensorflow: an installed tfjs-node; cpu: plain JavaScript, slow, for checks",
    })
    .option("device", {
      choices: ["cpu", "cuda", "webgpu"],
      default: "cpu",
      describe: "where the compiled network runs",
    })
    .option("threads", { type: "number", describe: "threads of the compiled network (default: all cores)" }) as Argv;
}

/** The engine is loaded on demand: it takes most of a second, and many verbs need none. */
export async function engineOf({ backend, device, threads }: EngineArguments): Promise<Engine> {
  const { createEngine } = await import("../engine/engine.ts");
  return createEngine({ backend, device, ...(threads === undefined ? {} : { threads }) });
}

/** `--prior`. */
export const priorOption = {
  type: "string",
  describe:
    "distribution of the redshift (FIELD=... of another field) in place of the training set's: flat; natural or wide, of its own populations; a table of the field and " +
    "its density n, or of counts n in bins <FIELD>_low, <FIELD>_high; or a table of galaxies, by prior_weight where it has that",
} as const;

/** `--mc-dropout`. */
export const mcDropoutOption = {
  type: "number",
  describe:
    "draws of Monte Carlo dropout, of a network whose recipe has model.dropout: what it says with parts of it dropped, beside its own answers",
} as const;
