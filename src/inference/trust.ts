import { type Distribution } from "../model/distribution.ts";
import { misfitOf, WILDEST } from "../model/templates.ts";
import type { TrustRule } from "../model/trust-rule.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { belongingOf, classesWith, classField, isJudgedBy } from "../train/belonging.ts";
import { questionCovariates } from "./recalibrator.ts";
import { fieldDistribution } from "./field-answer.ts";
import type { Network, States } from "./network.ts";
import { SMALL_ROWS } from "./network-graphs.ts";
import { readRaw } from "./raw.ts";
import { askFold, bandFolds } from "./surprise.ts";

/** How far answers can be trusted: a word for each, a word and a score for each object. */

/** Words for an answer, from good to bad: the worst that holds is told. `docs/trust.md` says what each means. */
export const trustWords = ["in support", "prior-dominated", "poor fit", "other class", "outside"] as const;
export type TrustWord = (typeof trustWords)[number];

/**
 * Below this many nats from what is known without any input an answer is the prior's: a Gaussian has as many that is 30 %
 * narrower, or whose mean is half a sigma away.
 */
export const PRIOR_NATS = 0.1;
/**
 * Mean square residual, see `misfitOf`, above which a fit is poor where the network's own rule does not say it: 1 % of
 * 1,000 simulated galaxies have it with the network of 0.6.0 (`npm run bench trust`); where halves predict each other, 1 % of
 * 1,500 with a small network (0.4 M parameters, 300 steps) that carried no galaxies.
 */
const POOR_FIT = { templates: 2.8, halves: 2.9 } as const;
/** An answer is of another class where classes that have the field are less probable than this together. */
export const LEAST_BELONGING = 0.5;
/** A given label is outside where what is expected without any input has less than this beyond it. */
const TAIL = 1e-3;
/** Brightness that training saw: ln of the scale, in deviations from the mean. Bright galaxies are rare, not unknown. */
const BRIGHTNESS = [-4, 6] as const;
/** Errors of a label that it may be beyond. */
const LABEL_SIGMAS = 2;

/** What tells of trust beside the answers themselves, of `rowCount` objects. */
export interface TrustEvidence {
  readonly rowCount: number;
  /** [rowCount] 1 where a label or the brightness that is given lies beyond what training saw. */
  readonly isOutside: Uint8Array;
  /** [rowCount] Mean square residual of the given fluxes; NaN where none tells. */
  readonly misfit: Float64Array;
  readonly poorFrom: number;
  /** By place of the wanted field: [rowCount] probability that the object is of a class that has it. */
  readonly belonging: readonly Float64Array[];
  /** By place of the wanted field: the answer when nothing is given, one row, in the field's unit. */
  readonly prior: readonly Distribution[];
  /** The rule of the score that was fitted to the network's answers, and what else it asks for: [rowCount, covariateNames]. */
  readonly fitted?: { readonly rule: TrustRule; readonly covariates: Float64Array };
}

/** A question to a network. */
export interface NetworkQuestion {
  readonly catalog: Catalog;
  readonly rows: ArrayLike<number>;
  /** [nField] What is given: the wanted fields are not. */
  readonly isGiven: Uint8Array;
  readonly wanted: readonly number[];
}

/** A question to a network, and the states that answered it. */
export interface Asked extends NetworkQuestion {
  readonly states: States;
}

/** Answers of a network to which nothing is given, field by field as they are asked for. */
function createPriors(network: Network) {
  const { coder } = network;
  const known = new Map<number, Distribution>();
  return async ({ catalog, rows }: Asked, fields: readonly number[]): Promise<Distribution[]> => {
    const wanted = fields.filter((j) => !known.has(j));
    if (wanted.length > 0) {
      // all rows say the same; so many that the graph of the question itself is used again
      const some = Array.from(rows).slice(0, SMALL_ROWS + 1);
      const states = await network.encode(catalog, some, new Uint8Array(coder.nField));
      const raw = await network.read(states, wanted);
      const { rowCount, scales } = states;
      const answers = { rowCount, wanted, scales, encoded: raw.map((one) => readRaw(one.family, one.raw)) };
      wanted.forEach((j, w) => known.set(j, fieldDistribution(coder, answers, w)));
    }
    return fields.map((j) => known.get(j)!);
  };
}

/** Whether a value is that of row `row`, and not missing. */
const isKnown = ({ state, fields }: Catalog, row: number, j: number): boolean =>
  state[row * fields.length + j] === State.measured;

/** [rows] 1 where a given label or the brightness is beyond what training saw. */
async function outside(network: Network, priors: ReturnType<typeof createPriors>, asked: Asked): Promise<Uint8Array> {
  const { catalog, rows, isGiven, states } = asked;
  const { coder } = network;
  const n = coder.nField;
  const labels = Array.from(coder.groups.property).filter(
    (j) => isGiven[j] === 1 && Array.from(rows).some((row) => isKnown(catalog, row, j)),
  );
  const ends = new Float64Array(2);
  const ranges = (await priors(asked, labels)).map((prior) => {
    prior.quantiles(0, [TAIL, 1 - TAIL], ends);
    return [ends[0], ends[1]] as const;
  });
  return Uint8Array.from({ length: rows.length }, (_, i) => {
    const scale = states.scales[i];
    const bright = coder.encodeScale(scale);
    if (scale > 0 && (bright < BRIGHTNESS[0] || bright > BRIGHTNESS[1])) return 1;
    const isBeyond = labels.some((j, l) => {
      if (!isKnown(catalog, rows[i], j)) return false;
      const [value, error] = [catalog.value[rows[i] * n + j], catalog.error[rows[i] * n + j]];
      const [low, high] = ranges[l];
      return value + LABEL_SIGMAS * error < low || value - LABEL_SIGMAS * error > high;
    });
    return Number(isBeyond);
  });
}

/** [rows] Mean square residual of given fluxes, from the carried galaxies. */
function templateMisfit({ coder }: Network, { rowCount, state }: States): Float64Array {
  const size = state.length / rowCount;
  return Float64Array.from({ length: rowCount }, (_, i) => misfitOf(coder, state.subarray(i * size, (i + 1) * size))!);
}

/** Bands that are asked for of the hidden half: more would say little more. */
const HALF_BANDS = 12;

/** The same of a network that carries none: some of every second given band, from those between them. */
async function halfMisfit(network: Network, { catalog, rows, isGiven }: Asked): Promise<Float64Array> {
  const given = catalog.fields.flatMap((field, j) => (isGiven[j] === 1 && field.band !== undefined ? [j] : []));
  const [sum, count] = [new Float64Array(rows.length), new Float64Array(rows.length)];
  const [half] = bandFolds(catalog.fields, given, 2);
  if (half === undefined) return sum.fill(Number.NaN);
  const stride = Math.max(1, half.hidden.length / HALF_BANDS);
  const hidden = half.hidden.filter((_, i) => Math.floor(i / stride) !== Math.floor((i - 1) / stride));
  await askFold(network, catalog, rows, { ...half, hidden }, ({ row, deviation }) => {
    sum[row] += Math.min(WILDEST, Math.abs(deviation)) ** 2;
    count[row]++;
  });
  return sum.map((total, row) => total / count[row]);
}

/**
 * By place in `wanted`: [rows] the probability that the object is of a class that has the field. Where a class is given and
 * what else is given doesn't rule it out, it is the object's.
 */
async function belongings(
  network: Network,
  { catalog, rows, isGiven, wanted, states }: Asked,
): Promise<Float64Array[]> {
  const { fields } = network.coder;
  const found = classField(network.coder);
  const isJudged = wanted.some((j) => isJudgedBy(fields[j].kind));
  if (found === undefined || !isJudged) return wanted.map(() => new Float64Array(rows.length).fill(1));
  const { j: column, field } = found;
  const isTold = isGiven[column] === 1 && Array.from(rows).some((row) => isKnown(catalog, row, column));
  const other = isGiven.slice();
  other[column] = 0;
  const own = isTold ? await network.encode(catalog, rows, other) : states;
  const [{ family, raw }] = await network.read(own, [column]);
  const answer = readRaw(family, raw);
  return wanted.map((j) => {
    const has = classesWith(field, fields[j].kind);
    return Float64Array.from({ length: rows.length }, (_, i) => {
      const isOfTold = isTold && isKnown(catalog, rows[i], column);
      const told = isOfTold ? catalog.value[rows[i] * fields.length + column] : undefined;
      return belongingOf(has, (k) => Math.exp(answer.logDensity(i, k)), told);
    });
  });
}

/** What judges the answers of a network, besides these; `rule`: as its recalibrated answers were judged. */
export function createJudge(network: Network, rule?: TrustRule): (asked: Asked) => Promise<TrustEvidence> {
  const priors = createPriors(network);
  const hasTemplates = network.coder.templates !== undefined;
  return async (asked) => ({
    rowCount: asked.rows.length,
    isOutside: await outside(network, priors, asked),
    misfit: hasTemplates ? templateMisfit(network, asked.states) : await halfMisfit(network, asked),
    poorFrom: rule?.poorFrom ?? (hasTemplates ? POOR_FIT.templates : POOR_FIT.halves),
    belonging: await belongings(network, asked),
    prior: await priors(asked, asked.wanted),
    ...(rule === undefined ? {} : { fitted: { rule, covariates: questionCovariates(network.coder, asked) } }),
  });
}
