/** Samples of redshifts as pure as one wants: cuts of what tells of quality, chosen on one half and tried on the other. */
import type { Distribution } from "../model/distribution.ts";
import { oddsAround } from "../model/odds.ts";
import { createRng, type Rng, shuffleInPlace } from "../random.ts";
import type { SelectionCurve } from "../report/figure-selection.ts";
import { figures } from "../report/figures.ts";
import type { ReportTable } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import { percent } from "../text.ts";
import { type Question, type TruthAnswers, weightsOf } from "./evaluate.ts";
import { createFieldAnswer } from "./field-answer.ts";
import { percentLevels } from "./metrics-score.ts";
import type { NetworkAnswers, Predictor } from "./predict.ts";
import type { Units } from "./resampling.ts";
import { selectionCurve, thresholdFor } from "./selection.ts";
import { createTrust, factsOfAnswer } from "./trust-answers.ts";
import { bootstrap, effectiveCount, type Estimate, intervalOf } from "./weighted.ts";

/** What samples are cut in; `sign`: -1 where the smaller is the surer. */
export const qualities = {
  trust: { title: "trust score", sign: 1 },
  odds: { title: "odds", sign: 1 },
  entropy: { title: "entropy of the PDF", sign: -1 },
} as const;
export type QualityName = keyof typeof qualities;

/** Purities that cuts are told for. */
const TARGETS = [0.99, 0.999] as const;
/** |dz| / (1 + z) up to which a redshift is pure: from a spectrum, and from anything else. */
const TOLERANCE = { spectrum: 0.01, bands: 0.03 } as const;
const RESAMPLES = 400;
/** Equally weighted galaxies that a cut has to keep of the half that it is chosen on. */
const FEWEST = 30;

/** What a cut keeps: `completeness` the share of the pure ones, `kept` that of all, `rows` their number. */
export interface Kept<T> {
  readonly purity: T;
  readonly completeness: T;
  readonly kept: T;
  readonly rows: number;
}

/** The cut that keeps most of one half of the galaxies at a purity, and what it keeps of the other half. */
export interface PurityCut {
  readonly target: number;
  /** The worst that is kept: least odds or trust, largest entropy [nats]. */
  readonly threshold: number;
  /** Of the half that the threshold was chosen on. */
  readonly chosen: Kept<number>;
  /** Of the other half, with 95 % bootstrap intervals. Absent where the cut keeps none of it. */
  readonly verified?: Kept<Estimate>;
}

/** Quality screening of redshifts. */
export interface Screening {
  /** |dz| / (1 + z) up to which a redshift is pure. */
  readonly tolerance: number;
  readonly rows: number;
  /** Share of the pure without a cut. */
  readonly share: number;
  /** By quality: the curve of all galaxies, and the cuts that 30 galaxies of the first half survive, or more. */
  readonly qualities: Readonly<
    Partial<
      Record<
        QualityName,
        Pick<SelectionCurve, "area"> & { readonly curve: readonly CurvePoint[]; readonly cuts: readonly PurityCut[] }
      >
    >
  >;
}

/** Purity where so much of the pure is kept. */
export interface CurvePoint {
  readonly completeness: number;
  readonly purity: number;
}

/** Rows of redshifts with a truth, by quality, every array [n]. */
export interface Screened {
  readonly isPure: readonly boolean[];
  readonly weight: ArrayLike<number>;
  readonly unit: ArrayLike<number>;
  /** The higher, the surer. */
  readonly score: Readonly<Partial<Record<QualityName, ArrayLike<number>>>>;
}

/** Differential entropy of a row [nats]: the mean of -ln p at the middle of 99 equally likely parts. */
export function entropyOf(distribution: Distribution, row: number): number {
  const at = new Float64Array(percentLevels.length);
  distribution.quantiles(row, percentLevels, at);
  return at.reduce((sum, x) => sum - distribution.logDensity(row, x), 0) / at.length;
}

/** Two halves of the units, at random: no galaxy is in both. [n] true: that which cuts are chosen on. */
function halves(unit: ArrayLike<number>, rng: Rng): boolean[] {
  const all = Int32Array.from(new Set(Array.from(unit)));
  shuffleInPlace(all, rng);
  const first = new Set(all.subarray(0, all.length >> 1));
  return Array.from(unit, (own) => first.has(own));
}

/** Purity, completeness and share kept under weights of the rows. */
function keptOf(isKept: readonly boolean[], isPure: readonly boolean[], weight: ArrayLike<number>): Float64Array {
  let [all, pure, kept, both] = [0, 0, 0, 0];
  for (let i = 0; i < isKept.length; i++) {
    all += weight[i];
    if (isPure[i]) pure += weight[i];
    if (isKept[i]) kept += weight[i];
    if (isKept[i] && isPure[i]) both += weight[i];
  }
  return Float64Array.of(both / kept, both / pure, kept / all);
}

/** What a cut keeps of some rows. A sample without a wrong one is as pure as 3 in its number (95 %: Hanley & Lippman-Hand 1983, JAMA 249, 1743). */
function verify(
  { isPure, weight, unit }: Screened,
  isKept: readonly boolean[],
  rows: readonly number[],
  rng: Rng,
): Kept<Estimate> | undefined {
  const of = <T>(values: ArrayLike<T>): T[] => rows.map((row) => values[row]);
  const [kept, pure, own] = [of(isKept), of(isPure), of(weight)];
  const count = kept.filter(Boolean).length;
  const size = effectiveCount(own.filter((_, i) => kept[i]));
  if (size === 0 || !pure.some((isSo, i) => isSo && own[i] > 0)) return undefined;
  const value = keptOf(kept, pure, own);
  const draws = bootstrap(of(unit), Float64Array.from(own), RESAMPLES, rng, (drawn) => keptOf(kept, pure, drawn));
  const [purity, completeness, share] = Array.from(value, (x, k) =>
    intervalOf(x, draws.map((draw) => draw[k]).filter(Number.isFinite)),
  );
  const isClean = purity.value === 1;
  const least = 1 - 3 / Math.max(3, size);
  return { purity: isClean ? { ...purity, low: least } : purity, completeness, kept: share, rows: count };
}

/** The cut in one quality for a purity; undefined where none that keeps 30 of the first half is as pure. */
function cutFor(
  screened: Screened,
  score: ArrayLike<number>,
  sign: number,
  target: number,
  isFirst: readonly boolean[],
  rng: Rng,
): PurityCut | undefined {
  const { isPure, weight } = screened;
  const all = Array.from(isPure.keys());
  const [first, second] = [all.filter((i) => isFirst[i]), all.filter((i) => !isFirst[i])];
  const of = <T>(values: ArrayLike<T>): T[] => first.map((row) => values[row]);
  const least = thresholdFor(of(score), of(isPure), of(weight), target);
  if (least === undefined) return undefined;
  const isKept = all.map((i) => score[i] >= least);
  // a few that happen to be pure are no sample
  if (effectiveCount(first.flatMap((i) => (isKept[i] ? [weight[i]] : []))) < FEWEST) return undefined;
  const [purity, completeness, kept] = keptOf(of(isKept), of(isPure), of(weight));
  const verified = verify(screened, isKept, second, rng);
  return {
    target,
    threshold: sign * least,
    chosen: { purity, completeness, kept, rows: of(isKept).filter(Boolean).length },
    ...(verified === undefined ? {} : { verified }),
  };
}

const COMPLETENESS = Array.from({ length: 20 }, (_, i) => (i + 1) / 20);

/** The curve at round completenesses: the smallest sample that is as complete. */
const pointsOf = ({ rightKept, purity }: SelectionCurve): CurvePoint[] =>
  COMPLETENESS.flatMap((completeness) => {
    const at = Array.from(rightKept).findIndex((kept) => kept >= completeness - 1e-9);
    return at < 0 ? [] : [{ completeness, purity: purity[at] }];
  });

/** Curves and cuts; undefined where all are pure, or none. */
export function screen(
  screened: Screened,
  tolerance: number,
  seed: string,
): { screening: Screening; curves: SelectionCurve[] } | undefined {
  const { isPure, weight, unit, score } = screened;
  if (isPure.every(Boolean) || !isPure.some(Boolean)) return undefined;
  const isFirst = halves(unit, createRng(`${seed}:screening`));
  const all = (Object.keys(qualities) as QualityName[]).flatMap((name) => {
    const own = score[name];
    if (own === undefined) return [];
    const { title, sign } = qualities[name];
    const curve = selectionCurve(title, own, isPure, weight);
    const cuts = TARGETS.flatMap(
      (target) => cutFor(screened, own, sign, target, isFirst, createRng(`${seed}:screening:${name}`)) ?? [],
    );
    return [{ name, curve, cuts }];
  });
  const share = keptOf(
    isPure.map(() => true),
    isPure,
    weight,
  )[0];
  const entries = all.map(({ name, curve, cuts }) => [name, { area: curve.area, curve: pointsOf(curve), cuts }]);
  const screening = {
    tolerance,
    rows: isPure.length,
    share,
    qualities: Object.fromEntries(entries) as Screening["qualities"],
  };
  return { screening, curves: all.map(({ curve }) => curve) };
}

export interface ScreeningOptions {
  readonly seed: string;
  /** See {@link Screening}; default: 0.01 where a spectrum is given, else 0.03. */
  readonly tolerance?: number;
  /** Also by the score of trust, which takes as long as the answers themselves. */
  readonly hasTrust: boolean;
}

/** Screens the redshifts of a question; undefined where none is asked, all are right, or none is. */
export async function screenRedshifts(
  predictor: Predictor,
  question: Question,
  answers: NetworkAnswers,
  network: TruthAnswers,
  units: Units["of"],
  { seed, tolerance, hasTrust }: ScreeningOptions,
): Promise<{ screening: Screening; figure: Figure } | undefined> {
  const { fields } = predictor.coder;
  const { catalog, rows: asked } = answers.asked;
  const w = answers.wanted.findIndex((j) => fields[j].kind === "redshift");
  const known = w < 0 ? undefined : network.get(fields[answers.wanted[w]].name);
  if (known === undefined) return undefined;
  const { rows, predictions } = known;
  const limit =
    tolerance ??
    (fields.some(({ kind }, j) => kind === "spectrum" && question.isGiven[j] === 1)
      ? TOLERANCE.spectrum
      : TOLERANCE.bands);
  const { truth, point } = predictions;
  const isPure = Array.from(truth, (z, i) => Math.abs(point[i] - z) / (1 + z) <= limit);
  const places = new Map(Array.from(asked, (row, i) => [row, i]));
  const at = Array.from(rows, (row) => places.get(row)!);
  const answer = createFieldAnswer(predictor.coder, answers, w);
  const { distribution, mode } = answer;
  const evidence = hasTrust ? await predictor.judge({ ...answers.asked, wanted: [answers.wanted[w]] }) : undefined;
  const trust = evidence && createTrust([factsOfAnswer(answer)], evidence).score;
  const score = {
    ...(trust === undefined ? {} : { trust: at.map((i) => trust[i]) }),
    odds: at.map((i) => oddsAround(distribution, i, mode[i])),
    entropy: at.map((i) => -entropyOf(distribution, i)),
  };
  const weight = weightsOf(catalog, rows) ?? new Float64Array(rows.length).fill(1);
  const unit = Array.from(rows, (row) => units[row]);
  const found = screen({ isPure, weight, unit, score }, limit, seed);
  if (found === undefined) return undefined;
  const { screening, curves } = found;
  const { share } = screening;
  const figure = figures.selection.draw({ curves, right: `|Δz| ≤ ${limit} (1 + z)`, rows: rows.length, share });
  return { screening, figure };
}

/** The cuts as lines of a table. */
export function screeningTable({ tolerance, share, qualities: found }: Screening): ReportTable {
  const rows = (Object.keys(found) as QualityName[]).flatMap((name) =>
    found[name]!.cuts.map(({ target, threshold, chosen, verified }) => [
      `${qualities[name].title} ${qualities[name].sign > 0 ? "≥" : "≤"} ${threshold.toPrecision(4)}`,
      percent(target, 1),
      chosen.purity,
      verified?.purity,
      verified?.completeness,
      verified?.kept,
      verified?.rows,
    ]),
  );
  return {
    title: `Cuts for purity, |Δz| ≤ ${tolerance} (1 + z): ${percent(share, 1)} without a cut; chosen on one half of the galaxies, verified on the other`,
    columns: [
      "cut",
      "purity wanted",
      "purity, first half",
      "purity",
      "completeness",
      "kept of all",
      "galaxies kept",
    ].map((label) => ({ label })),
    rows,
  };
}
