import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import type { Column } from "../io/table.ts";
import type { Reporter } from "../progress.ts";
import type { Rng } from "../random.ts";
import { checkAperture } from "../survey/aperture.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import type { ApertureKind } from "../survey/layout.ts";
import type { Survey } from "../survey/survey.ts";
import { createFieldCoder, type FieldCoder } from "../tokens/standardise.ts";
import { type Checkpoint, loadCheckpoint } from "../train/checkpoint.ts";
import { coderOf } from "../train/config.ts";
import { USUAL_CHECKPOINT } from "../train/shipped.ts";
import { counted } from "../text.ts";
import { checkDropout, dropoutColumns, type DropoutOptions } from "./dropout.ts";
import { explain, floatColumn, summaryColumns } from "./answers.ts";
import { checkLibraryAperture, librarySurvey, openLibrary } from "./library.ts";
import {
  createLibraryPredictor,
  type LibraryAnswers,
  type LibraryChoice,
  type LibraryPredictor,
  qualityColumns,
} from "./library-predictor.ts";
import { type Answers, createPredictor, type NetworkAnswers, type Predictor } from "./predict.ts";
import type { Prior } from "./prior.ts";
import { type PriorAnswers, type PriorPredictor, priorShares, withPrior } from "./prior-swap.ts";
import { sampleJoint } from "./sampling.ts";
import { readSpectrum, spectrumColumns } from "./spectrum-answers.ts";
import type { TrustEvidence } from "./trust.ts";
import { trustColumns } from "./trust-answers.ts";

/** Who answers: the network, the library of simulated galaxies, or one beside the other. */
export const methodNames = ["network", "library", "both"] as const;
export type MethodName = (typeof methodNames)[number];

/** What a method knows of some galaxies. */
interface Question {
  readonly catalog: Catalog;
  readonly isGiven: Uint8Array;
  readonly wanted: readonly number[];
}

/** A method as `query` asks it. */
export interface Answerer {
  readonly coder: FieldCoder;
  /** Answers for every row of the catalogue. */
  predict(question: Question): Promise<Answers>;
  /**
   * Joint draws [row, draw, field] in the fields' units of what the question wants, which may be more than `answers`, made
   * with the same given, answer; `rngOf` gives each row its stream.
   */
  draw(
    question: Question,
    answers: Answers,
    draws: number,
    rngOf: (row: number) => Rng,
    onRows: (done: number) => void,
  ): Promise<Float64Array>;
  /** What the method says beside `summaries`, the columns of its answers. */
  columns(answers: Answers, summaries: readonly Column[]): Column[];
  /** Columns of whole spectra, as `answers` to the question tell them; absent where the method answers none. */
  spectra?(answers: Answers, columns: readonly number[]): Promise<Column[]>;
  /** What there is to say when everything is answered, in lines for a person. */
  notes?(): readonly string[];
  dispose(): Promise<void>;
}

interface JudgedAnswers extends Answers {
  readonly asked: NetworkAnswers["asked"];
  readonly evidence?: TrustEvidence;
  /** Of Monte Carlo dropout. */
  readonly beside?: readonly Column[];
}

function networkAnswerer(predictor: Predictor, isJudged: boolean, dropout?: DropoutOptions): Answerer {
  const { coder } = predictor;
  return {
    coder,
    async predict({ catalog, isGiven, wanted }): Promise<JudgedAnswers> {
      const answers = await predictor.predict(catalog, allRows(catalog), isGiven, wanted);
      const { asked } = answers;
      return {
        ...answers,
        ...(isJudged ? { evidence: await predictor.judge(asked) } : {}),
        ...(dropout === undefined ? {} : { beside: await dropoutColumns(predictor, asked, answers.scales, dropout) }),
      };
    },
    async draw({ catalog, isGiven, wanted }, _answers, draws, rngOf, onRows) {
      const rows = allRows(catalog);
      return (await sampleJoint(predictor, catalog, rows, isGiven, wanted, draws, rngOf, onRows)).values;
    },
    async spectra(answers, columns) {
      const { asked } = answers as JudgedAnswers;
      const found = await Promise.all(columns.map((j) => readSpectrum(predictor, asked, j)));
      return found.flatMap(spectrumColumns);
    },
    columns(answers, summaries) {
      const { evidence, wanted, beside = [] } = answers as JudgedAnswers;
      if (evidence === undefined || wanted.length === 0) return [...beside];
      const fields = wanted.map((j) => coder.fields[j]);
      return [...beside, ...trustColumns(fields, evidence, summaries)];
    },
    dispose: () => predictor.dispose(),
  };
}

/** The network under another prior, with how much of its own answer for the prior's field is left. */
function swappedAnswerer(predictor: PriorPredictor, isJudged: boolean): Answerer {
  const { name } = predictor.coder.fields[predictor.prior.field];
  const network = networkAnswerer(predictor, isJudged);
  let ruledOut = 0;
  return {
    ...network,
    columns(answers, summaries) {
      const share = priorShares(answers as PriorAnswers);
      ruledOut += share.filter((part) => part === 0).length;
      const description =
        `part of the network's own answer for ${name} that the answer under the new prior rests on: (mean r)^2 / mean r^2 ` +
        "of the ratio r of the priors; 0: the new prior has nothing there, and the answer is the network's own";
      const own = floatColumn(`${name}_prior_share`, share, 1, "", description);
      return [...network.columns(answers, summaries), own];
    },
    notes: () =>
      ruledOut === 0
        ? []
        : [`${counted(ruledOut, "galaxy is", "galaxies are")} where the prior has nothing: answered as without it`],
  };
}

function libraryAnswerer(predictor: LibraryPredictor): Answerer {
  return {
    coder: predictor.coder,
    predict: ({ catalog, isGiven, wanted }) => predictor.predict(catalog, allRows(catalog), isGiven, wanted),
    draw: async ({ wanted }, answers, draws, rngOf) =>
      predictor.draw({ ...(answers as LibraryAnswers), wanted }, draws, rngOf),
    columns: (answers) => qualityColumns(answers as LibraryAnswers),
    dispose: () => predictor.dispose(),
  };
}

/** Difference of the medians over the root of the sum of the squared half 68 % widths. */
function disagreement(coder: FieldCoder, j: number, of: (name: string) => readonly [Column, Column]): Column {
  const field = coder.fields[j];
  const [median, low, high] = ["median", "q16", "q84"].map((name) => of(`${field.name}_${name}`));
  const data = Float32Array.from(median[0].data as Float32Array, (own, i) => {
    const half = [0, 1].map((m) => 0.5 * (Number(high[m].data[i]) - Number(low[m].data[i])));
    return (Number(median[1].data[i]) - own) / Math.hypot(...half);
  });
  const description = explain(field, "library minus network, medians, in sigma of both");
  return { name: `${field.name}_disagreement`, type: "float32", width: 1, data, description };
}

interface BothAnswers extends Answers {
  readonly library: LibraryAnswers;
}

/** The network's answers, with the library's beside them. */
function bothAnswerer(network: Answerer, library: Answerer): Answerer {
  const { coder } = network;
  return {
    coder,
    async predict(question): Promise<BothAnswers> {
      const own = await network.predict(question);
      return { ...own, library: (await library.predict(question)) as LibraryAnswers };
    },
    draw: (...question) => network.draw(...question),
    columns(answers, summaries) {
      const other = (answers as BothAnswers).library;
      const beside = summaryColumns(coder, other);
      const numbers = answers.wanted.filter((j) => coder.fields[j].kind !== "category");
      const find = (columns: readonly Column[], name: string): Column => columns.find((one) => one.name === name)!;
      return [
        ...network.columns(answers, summaries),
        ...beside.map((column) => ({ ...column, name: `library_${column.name}` })),
        ...numbers.map((j) => disagreement(coder, j, (name) => [find(summaries, name), find(beside, name)])),
        ...library.columns(other, beside),
      ];
    },
    async dispose() {
      await network.dispose();
      await library.dispose();
    },
  };
}

/** A method, and what its fields are. */
export interface MethodVocabulary {
  readonly survey: Survey;
  /** None where the library answers with fields of its own. */
  readonly checkpoint: Checkpoint | undefined;
  /** Its path or name. */
  readonly path: string | undefined;
}

export interface MethodOptions extends LibraryChoice {
  readonly engine: Engine;
  readonly vocabulary: MethodVocabulary;
  /** What is asked about, where its fluxes have to be of the same light as those that answer. */
  readonly asked?: { readonly table: string; readonly aperture: ApertureKind | undefined };
  /** Default: `network`. */
  readonly method?: MethodName;
  /** Instead of that of the network's training set. */
  readonly prior?: Prior | undefined;
  /** Clean simulated galaxies: a table or a prepared folder. */
  readonly library?: string;
  /** See {@link PredictorOptions}. */
  readonly isRecalibrated?: boolean;
  /** Also what a network that was trained with dropout says when parts of it are dropped; of the network alone. */
  readonly dropout?: DropoutOptions;
  /** The network also says how far its answers can be trusted; default: true. */
  readonly trust?: boolean;
  readonly reporter?: Reporter;
}

export interface VocabularyRequest {
  /** Checkpoint or run folder, or a name in `checkpoints/`. */
  readonly checkpoint?: string;
  readonly method?: MethodName;
  readonly library?: string;
}

/** Survey of a library that names none. */
const USUAL = "minijpas";

/**
 * The fields of what answers: the checkpoint's, else those of the network that comes with the package; where the library
 * answers alone and no checkpoint is named, those of its survey.
 * @throws UserError for a library that is missing or not asked for, a checkpoint that can't be loaded.
 */
export async function vocabularyOf(request: VocabularyRequest): Promise<MethodVocabulary> {
  const { method = "network", library } = request;
  if (method === "network" && library !== undefined) {
    throw new UserError("--library: not used by the network; expected --method library or both");
  }
  if (method !== "network" && library === undefined) {
    throw new UserError(`--method ${method}: expected --library, a table of clean simulated galaxies`);
  }
  const path = request.checkpoint ?? (method === "library" ? undefined : USUAL_CHECKPOINT);
  if (path === undefined) return { survey: await librarySurvey(library!, USUAL), checkpoint: undefined, path };
  const checkpoint = loadCheckpoint(path);
  return { survey: checkpoint.config.survey, checkpoint, path };
}

/**
 * What answers a query.
 * @throws UserError for a library that can't be used, and for fluxes of other light than those that answer.
 */
export async function createAnswerer(options: MethodOptions): Promise<Answerer> {
  const { engine, vocabulary, asked, method = "network", library: path, reporter, prior } = options;
  const { survey, checkpoint } = vocabulary;
  if (prior !== undefined && method === "both") {
    throw new UserError(`--prior ${prior.text}: of one method's answers; expected --method network or library`);
  }
  if (method !== "library" && asked !== undefined) {
    checkAperture(asked.aperture, checkpoint!.config.data, asked.table);
  }
  const { dropout } = options;
  if (dropout !== undefined && method !== "network") {
    throw new UserError(`--mc-dropout ${dropout.draws}: of the network alone; expected it without --method ${method}`);
  }
  const isJudged = options.trust !== false;
  const network = (): Predictor => createPredictor(engine, checkpoint!, options);
  if (method === "network") {
    const predictor = network();
    if (dropout !== undefined) checkDropout(predictor, dropout.draws, prior?.text);
    if (prior === undefined) return networkAnswerer(predictor, isJudged, dropout);
    const swapped = await withPrior(predictor, prior);
    for (const line of swapped.lines) reporter?.say(line);
    return swappedAnswerer(swapped, isJudged);
  }
  const library = await openLibrary(path!, { survey, ...(reporter === undefined ? {} : { reporter }) });
  try {
    if (asked !== undefined) checkLibraryAperture(asked.aperture, library, asked.table);
    const coder =
      checkpoint === undefined ? createFieldCoder(survey.fields, library.standardisation) : coderOf(checkpoint.config);
    if (prior !== undefined) {
      reporter?.say(
        `prior of ${survey.fields[prior.field].name}: ${prior.text}, in place of the library's; library_ess tells what is left`,
      );
    }
    const own = libraryAnswerer(createLibraryPredictor(engine, library, coder, options));
    const all = method === "library" ? own : bothAnswerer(networkAnswerer(network(), isJudged), own);
    return {
      ...all,
      async dispose() {
        await all.dispose();
        library.close();
      },
    };
  } catch (error) {
    library.close();
    throw error;
  }
}
