import type { Distribution } from "../model/distribution.ts";
import { covariateNames } from "../model/recalibration.ts";
import type { Rng } from "../random.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import { MOST_CHAIN_GALAXIES, MOST_LANES, type States } from "./network.ts";
import { deriveFrom } from "./derived.ts";
import { withinLimits } from "./field-answer.ts";
import { drawTogether } from "./light-draws.ts";
import { type AskOptions, type Predictor, questionOf, readRaw, withoutWanted } from "./predict.ts";

/** Levels stay this far from 0 and 1. */
const LEVEL_EDGE = 1e-9;

/** Joint draws for some galaxies. */
export interface JointSamples {
  /** [row, draw, field] in encoded space, fields in the order asked. */
  readonly encoded: Float32Array;
  /** [row, draw, field] in the fields' units. */
  readonly values: Float64Array;
}

/** Draws of one galaxy that go through the network together. */
interface Piece {
  /** Place among the rows asked, first draw and number of draws. */
  readonly place: number;
  readonly from: number;
  readonly count: number;
}

/** Divides the draws of all galaxies into chains of bounded size; a galaxy's draws stay together where they fit. */
function chainsOf(rowCount: number, draws: number): Piece[][] {
  const chains: Piece[][] = [];
  let chain: Piece[] = [];
  let lanes = 0;
  for (let place = 0; place < rowCount; place++) {
    for (let from = 0; from < draws; from += MOST_LANES) {
      const count = Math.min(MOST_LANES, draws - from);
      if (lanes + count > MOST_LANES || chain.length === MOST_CHAIN_GALAXIES) {
        chains.push(chain);
        [chain, lanes] = [[], 0];
      }
      chain.push({ place, from, count });
      lanes += count;
    }
  }
  return chain.length === 0 ? chains : [...chains, chain];
}

/** The states of a chain's galaxies, piece after piece. */
function statesOf({ state, scales, rowCount }: States, chain: readonly Piece[]): States {
  const size = state.length / rowCount;
  const own = new Float32Array(chain.length * size);
  chain.forEach(({ place }, i) => own.set(state.subarray(place * size, (place + 1) * size), i * size));
  return { rowCount: chain.length, state: own, scales: Float64Array.from(chain, ({ place }) => scales[place]) };
}

/**
 * Samples p(a, b, c, ... | given) by the chain rule with the autoregressive objective: field t is drawn given the context
 * and the draws of the fields before it. Ratios and classes must come from these, never from marginals.
 * `rngOf` gives each row its own stream, so that a galaxy's draws don't depend on what else is asked. `onRows` is told
 * how many rows have their draws.
 */
export async function sampleJoint(
  predictor: Predictor,
  catalog: Catalog,
  rows: ArrayLike<number>,
  isGiven: Uint8Array,
  wanted: readonly number[],
  draws: number,
  rngOf: (row: number) => Rng,
  onRows: (done: number) => void = () => {},
): Promise<JointSamples> {
  const { network, coder, prior } = predictor;
  const n = wanted.length;
  // another prior's field comes first: the rest given its draws is what it was
  const order = prior === undefined ? wanted : [prior.field, ...wanted.filter((j) => j !== prior.field)];
  const encoded = new Float32Array(rows.length * draws * n);
  const values = new Float64Array(rows.length * draws * n);
  const given = withoutWanted(isGiven, order);
  const states = await network.encode(catalog, rows, given);
  const moverOf = createMovers(predictor, predictor.recalibrator?.covariates(catalog, rows, given, states));
  const rngs = Array.from(rows, rngOf);
  for (const pieces of chainsOf(rows.length, draws)) {
    const own = statesOf(states, pieces);
    const marginals = await network.read(own, order);
    const galaxy = Int32Array.from(pieces.flatMap(({ count }, i) => Array.from({ length: count }, () => i)));
    await network.chain(own, galaxy, order.length, async ({ ask, lanes }) => {
      let before: { field: number; value: Float32Array } | undefined;
      for (const [t, field] of order.entries()) {
        const { family, raw } = marginals[t];
        const width = raw.length / own.rowCount;
        const marginal = new Float32Array(lanes * width);
        galaxy.forEach((g, lane) => marginal.set(raw.subarray(g * width, (g + 1) * width), lane * width));
        const answer = await ask({ field, marginal, ...(before === undefined ? {} : { before }) });
        const scaleOf = (lane: number): number => own.scales[galaxy[lane]];
        const isSwapped = prior !== undefined && t === 0;
        const distribution = isSwapped
          ? withinLimits(coder, field, prior.apply(readRaw(family, raw)), () => 0)
          : withinLimits(coder, field, readRaw(family, answer), scaleOf);
        const [low, high] = coder.limits(field);
        const move = moverOf(field, readRaw(family, raw), own.scales, pieces);
        const value = new Float32Array(lanes);
        const w = wanted.indexOf(field);
        let lane = 0;
        for (const [piece, { place, from, count }] of pieces.entries()) {
          for (let i = 0; i < count; i++, lane++) {
            const v = distribution.sample(isSwapped ? piece : lane, rngs[place]);
            value[lane] = v;
            if (w < 0) continue;
            const at = (place * draws + from + i) * n + w;
            encoded[at] = move === undefined ? v : move(galaxy[lane], v);
            values[at] = Math.min(high, Math.max(low, coder.decode(field, encoded[at], scaleOf(lane))));
          }
        }
        before = { field, value };
      }
    });
    onRows(pieces[pieces.length - 1].place + 1);
  }
  return { encoded, values };
}

/** Moves a draw of one of a chain's galaxies. */
type Mover = (galaxy: number, v: number) => number;

/**
 * What gives draws of a field the recalibrated marginal and leaves them their ranks, so that joint draws keep what the network
 * knows of the fields together: v goes to the quantile of the recalibrated marginal at the plain one's cdf of v. The chain
 * itself goes on from v. Undefined where the marginal stays as it is.
 */
function createMovers({ coder, recalibrator }: Predictor, covariates: Float64Array | undefined) {
  return (field: number, plain: Distribution, scales: Float64Array, pieces: readonly Piece[]): Mover | undefined => {
    if (recalibrator === undefined || covariates === undefined) return undefined;
    const n = covariateNames.length;
    const own = new Float64Array(pieces.length * n);
    pieces.forEach(({ place }, g) => own.set(covariates.subarray(place * n, (place + 1) * n), g * n));
    const moved = recalibrator.apply(field, plain, own);
    if (moved === plain) return undefined;
    const [from, to] = [plain, moved].map((one) => withinLimits(coder, field, one, (g) => scales[g]));
    const [level, out] = [new Float64Array(1), new Float64Array(1)];
    return (g, v) => {
      level[0] = Math.min(1 - LEVEL_EDGE, Math.max(LEVEL_EDGE, from.cdf(g, v)));
      to.quantiles(g, level, out);
      return out[0];
    };
  };
}

export interface DrawOptions extends AskOptions {
  /** Draws per galaxy. */
  readonly draws: number;
  /** Default `1`. A galaxy's draws depend on the seed and on its id. */
  readonly seed?: string;
}

/**
 * Joint draws by field name, [rowCount * draws] in the fields' units, a galaxy's draws side by side, and of what follows from
 * them: `const s = await drawJoint(predictor, catalog, { given: "bands", want: "z,BPT,N2 = log NII6584_EW/HALPHA_EW",
 * draws: 200 }); s.N2[i * 200 + d]` is draw d of galaxy i's ratio, `s.BPT[i * 200 + d]` the index of its class.
 * @throws UserError for unknown fields, a catalogue of other fields.
 */
export async function drawJoint(
  predictor: Predictor,
  catalog: Catalog,
  options: DrawOptions,
): Promise<Readonly<Record<string, Float64Array>>> {
  const { draws, seed = "1" } = options;
  const { wish, isGiven } = questionOf(predictor.coder, catalog, options);
  const { together: own, wanted, derived } = wish;
  const drawn = await drawTogether(
    { quantities: derived, own, catalog, isGiven, draws, seed },
    async (columns, rngOf) =>
      (await sampleJoint(predictor, catalog, allRows(catalog), isGiven, columns, draws, rngOf)).values,
  );
  const { together, values } = drawn;
  const n = together.length;
  const column = (j: number): Float64Array =>
    Float64Array.from({ length: catalog.rowCount * draws }, (_, i) => values[i * n + together.indexOf(j)]);
  return Object.fromEntries([
    ...wanted.map((j) => [predictor.coder.fields[j].name, column(j)] as const),
    ...derived.map((quantity) => [quantity.name, deriveFrom(quantity, drawn)] as const),
  ]);
}
