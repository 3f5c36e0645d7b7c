/** How far a network is from the exact answer that a library gives to the same question. */
import type { Engine } from "../engine/contract.ts";
import type { Reporter } from "../progress.ts";
import { createRng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { Survey } from "../survey/survey.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { predictTruths, type Question, type TruthAnswers } from "./evaluate.ts";
import { openLibrary } from "./library.ts";
import { createLibraryPredictor, type LibraryAnswers, type LibraryChoice } from "./library-predictor.ts";
import { type Estimate, intervalOf, median, type Predictions, resampleByParent } from "./metrics.ts";

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
const RESAMPLES = 1000;

/** Median S/N of the bands that are given and have a flux; of all bands where none is given. NaN without any. */
function signals(question: Question, catalog: Catalog, rows: ArrayLike<number>): Float64Array {
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
    return ratios.length === 0 ? NaN : median(ratios);
  });
}

type Both = readonly [network: Predictions, library: Predictions];

function gapOf([network, library]: Both, parent: readonly string[], rows: Int32Array, seed: string): Gap {
  const compute = (some: Int32Array): Float64Array => {
    let [own, other, difference] = [0, 0, 0];
    for (const i of some) {
      own += network.crps[i];
      other += library.crps[i];
      difference += network.negLogLik[i] - library.negLogLik[i];
    }
    return Float64Array.of(own / other - 1, difference / some.length);
  };
  const value = compute(rows);
  const draws = resampleByParent(parent, rows, RESAMPLES, createRng(seed), compute);
  const [crps, negLogLik] = [0, 1].map((k) =>
    intervalOf(
      value[k],
      draws.map((draw) => draw[k]),
    ),
  );
  return { rows: rows.length, crps, negLogLik };
}

/** Gaps of every field that both answer, on the same rows. */
export function gapsOf(
  question: Question,
  catalog: Catalog,
  network: TruthAnswers,
  library: TruthAnswers,
  seed: string,
): Record<string, FieldGap> {
  const gaps = [...network].flatMap(([name, { rows, predictions }]): [string, FieldGap][] => {
    const other = library.get(name);
    if (other === undefined || rows.length < LEAST_ROWS) return [];
    const both: Both = [predictions, other.predictions];
    const parent = Array.from(rows, (row) => catalog.parentId[row]);
    const signal = signals(question, catalog, rows);
    const all = Int32Array.from(rows.keys());
    const bySignal = SIGNALS.slice(1).flatMap((to, b) => {
      const from = SIGNALS[b];
      const inside = all.filter((i) => signal[i] >= from && signal[i] < to);
      if (inside.length < LEAST_ROWS) return [];
      return [{ from, to: Math.min(to, Number.MAX_VALUE), ...gapOf(both, parent, inside, `${seed}:${name}:${from}`) }];
    });
    return [[name, { ...gapOf(both, parent, all, `${seed}:${name}`), bySignal }]];
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
  answer(catalog: Catalog, rows: Int32Array, question: Question): Promise<OracleAnswers>;
  close(): Promise<void>;
}

export interface OracleRequest {
  readonly engine: Engine;
  /** Clean simulated galaxies: a table or a prepared folder; no oracle without it. */
  readonly library?: string;
  readonly libraryChoice?: LibraryChoice;
  readonly reporter?: Reporter;
}

/** @throws UserError for a library that can't be used. */
export async function openOracle(
  { engine, library: path, libraryChoice, reporter }: OracleRequest,
  survey: Survey,
  coder: FieldCoder,
): Promise<Oracle | undefined> {
  if (path === undefined) return undefined;
  const library = await openLibrary(path, { survey, ...(reporter === undefined ? {} : { reporter }) });
  const predictor = createLibraryPredictor(engine, library, coder, libraryChoice);
  return {
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
      return { answers, library: { effectiveSize: median(posteriors.map((one) => one.effectiveSize)), sparse } };
    },
    async close() {
      await predictor.dispose();
      library.close();
    },
  };
}
