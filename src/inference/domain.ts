/** How a target differs from the simulations that a network learned from: in its galaxies, or in its instrument. */
import { type Catalog, allRows } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { flagsOf } from "../survey/field-list.ts";
import { quantile, sortFinite } from "../report/statistics.ts";
import type { Sides } from "./domain-sides.ts";
import type { Network } from "./network.ts";
import { principalComponents } from "./principal.ts";
import { readRaw } from "./raw.ts";
import { bandFolds } from "./surprise.ts";
import { type Told, toldApart } from "./told-apart.ts";

/** A number and its 1 sigma error. */
export interface Measured {
  readonly value: number;
  readonly error: number;
}

/** One band of the target beside the same of the simulations, whose scatter about what their other bands expect is known. */
export interface BandOffset {
  readonly name: string;
  /** Rows of the target that should have it five times above their error. */
  readonly rows: number;
  /** [mag] The target's magnitudes less what its other bands expect, medians, less the same of the simulations. */
  readonly offset: Measured;
  /** Medians of fluxes, and of their errors: the target's over the simulations'. */
  readonly fluxRatio: number;
  readonly errorRatio: number;
}

/** What a network sees of the two. */
export interface DomainView {
  /** Rows of each. */
  readonly rows: number;
  /** Areas under the ROC curves of classifiers that are told of colours and brightness; of residuals alone; of the network's state. */
  readonly photometry: Told;
  readonly residuals: Told;
  readonly state: Told;
  readonly bands: readonly BandOffset[];
  /** [mag] What the bands' offsets scatter by beyond their errors. */
  readonly offsetRms: number;
  /** [2 rows, 2] The simulations' states, then the target's, along the two components with most variance, and their shares of it. */
  readonly map: { readonly scores: Float64Array; readonly share: Float64Array };
  /** [2 rows] ln of the brightness. */
  readonly brightness: Float64Array;
}

/** A network, and what it multiplies fluxes by (ln) [band]: zero-points that it has learned. */
export interface Viewer {
  readonly network: Pick<Network, "coder" | "encode" | "read" | "latentSize">;
  readonly lnFlux?: ArrayLike<number>;
}

/** Bands are hidden in so many turns: the neighbours of each are seen. */
const FOLDS = 2;
/** An expected flux this many times the error has a magnitude; an observed one that is less than a part of it has that of the part. */
const [BRIGHT, FAINTEST] = [5, 0.01] as const;
/** Residuals beyond say no more [sigma]. */
const FARTHEST = 6;
/** Components of the state that the classifier is told of: what is in them is told, however they are mixed. */
const [DIRECTIONS, ITERATIONS] = [12, 25] as const;
/** Fewer rows than this have no median worth telling. */
const FEWEST = 15;

/** What one side looks like, row by row; band by band in the order of the vocabulary. */
interface Seen {
  /** [rows, band] (observed - expected from the other bands) / sigma, 0 where there is none. */
  readonly residual: Float32Array;
  /** [rows, band] The same in magnitudes; NaN where there is none. */
  readonly magnitude: Float64Array;
  /** [rows, band + 1] Encoded fluxes and brightness. */
  readonly photometry: Float32Array;
  /** [rows, latent] */
  readonly state: Float32Array;
  readonly brightness: Float64Array;
}

async function look({ network, lnFlux }: Viewer, catalog: Catalog, isGiven: Uint8Array): Promise<Seen> {
  const { coder, latentSize } = network;
  const rows = allRows(catalog);
  const bands = Array.from(coder.groups.band);
  const width = bands.length;
  const factor = bands.map((_, b) => Math.exp(lnFlux?.[b] ?? 0));
  const residual = new Float32Array(rows.length * width);
  const magnitude = new Float64Array(rows.length * width).fill(Number.NaN);
  const given = bands.filter((j) => isGiven[j] === 1);
  for (const { hidden, seen } of bandFolds(coder.fields, given, FOLDS)) {
    const states = await network.encode(catalog, rows, flagsOf(seen, coder.nField));
    for (const { field, family, raw } of await network.read(states, hidden)) {
      const b = bands.indexOf(field);
      const answer = readRaw(family, raw);
      for (const row of rows) {
        const at = row * coder.nField + field;
        const scale = states.scales[row];
        if (catalog.state[at] === State.notObserved || scale === 0) continue;
        const [flux, error] = [catalog.value[at] * factor[b], catalog.error[at] * factor[b]];
        const { mean, std } = answer.moments(row);
        const sigma = Math.hypot(std, coder.encodeError(field, flux, error, scale));
        const away = (coder.encode(field, flux, scale) - mean) / sigma;
        residual[row * width + b] = Math.max(-FARTHEST, Math.min(FARTHEST, away));
        const expected = coder.decode(field, mean, scale);
        // chosen by what is expected: those chosen by what was observed would be too bright
        if (expected > BRIGHT * error) {
          magnitude[row * width + b] = -2.5 * Math.log10(Math.max(flux / expected, FAINTEST));
        }
      }
    }
  }
  const whole = await network.encode(catalog, rows, isGiven);
  const stride = whole.state.length / rows.length;
  const state = new Float32Array(rows.length * latentSize);
  const photometry = new Float32Array(rows.length * (width + 1));
  for (const row of rows) {
    state.set(whole.state.subarray(row * stride, row * stride + latentSize), row * latentSize);
    photometry[row * (width + 1) + width] = coder.encodeScale(whole.scales[row]);
    bands.forEach((j, b) => {
      const at = row * coder.nField + j;
      if (catalog.state[at] === State.notObserved || whole.scales[row] === 0) return;
      photometry[row * (width + 1) + b] = coder.encode(j, catalog.value[at] * factor[b], whole.scales[row]);
    });
  }
  return { residual, magnitude, photometry, state, brightness: whole.scales.map(Math.log) };
}

/** The median of the finite ones, with its error. */
function medianOf(values: ArrayLike<number>): Measured & { count: number } {
  const sorted = sortFinite(values);
  if (sorted.length === 0) return { value: Number.NaN, error: Number.NaN, count: 0 };
  const value = quantile(sorted, 0.5);
  const spread = quantile(sortFinite(Array.from(sorted, (x) => Math.abs(x - value))), 0.5);
  // sigma = 1.4826 MAD; the median of n Gaussians errs by sqrt(pi / 2 n) sigma
  return { value, error: 1.4826 * spread * Math.sqrt(Math.PI / 2 / sorted.length), count: sorted.length };
}

function bandOffset(
  field: Field,
  [j, b, width]: readonly [number, number, number],
  { source, target }: Sides,
  [ours, theirs]: readonly [Seen, Seen],
): BandOffset {
  const column = (of: Float64Array): Float64Array =>
    Float64Array.from({ length: source.rowCount }, (_, row) => of[row * width + b]);
  const [a, c] = [medianOf(column(ours.magnitude)), medianOf(column(theirs.magnitude))];
  const isKnown = Math.min(a.count, c.count) >= FEWEST;
  const ratio = (of: "value" | "error"): number => {
    const n = source.fields.length;
    const median = (catalog: Catalog): number => {
      const rows = Array.from(allRows(catalog)).filter((row) => catalog.state[row * n + j] !== State.notObserved);
      return medianOf(rows.map((row) => catalog[of][row * n + j])).value;
    };
    return median(target) / median(source);
  };
  return {
    name: field.name,
    rows: c.count,
    offset: isKnown
      ? { value: c.value - a.value, error: Math.hypot(a.error, c.error) }
      : { value: Number.NaN, error: Number.NaN },
    fluxRatio: ratio("value"),
    errorRatio: ratio("error"),
  };
}

/** Models are no better than this [mag]: bands of smaller errors weigh the same. */
const MODEL_ERROR = 0.01;

/** What offsets scatter by beyond their errors: the root of the weighted mean square, less what errors alone would make. */
export function excessRms(offsets: readonly Measured[]): number {
  let [square, weights] = [0, 0];
  for (const { value, error } of offsets) {
    if (!Number.isFinite(value)) continue;
    const weight = 1 / (error * error + MODEL_ERROR * MODEL_ERROR);
    square += weight * (value * value - error * error);
    weights += weight;
  }
  return weights === 0 ? 0 : Math.sqrt(Math.max(0, square) / weights);
}

/** Both sides as networks see them: the source as simulated, the target with its zero-points applied. */
export async function viewDomain(source: Viewer, target: Viewer, sides: Sides): Promise<DomainView> {
  const { coder, latentSize } = source.network;
  const ours = await look(source, sides.source, sides.isGiven);
  const theirs = await look(target, sides.target, sides.isGiven);
  const bands = Array.from(coder.groups.band);
  const width = bands.length;
  const rows = sides.source.rowCount;
  const joined = Float32Array.from([...ours.state, ...theirs.state]);
  const count = Math.min(DIRECTIONS, latentSize);
  const { scores, share } = principalComponents(joined, 2 * rows, latentSize, count, ITERATIONS);
  const apart = (a: Float32Array, b: Float32Array): Told => toldApart(a, b, a.length / rows, sides.group);
  const offsets = bands.flatMap((j, b) =>
    sides.isGiven[j] === 1 ? [bandOffset(coder.fields[j], [j, b, width], sides, [ours, theirs])] : [],
  );
  const half = rows * count;
  return {
    rows,
    photometry: apart(ours.photometry, theirs.photometry),
    residuals: apart(ours.residual, theirs.residual),
    state: apart(Float32Array.from(scores.subarray(0, half)), Float32Array.from(scores.subarray(half))),
    bands: offsets,
    offsetRms: excessRms(offsets.map(({ offset }) => offset)),
    map: { scores: scores.filter((_, i) => i % count < 2), share: share.slice(0, 2) },
    brightness: Float64Array.from([...ours.brightness, ...theirs.brightness]),
  };
}
