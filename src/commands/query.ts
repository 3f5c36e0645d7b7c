import type { Argv } from "yargs";
import { UserError } from "../errors.ts";
import { derived, type Wish } from "../inference/derived.ts";
import { type EnsembleForm, ensembleForms, type EnsembleOptions } from "../inference/ensemble.ts";
import { USUAL_DRAWS } from "../inference/joint-columns.ts";
import { type MethodName, methodNames } from "../inference/methods.ts";
import { query, type QueryRequest } from "../inference/query.ts";
import type { Table } from "../io/table.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { number } from "../text.ts";
import { USUAL_CHECKPOINT } from "../train/shipped.ts";
import {
  apertureOption,
  defineCommand,
  mcDropoutOption,
  priorOption,
  type EngineArguments,
  engineOf,
  engineOptions,
  type LibraryArguments,
  libraryChoiceOf,
  libraryOptions,
  type ReadArguments,
  recalibrationOption,
  readOptions,
  readOptionsOf,
  type SurveyArguments,
  surveyOption,
  surveyOptionOf,
  usualCheckpoint,
} from "./shared.ts";
import { printTable, say, terminal } from "./terminal.ts";

/** Observed galaxies differ from simulated ones by about this much, as a fraction of the flux. */
const DISTANT = 0.03;

/** Rows shown on the terminal. */
const SHOWN = 10;

/** Prints the first answers: median, 16 - 84 % interval, or the likeliest class and its probability; and the table's own value where it has one. */
function show(table: Table, catalog: Catalog, { wanted, derived, spectra }: Wish): void {
  const column = (name: string): ArrayLike<unknown> => table.columns.find((each) => each.name === name)!.data;
  const ids = column("object_id");
  const { fields } = catalog;
  const isKnown = (j: number, i: number): boolean => catalog.state[i * fields.length + j] === State.measured;
  const answer = ({ name, classes }: { name: string; classes?: readonly string[] }, i: number): string => {
    if (classes !== undefined) {
      const mode = String(column(`${name}_mode`)[i]);
      return `${mode} (${number(Number(column(`${name}_p_${mode}`)[i]))})`;
    }
    const [median, low, high] = ["median", "q16", "q84"].map((each) => Number(column(`${name}_${each}`)[i]));
    return `${number(median)} (${number(low)} .. ${number(high)})`;
  };
  const cell = (j: number, i: number): string => {
    const field = fields[j];
    if (!isKnown(j, i)) return answer(field, i);
    const own = catalog.value[i * fields.length + j];
    return `${answer(field, i)}  [${field.kind === "category" ? field.classes[own] : number(own)}]`;
  };
  /** Cells that are answered, and the median of their flux over its error. */
  const spectrum = (j: number, i: number): string => {
    const { width } = table.columns.find((each) => each.name === fields[j].name)!;
    const [flux, error] = [column(fields[j].name), column(`${fields[j].name}_err`)];
    const ratios = Array.from({ length: width }, (_, c) => Number(flux[i * width + c]) / Number(error[i * width + c]))
      .filter(Number.isFinite)
      .sort((a, b) => a - b);
    return ratios.length === 0 ? "none" : `${ratios.length} cells, S/N ${number(ratios[ratios.length >> 1])}`;
  };
  const heading = ({ name, unit }: { name: string; unit: string }): string =>
    unit === "" ? name : `${name} [${unit}]`;
  const isJudged = table.columns.some(({ name }) => name === "trust");
  printTable(
    [
      "object",
      ...wanted.map((j) => heading(fields[j])),
      ...derived.map(heading),
      ...spectra.map((j) => fields[j].name),
      ...(isJudged ? ["trust"] : []),
    ],
    Array.from({ length: Math.min(SHOWN, table.rowCount) }, (_, i) => [
      String(ids[i]),
      ...wanted.map((j) => cell(j, i)),
      ...derived.map((quantity) => answer(quantity, i)),
      ...spectra.map((j) => spectrum(j, i)),
      ...(isJudged ? [String(column("trust")[i])] : []),
    ]),
  );
  if (wanted.some((j) => catalog.state[j] === State.measured)) {
    say("  median (16 % .. 84 %)  [the table's own value, not used]");
  }
}

/** Answers, and shows the first of them. */
export async function queryAndShow(request: QueryRequest): Promise<void> {
  let first: Parameters<typeof show> | undefined;
  await query({ ...request, reporter: terminal, onAnswers: (...batch) => (first ??= batch) });
  if (first !== undefined) show(...first);
}

interface Arguments extends EngineArguments, LibraryArguments, ReadArguments, SurveyArguments {
  method: MethodName;
  table: string | undefined;
  checkpoint: string | undefined;
  given: string | undefined;
  want: string;
  set: string[] | undefined;
  out: string | undefined;
  prior: string | undefined;
  samples: number;
  draws: number;
  pdf: boolean;
  pdfPoints: number;
  pdfGrid: string[] | undefined;
  keep: string | undefined;
  qp: string | undefined;
  qpForm: EnsembleForm | undefined;
  trust: boolean;
  mcDropout: number | undefined;
  seed: string;
  anyAperture: boolean;
  recalibration: boolean;
}

/** @throws UserError for a list without a name. */
function listOf(text: string): readonly string[] | "all" {
  const names = text.split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim()]));
  if (names.length === 0) throw new UserError("--keep: names no column; expected e.g. ra,dec or all");
  return text.trim() === "all" ? "all" : names;
}

const ensembleOf = (path: string, form: EnsembleForm | undefined): EnsembleOptions => {
  return { path, ...(form === undefined ? {} : { form }) };
};

/** Options of what is written of the densities. */
function densityOptions(yargs: Argv): Argv {
  return yargs
    .option("pdf", {
      type: "boolean",
      default: false,
      describe: "densities on a grid, as <FIELD>_grid and <FIELD>_pdf",
    })
    .option("pdf-points", { type: "number", default: 200, describe: "points of that grid" })
    .option("pdf-grid", {
      type: "string",
      array: true,
      nargs: 1,
      describe:
        "densities on one grid for all, min:max:step in the field's unit (FIELD=min:max:step for one of several), as " +
        "<FIELD>_pdf; their sum is written beside the output, with a figure",
    })
    .option("qp", {
      type: "string",
      describe: "qp ensemble of the redshift (or the only wanted field) to write for qp and RAIL: .hdf5",
    })
    .option("qp-form", {
      choices: ensembleForms,
      describe: "how: interp (default) or hist on the --pdf-grid, else mixture",
    }) as Argv;
}

const WANT =
  "fields to answer, e.g. z,HALPHA_EW; a spectrum, on a coarse grid with errors; and what follows from them, from joint samples: " +
  `${Object.keys(derived).join(", ")}, line fluxes such as HALPHA_FLUX, formulae such as "log NII6584_EW/HALPHA_EW" or "N3 = NII6584_EW/HBETA_EW"`;

/** Questions, and what they are. */
const EXAMPLES: readonly [string, string][] = [
  ["$0 query --set rSDSS=120+-3 gSDSS=80+-3 --want z,LOGM", "one galaxy, two bands, the network that comes along"],
  [
    "$0 query cat.fits --checkpoint runs/a --given J0378..J0600 --want HALPHA_EW,z --out out.parquet",
    "EW and redshift from blue bands",
  ],
  ['$0 query cat.fits --given bands --want "BPT,LOGSSFR,log OIII5007_EW/HBETA_EW"', "what follows from fields"],
  ["$0 query mine.fits --survey mine.yaml --checkpoint runs/a --want z", "a table with columns of its own"],
  [
    "$0 query cat.fits --method library --library clean.parquet --want z",
    "simulated galaxies weighted by their likelihood",
  ],
  [
    "$0 query --checkpoint runs/a --set LOGM=10.5 OIII5007_EW=20 --want J0800..J0910",
    "a red spectrum from two properties",
  ],
];

export const queryCommand = defineCommand<Arguments>({
  command: "query [table]",
  describe: "ask for any fields of galaxies from any others",
  builder: (yargs) =>
    densityOptions(
      recalibrationOption(apertureOption(libraryOptions(surveyOption(readOptions(engineOptions(yargs))), DISTANT))),
    )
      .positional("table", {
        type: "string",
        describe: "table of galaxies: .parquet, .fits, .csv, .ecsv, .arrow, .vot, .h5; or a prepared folder",
      })
      .option("checkpoint", {
        type: "string",
        describe: `${usualCheckpoint.describe}; default: ${USUAL_CHECKPOINT}, with --method library none`,
      })
      .option("given", {
        type: "string",
        describe:
          "fields to use: names, ranges (J0378..J0600), bands by pivot (..6000A), groups; default: all but the wanted",
      })
      .option("want", { type: "string", demandOption: true, describe: WANT })
      .option("set", {
        type: "string",
        array: true,
        describe: "values of one galaxy instead of a table: FIELD=value or FIELD=value+-error",
      })
      .option("out", { type: "string", describe: "table to write: .parquet, .fits, .csv, .ecsv, .arrow, .vot" })
      .option("prior", priorOption)
      .option("samples", { type: "number", default: 0, describe: "joint samples per galaxy, as <FIELD>_samples" })
      .option("draws", {
        type: "number",
        default: USUAL_DRAWS,
        describe: "joint samples per galaxy behind what follows from several fields",
      })
      .option("keep", {
        type: "string",
        describe: "columns of the table to pass through, by name with commas, or all",
      })
      .option("method", {
        choices: methodNames,
        default: "network",
        describe: "who answers; both: the network, with the library's answers and their disagreement beside it",
      })
      .option("trust", {
        type: "boolean",
        default: true,
        describe:
          "columns that say how far answers can be trusted (trust, trust_score, <FIELD>_trust: see docs/trust.md); --no-trust: none",
      })
      .option("mc-dropout", mcDropoutOption)
      .option("seed", { type: "string", default: "1", describe: "seed of the samples" })
      .example(EXAMPLES),
  handler: async (args) => {
    const { table, set } = args;
    if (args.qpForm !== undefined && args.qp === undefined) throw new UserError("--qp-form: expected --qp, the file");
    await queryAndShow({
      engine: await engineOf(args),
      ...(args.checkpoint === undefined ? {} : { checkpoint: args.checkpoint }),
      want: args.want,
      ...(args.prior === undefined ? {} : { prior: args.prior }),
      samples: args.samples,
      trust: args.trust,
      draws: args.draws,
      seed: args.seed,
      ...(args.mcDropout === undefined ? {} : { mcDropout: args.mcDropout }),
      reading: readOptionsOf(args),
      ...surveyOptionOf(args),
      method: args.method,
      libraryChoice: libraryChoiceOf(args),
      ...(args.library === undefined ? {} : { library: args.library }),
      anyAperture: args.anyAperture,
      isRecalibrated: args.recalibration,
      ...(args.given === undefined ? {} : { given: args.given }),
      ...(table === undefined ? {} : { table }),
      ...(set === undefined ? {} : { values: set }),
      ...(args.out === undefined ? {} : { out: args.out }),
      ...(args.pdfGrid === undefined ? {} : { pdfGrid: args.pdfGrid }),
      ...(args.keep === undefined ? {} : { keep: listOf(args.keep) }),
      ...(args.qp === undefined ? {} : { ensemble: ensembleOf(args.qp, args.qpForm) }),
      ...(args.pdf ? { pdf: { points: args.pdfPoints } } : {}),
    });
  },
});
