import type { Arrays, Engine } from "../engine/contract.ts";
import { type Distribution, TAIL_WIDTH } from "../model/distribution.ts";
import { headOf } from "../model/heads.ts";
import { LOG_SQRT_2PI, normalBetween, normalQuantile } from "../model/normal.ts";
import type { Readout } from "../model/readouts.ts";
import { covariateNames, type FieldRecalibration, type Recalibration } from "../model/recalibration.ts";
import { readoutsOf, stateSize } from "../model/transformer.ts";
import { createRng, type Rng, shuffleInPlace } from "../random.ts";
import { copyRow, emptyCatalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { emptyArrays, type RowSource } from "../tokens/batch.ts";
import { contextSignature, type Evidence, fillContext } from "../tokens/hosts.ts";
import { drawContext } from "../tokens/subset.ts";
import { version } from "../version.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { coderOf, type NetworkCoder } from "./config.ts";
import { fillCovariates, SPREAD, spreadOf } from "./covariates.ts";
import { distortedStore } from "./distort.ts";
import { compileAnswers } from "./compiled-answers.ts";
import { fitTrust } from "./trust-questions.ts";
import { fitRecalibration, type KnownAnswers } from "./recalibration-fit.ts";

export interface RecalibrationOptions {
  /** Most questions asked; a galaxy is asked about no more than MOST_TIMES times. */
  readonly questions: number;
  /** Share of questions about galaxies that are distorted first; none where the network carries no galaxies to tell by. */
  readonly distorted: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What a run asks of its own held-out rows: a few seconds' worth. */
export const usualRecalibration: RecalibrationOptions = { questions: 8000, distorted: 0.1 };

/** Galaxies per run of the network. */
const BATCH = 128;
const NO_LIMITS = [-Infinity, Infinity] as const;
/** Questions about one galaxy: others say more. */
const MOST_TIMES = 2;

/** Answers to one kind of field, with their truths: see `KnownAnswers`. */
type Pile = Record<Exclude<keyof KnownAnswers, "count">, number[]>;

/** Answers by field: properties by name, bands by group. */
function createPiles() {
  const piles = { properties: new Map<string, Pile>(), bands: new Map<string, Pile>() };
  return {
    of({ name, band }: Field): Pile {
      const [map, key] = band === undefined ? [piles.properties, name] : [piles.bands, band.group];
      const pile = map.get(key) ?? {
        covariates: [],
        score: [],
        logTail: [],
        low: [],
        high: [],
        inside: [],
        under: [],
        weight: [],
      };
      map.set(key, pile);
      return pile;
    },
    fit(): Pick<Recalibration, "properties" | "bands"> {
      const fitted = (map: ReadonlyMap<string, Pile>): Record<string, FieldRecalibration> =>
        Object.fromEntries(
          [...map].flatMap(([key, pile]) => {
            const columns = Object.entries(pile).map(([name, values]) => [name, Float64Array.from(values)] as const);
            const known = Object.fromEntries(columns) as Record<keyof Pile, Float64Array>;
            const own = fitRecalibration({ ...known, count: pile.score.length });
            return own === undefined ? [] : [[key, own] as const];
          }),
        );
      return { properties: fitted(piles.properties), bands: fitted(piles.bands) };
    },
  };
}
type Piles = ReturnType<typeof createPiles>;

/** Rows to ask about, [source, row] each, in random order. */
function questionsOf(sources: readonly RowSource[], most: number, rng: Rng): (readonly [RowSource, number])[] {
  const all = sources.flatMap((source) => Array.from(source.rows, (row) => [source, row] as const));
  const times = Math.min(MOST_TIMES, Math.ceil(most / Math.max(1, all.length)));
  const order = Int32Array.from({ length: times * all.length }, (_, i) => i % all.length);
  shuffleInPlace(order, rng);
  return Array.from(order.subarray(0, most), (i) => all[i]);
}

/** Fields that are asked of a galaxy: all properties with a truth that are not given, and one such band of each group. */
function askedOf({ fields }: NetworkCoder, { catalog, row, isContext }: Evidence, rng: Rng): number[] {
  const isAsked = (j: number): boolean =>
    isContext[j] === 0 && catalog.state[row * fields.length + j] === State.measured && fields[j].kind !== "category";
  const asked = fields.flatMap((_, j) => (isAsked(j) ? [j] : []));
  const groups = new Set(asked.flatMap((j) => fields[j].band?.group ?? []));
  const bands = Array.from(groups, (group) => {
    const some = asked.filter((j) => fields[j].band?.group === group);
    return some[rng.integer(some.length)];
  });
  return [...asked.filter((j) => fields[j].band === undefined), ...bands];
}

/** Puts what a read-out's distributions [BATCH * members] say of the truths asked onto the piles. */
function addAnswers(
  piles: Piles,
  coder: NetworkCoder,
  { members }: Readout,
  distribution: Distribution,
  galaxies: readonly { evidence: Evidence; covariates: Float64Array; asked: readonly number[] }[],
): void {
  const n = members.length;
  const errors = new Float64Array(distribution.rowCount);
  const known = galaxies.flatMap(({ evidence: { catalog, row, scale }, covariates, asked }, b) =>
    asked.flatMap((j) => {
      const place = members.indexOf(j);
      if (place < 0) return [];
      const at = row * coder.nField + j;
      const x = catalog.value[at];
      errors[b * n + place] = coder.encodeError(j, x, catalog.error[at], scale);
      const [low, high] = coder.limits(j);
      // noise may carry a value across its limits
      const limits = x < low || x > high ? NO_LIMITS : [low, high].map((end) => coder.encode(j, end, scale));
      return [{ j, at: b * n + place, v: coder.encode(j, x, scale), limits, covariates }];
    }),
  );
  const seen = distribution.widen((at) => errors[at]);
  for (const { j, at, v, limits, covariates } of known) {
    const { std } = distribution.moments(at);
    const whole = seen.moments(at);
    const far = (v - whole.mean) / (TAIL_WIDTH * whole.std);
    const log = seen.logDensity(at, v);
    const logTail = -0.5 * far * far - Math.log(TAIL_WIDTH * whole.std) - LOG_SQRT_2PI - log;
    if (!Number.isFinite(logTail)) continue; // beyond the ends of a histogram
    const pile = piles.of(coder.fields[j]);
    pile.covariates.push(...covariates.with(SPREAD, spreadOf(std)));
    pile.score.push(normalQuantile(seen.cdf(at, v)));
    pile.logTail.push(logTail);
    const [low, high] = limits;
    pile.low.push(normalQuantile(seen.cdf(at, low)));
    pile.high.push(normalQuantile(seen.cdf(at, high)));
    const [from, to] = limits.map((end) => (end - whole.mean) / (TAIL_WIDTH * whole.std));
    pile.inside.push(normalBetween(from, to));
    pile.under.push(normalBetween(from, far));
    pile.weight.push((std / whole.std) ** 2);
  }
}

/** A network, and rows that it was not trained on. */
export interface Witness {
  readonly network: Checkpoint;
  readonly sources: readonly RowSource[];
}

/** Asks a network about its rows, and puts what it answers onto the piles. */
async function askWitness(
  engine: Engine,
  { network, sources }: Witness,
  { questions, distorted, onProgress = () => {} }: RecalibrationOptions,
  piles: Piles,
): Promise<void> {
  const { config, templates } = network;
  const coder = coderOf(config, templates);
  const seed = `${config.training.seed}:recalibration`;
  const share = templates === undefined ? 0 : distorted;
  const order = questionsOf(sources, questions, createRng(seed));
  if (order.length === 0) return;
  const stores = new Map(sources.map(({ store }) => [store, distortedStore(store, coder.fields)]));
  const readouts = readoutsOf(config.model, coder).flatMap((family) => family.readouts);
  const compiled = await compileAnswers(engine, network, coder, readouts, BATCH);
  const size = stateSize(config.model, coder);
  const catalog = emptyCatalog(coder.fields, BATCH);

  const draw = (b: number, arrays: Arrays, [{ store, isCalibrated }, row]: readonly [RowSource, number], rng: Rng) => {
    const found = (rng.uniform() < share ? stores.get(store)! : store).at(row, rng);
    copyRow(found.catalog, found.row, catalog, b);
    const isContext = new Uint8Array(coder.nField);
    const isFull = rng.uniform() < config.subsets.fullShare;
    const window = drawContext(coder, catalog, b, config.subsets, isFull, rng, isContext);
    const scale = fillContext(arrays, b, coder, { catalog, row: b, isContext, window });
    arrays.isCalibrated.data[b] = isCalibrated ? 1 : 0;
    const evidence = { catalog, row: b, isContext, scale, window };
    return { evidence, asked: askedOf(coder, evidence, rng) };
  };
  try {
    for (let start = 0; start < order.length; start += BATCH) {
      const arrays = emptyArrays(contextSignature(BATCH, coder));
      const drawn = order
        .slice(start, start + BATCH)
        .map((one, b) => draw(b, arrays, one, createRng(`${seed}:${start + b}`)));
      const out = await compiled.run(arrays);
      const states = out.state.data as Float32Array;
      const galaxies = drawn.map((one, b) => {
        const covariates = new Float64Array(covariateNames.length);
        fillCovariates(coder, one.evidence, states.subarray(b * size, (b + 1) * size), covariates);
        return { ...one, covariates };
      });
      for (const readout of readouts) {
        const raw = out[readout.name].data as Float32Array;
        addAnswers(
          piles,
          coder,
          readout,
          headOf(readout.spec).read(raw, BATCH * readout.members.length, readout.spec),
          galaxies,
        );
      }
      onProgress(Math.min(start + BATCH, order.length), order.length);
    }
  } finally {
    await compiled.dispose();
  }
}

/**
 * Fits the recalibration of a network's answers to rows that it was not trained on: questions are drawn as in training, a
 * share of the galaxies distorted, every truth that is not given is asked. `witnesses`: networks that answer for it, where
 * each was not trained on other rows (cross-fitting); by default itself. A pure function of the checkpoints and the rows.
 * The rule of trust is fitted to the answers so recalibrated. Undefined where there are too few truths.
 */
export async function recalibrate(
  engine: Engine,
  checkpoint: Checkpoint,
  sources: readonly RowSource[],
  options: RecalibrationOptions,
  witnesses: readonly Witness[] = [{ network: checkpoint, sources }],
): Promise<Recalibration | undefined> {
  const piles = createPiles();
  const { questions } = options;
  for (const witness of witnesses) {
    await askWitness(engine, witness, { ...options, questions: Math.ceil(questions / witnesses.length) }, piles);
  }
  const fitted = piles.fit();
  const isEmpty = Object.keys(fitted.properties).length + Object.keys(fitted.bands).length === 0;
  if (isEmpty) return undefined;
  const recalibration = { caleidoVersion: version, ...fitted };
  const trust = await fitTrust(engine, { ...checkpoint, recalibration }, sources, questions);
  return { ...recalibration, ...(trust === undefined ? {} : { trust }) };
}
