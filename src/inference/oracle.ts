/** How far a network is from the exact answer that a library gives to the same question. */
import type { Engine } from "../engine/contract.ts";
import type { Reporter } from "../progress.ts";
import { createRng } from "../random.ts";
import { quantile, sortFinite } from "../report/statistics.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { ApertureKind } from "../survey/layout.ts";
import type { Survey } from "../survey/survey.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { predictTruths, type Question, type TruthAnswers, weightsOf } from "./evaluate.ts";
import { checkLibraryAperture, openLibrary } from "./library.ts";
import {
  createLibraryPredictor,
  type LibraryAnswers,
  type LibraryChoice,
  type LibraryPredictor,
} from "./library-predictor.ts";
import type { Predictions } from "./metrics.ts";
import type { Units } from "./resampling.ts";
import { bootstrap, type Estimate, intervalOf, meanOf, normalise, RESAMPLES } from "./weighted.ts";

/** The network beside the library on some galaxies, with 95 % bootstrap intervals by parent. */
export interface Gap {
  readonly rows: number;
  /** Mean CRPS of the network over that of the library, minus 1. */
  readonly crps: Estimate;
  /** Mean -ln p(truth) of the network minus that of the library [nats]. */
  readonly negLogLik: Estimate;
}

/** Gaps of one field: over all galaxies, and over those whose median S/N in the given bands is from `from` up to `to`. */
export interface FieldGap extends Gap {
  readonly bySignal: readonly (Gap & { readonly from: number; readonly to: number })[];
}

/** Ends of the bins in signal-to-noise. */
const SIGNALS = [0, 3, 10, 30, Infinity];
/** Fewer galaxies than this have no gap worth telling. */
const LEAST_ROWS = 20;

/** Median S/N of the bands that are given and have a flux; of all bands where none is given. NaN without any. */
export function signals(question: Question, catalog: Catalog, rows: ArrayLike<number>): Float64Array {
  const { fields, value, error, state } = question.catalog ?? catalog;
  const n = fields.length;
  const bands = fields.flatMap(({ band }, j) => (band === undefined ? [] : [j]));
  const given = bands.filter((j) => question.isGiven[j] === 1);
  const used = given.length > 0 ? given : bands;
  return Float64Array.from(rows, (row) => {
    const ratios = used.flatMap((j) => {
      const at = row * n + j;
      return state[at] === State.measured || state[at] === State.nonDetection ? [value[at] / error[at]] : [];
    });
    return quantile(sortFinite(ratios), 0.5);
  });
}

/** Two predictors' answers on the same galaxies. */
interface Both {
  readonly network: Predictions;
  readonly library: Predictions;
  readonly unit: readonly number[];
  readonly weight: Float32Array | undefined;
}

/** The gap on places `some` of both. */
function gapOf({ network, library, unit, weight }: Both, some: Int32Array, seed: string): Gap {
  const of = (values: (i: number) => number): Float64Array => Float64Array.from(some, values);
  const own = meanOf(of((i) => network.crps[i]));
  const other = meanOf(of((i) => library.crps[i]));
  const surplus = meanOf(of((i) => network.negLogLik[i] - library.negLogLik[i]));
  const evaluate = (weighed: Float64Array): Float64Array =>
    Float64Array.of(own(weighed) / other(weighed) - 1, surplus(weighed));
  const weights = of((i) => weight?.[i] ?? 1);
  normalise(weights);
  const value = evaluate(weights);
  const drawn = Array.from(some, (i) => unit[i]);
  const draws = bootstrap(drawn, weights, RESAMPLES, createRng(seed), evaluate);
  const [crps, negLogLik] = [0, 1].map((k) =>
    intervalOf(
      value[k],
      draws.map((draw) => draw[k]),
    ),
  );
  return { rows: some.length, crps, negLogLik };
}

/** Gaps of every field that both answer, on the same rows, weighted and resampled by `units` as their scores are. */
export function gapsOf(
  question: Question,
  catalog: Catalog,
  units: Units["of"],
  network: TruthAnswers,
  library: TruthAnswers,
  seed: string,
): Record<string, FieldGap> {
  const gaps = [...network].flatMap(([name, { rows, predictions }]): [string, FieldGap][] => {
    const other = library.get(name);
    if (other === undefined || rows.length < LEAST_ROWS) return [];
    const unit = Array.from(rows, (row) => units[row]);
    const both = { network: predictions, library: other.predictions, unit, weight: weightsOf(catalog, rows) };
    const signal = signals(question, catalog, rows);
    const all = Int32Array.from(rows.keys());
    const bySignal = SIGNALS.slice(1).flatMap((to, b) => {
      const from = SIGNALS[b];
      const inside = all.filter((i) => signal[i] >= from && signal[i] < to);
      if (inside.length < LEAST_ROWS) return [];
      return [{ from, to: Math.min(to, Number.MAX_VALUE), ...gapOf(both, inside, `${seed}:${name}:${from}`) }];
    });
    return [[name, { ...gapOf(both, all, `${seed}:${name}`), bySignal }]];
  });
  return Object.fromEntries(gaps);
}

export interface OracleAnswers {
  readonly answers: TruthAnswers;
  /** Effective number of the library's galaxies: the median (512 and more are 512), and the share of answers that are sparse. */
  readonly library: { readonly effectiveSize: number; readonly sparse: number };
}

/** A library's answers to the questions of an evaluation. */
export interface Oracle {
  /** [nField] 1 where it can answer. */
  readonly has: Uint8Array;
  readonly predict: LibraryPredictor["predict"];
  answer(catalog: Catalog, rows: Int32Array, question: Question): Promise<OracleAnswers>;
  close(): Promise<void>;
}

export interface OracleRequest {
  readonly engine: Engine;
  /** What is asked about. */
  readonly table: string;
  /** Also where its fluxes are of other light than the library's. */
  readonly anyAperture?: boolean;
  /** Clean simulated galaxies: a table or a prepared folder; no oracle without it. */
  readonly library?: string;
  readonly libraryChoice?: LibraryChoice;
  readonly reporter?: Reporter;
}

/** `aperture`: of what light the fluxes asked about are. @throws UserError for a library that can't be used. */
export async function openOracle(
  { engine, table, library: path, libraryChoice, anyAperture, reporter }: OracleRequest,
  survey: Survey,
  coder: FieldCoder,
  aperture: ApertureKind | undefined,
): Promise<Oracle | undefined> {
  if (path === undefined) return undefined;
  const library = await openLibrary(path, { survey, ...(reporter === undefined ? {} : { reporter }) });
  if (anyAperture !== true) checkLibraryAperture(aperture, library, table);
  const predictor = createLibraryPredictor(engine, library, coder, libraryChoice);
  return {
    has: library.has,
    predict: (...asked) => predictor.predict(...asked),
    async answer(catalog, rows, question) {
      let own: LibraryAnswers | undefined;
      const keeping = {
        coder,
        predict: async (...asked: Parameters<typeof predictor.predict>) => (own = await predictor.predict(...asked)),
      };
      const wanted = question.wanted.filter((j) => library.has[j] === 1);
      const answers = await predictTruths(keeping, catalog, rows, { ...question, wanted });
      const { posteriors } = own!;
      const sparse = posteriors.filter(({ isSparse }) => isSparse).length / posteriors.length;
      const sizes = posteriors.map((one) => one.effectiveSize);
      return { answers, library: { effectiveSize: quantile(sortFinite(sizes), 0.5), sparse } };
    },
    async close() {
      await predictor.dispose();
      library.close();
    },
  };
}
