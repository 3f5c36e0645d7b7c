import { cardelli, MILKY_WAY_RV } from "./dust.ts";
import { gridLog } from "./grid.ts";
import type { Passband } from "./passband.ts";

/** Milky Way dust in front of galaxies whose spectra are not at hand. */
export interface Extinction {
  /**
   * Multiplies noise-free fluxes [nBand] by what dust of E(B-V) `ebv` [mag] leaves of them inside the bands (Cardelli,
   * Clayton & Mathis 1989, R_V = 3.1); NaN stays. The spectrum within a wide band is told from the fluxes around it.
   */
  dim(fluxes: Float64Array, ebv: number): void;
  /** The same backwards as a catalogue does it: a factor for each band, at its pivot. */
  correct(fluxes: Float64Array, ebv: number): void;
}

/** A band whose edges have this ratio or less is one point of the spectrum; a wider one is a sum over nodes. */
const NARROW = 1.06;
const NODES = 12;
/** A wide band with as many others inside is no point of the spectrum: they tell more. */
const MANY_INSIDE = 3;
/** Stands for a flux that is none, relative to the brightest: spectra are interpolated in their logarithm. */
const FAINTEST = 1e-6;
/** Largest power of wavelength that a spectrum is continued with beyond the bluest and the reddest point. */
const STEEPEST = 4;

const PER_MAG = 0.4 * Math.LN10;

/** Nodes of a band that hold the same part of its photons: mean ln(wavelength) and A(lambda) / E(B-V) of each. */
interface Nodes {
  readonly logs: Float64Array;
  readonly extinctions: Float64Array;
}

function nodesOf({ first, weights }: Passband, count: number): Nodes {
  const logs = new Float64Array(count);
  const extinctions = new Float64Array(count);
  let passed = 0;
  weights.forEach((weight, k) => {
    const log = gridLog(first + k);
    const extinction = MILKY_WAY_RV * cardelli(Math.exp(log));
    // a grid point may lie across the border of two nodes
    for (let left = weight; left > 0;) {
      const node = Math.min(count - 1, Math.floor(passed * count + 1e-9));
      const room = node === count - 1 ? left : Math.min(left, (node + 1) / count - passed);
      logs[node] += room * count * log;
      extinctions[node] += room * count * extinction;
      passed += room;
      left = left - room < 1e-15 ? 0 : left - room;
    }
  });
  return { logs, extinctions };
}

/** Bands that are points of the spectrum, from blue to red: their numbers. */
function pointsOf(passbands: readonly Passband[], isNarrow: readonly boolean[]): number[] {
  const isPoint = (band: Passband, j: number): boolean => {
    const [low, high] = [band.first, band.first + band.weights.length].map(gridLog);
    const inside = passbands.filter((one, i) => i !== j && Math.log(one.pivot) > low && Math.log(one.pivot) < high);
    return isNarrow[j] || inside.length < MANY_INSIDE;
  };
  return passbands
    .flatMap((band, j) => (isPoint(band, j) ? [j] : []))
    .sort((a, b) => passbands[a].pivot - passbands[b].pivot);
}

/** `edges`: half-transmission wavelengths of the passbands. */
export function createExtinction(
  passbands: readonly Passband[],
  edges: readonly (readonly [number, number])[],
): Extinction {
  const isNarrow = edges.map(([blue, red]) => red / blue < NARROW);
  const nodes = passbands.map((band, j) => nodesOf(band, isNarrow[j] ? 1 : NODES));
  const points = pointsOf(passbands, isNarrow);
  const atPivot = passbands.map(({ pivot }) => MILKY_WAY_RV * cardelli(pivot));
  const place = Float64Array.from(points, (j) => Math.log(passbands[j].pivot));
  // the interval of points in which each node lies
  const intervals = nodes.map(({ logs }) =>
    Array.from(logs, (log) =>
      Math.max(
        0,
        Math.min(
          points.length - 2,
          place.findLastIndex((one) => one <= log),
        ),
      ),
    ),
  );
  const known = new Float64Array(points.length);
  const spectrum = (log: number, i: number): number => {
    if (points.length < 2) return 1;
    const step = place[i + 1] - place[i];
    let slope = (known[i + 1] - known[i]) / step;
    const isOutside = log < place[i] || log > place[i + 1];
    if (isOutside) slope = Math.max(-STEEPEST, Math.min(STEEPEST, slope));
    const from = log > place[i + 1] ? i + 1 : i;
    return Math.exp(known[from] + slope * (log - place[from]));
  };
  return {
    dim(fluxes, ebv) {
      if (ebv === 0) return;
      let brightest = 0;
      for (const flux of fluxes) if (flux > brightest) brightest = flux;
      // a band without a flux is like its bluer neighbour, or the first one that has a flux
      let last = fluxes[points.find((j) => !Number.isNaN(fluxes[j])) ?? 0];
      points.forEach((j, i) => {
        if (!Number.isNaN(fluxes[j])) last = fluxes[j];
        known[i] = Math.log(last > FAINTEST * brightest ? last : FAINTEST * brightest || 1);
      });
      for (let j = 0; j < nodes.length; j++) {
        const { logs, extinctions } = nodes[j];
        let [sum, left] = [0, 0];
        for (let k = 0; k < logs.length; k++) {
          const here = logs.length === 1 ? 1 : spectrum(logs[k], intervals[j][k]);
          sum += here;
          left += here * Math.exp(-PER_MAG * ebv * extinctions[k]);
        }
        fluxes[j] *= left / sum;
      }
    },
    correct(fluxes, ebv) {
      for (let j = 0; j < fluxes.length; j++) fluxes[j] *= Math.exp(PER_MAG * ebv * atPivot[j]);
    },
  };
}
