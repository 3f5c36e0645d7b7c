/** Star formation history: delayed tau, recent modulation, burst, truncation, as mass formed per bin of look-back time. */

/** Edges of the bins in look-back time [Gyr]. */
export const AGE_EDGES = [
  0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.55, 0.8, 1.2, 1.7, 2.4, 3.4, 4.8, 6.8, 9, 11, 13.5,
] as const;
export const N_AGE = AGE_EDGES.length - 1;
/** Bins younger than 100 Myr: the time over which the star formation rate is averaged. */
const RECENT_BINS = 6;
const RECENT_GYR = AGE_EDGES[RECENT_BINS];

export interface History {
  /** Time since the first stars [Gyr]. */
  readonly start: number;
  /** start / tau of the delayed-tau law t exp(-t / tau). */
  readonly startOverTau: number;
  /** Star formation of the last 100 Myr relative to the delayed-tau law. */
  readonly recentFactor: number;
  /** Look-back time from which star formation is multiplied by `truncation` [Gyr]; 0 for none. */
  readonly truncationTime: number;
  readonly truncation: number;
  /** Look-back time and duration [Gyr] and mass of a burst, as a fraction of the mass of the underlying law. */
  readonly burst: { readonly time: number; readonly duration: number; readonly fraction: number } | undefined;
}

/** Fraction of the mass that the delayed-tau law has formed by fraction f of its life. */
function formedBy(f: number, startOverTau: number): number {
  const x = Math.max(startOverTau, 1e-3);
  const integral = (y: number): number => 1 - (1 + y) * Math.exp(-y);
  return integral(x * f) / integral(x);
}

/**
 * start / tau for which the mean rate of the last 100 Myr, times `start`, over the mass formed is `target`
 * (0 ... 2; a constant rate gives 1, a rising one up to 2). Bisection.
 */
export function solveStartOverTau(target: number, start: number): number {
  const recent = Math.min(RECENT_GYR, start) / start;
  const rate = (x: number): number => (1 - formedBy(1 - recent, x)) / recent;
  let low = 1e-3;
  let high = 60;
  for (let i = 0; i < 28; i++) {
    const middle = (low + high) / 2;
    if (rate(middle) > target) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

const overlap = (low: number, high: number, from: number, to: number): number =>
  Math.max(0, Math.min(high, to) - Math.max(low, from)) / (high - low);

/** Mass formed per age bin, the underlying delayed-tau law being 1 in total. [N_AGE] */
export function formedMass(history: History): Float64Array {
  const { start, startOverTau, burst } = history;
  const formed = new Float64Array(N_AGE);
  for (let i = 0; i < N_AGE; i++) {
    const low = AGE_EDGES[i];
    const high = AGE_EDGES[i + 1];
    const [young, old] = [Math.min(low, start), Math.min(high, start)];
    let mass = formedBy(1 - young / start, startOverTau) - formedBy(1 - old / start, startOverTau);
    if (i < RECENT_BINS) mass *= history.recentFactor;
    mass *= 1 - (1 - history.truncation) * overlap(low, high, 0, history.truncationTime);
    formed[i] = mass;
    if (burst !== undefined) {
      const end = Math.max(0, burst.time - burst.duration);
      formed[i] += (burst.fraction * overlap(low, high, end, burst.time) * (high - low)) / (burst.time - end);
    }
  }
  return formed;
}

/**
 * The same masses for the light of age bins: stars of the bin in which the first ones formed are younger than its mean, and
 * some of their mass is counted to the bin before (linear in log age). Otherwise distant galaxies would have stars older
 * than the universe. Changes `formed`.
 */
export function clipOldest(formed: Float64Array, start: number): void {
  const i = AGE_EDGES.findIndex((low, k) => k < N_AGE && low < start && AGE_EDGES[k + 1] > start);
  if (i < 2) return;
  const [before, low, high] = [AGE_EDGES[i - 1], AGE_EDGES[i], AGE_EDGES[i + 1]];
  // geometric means: of the bin before, of this one, and of its part that has stars
  const own = Math.log(Math.sqrt(low * start) / Math.sqrt(before * low)) / Math.log(Math.sqrt(high / before));
  formed[i - 1] += (1 - own) * formed[i];
  formed[i] *= own;
}

/** Mass that Kroupa's (2001) stars return, relative to Chabrier's: the same massive stars in 1.06 times the mass. */
const RETURNED = 1 / 1.06;

/**
 * Fraction of the formed mass still in stars and remnants, Kroupa's initial mass function as in the spectra (Behroozi,
 * Wechsler & Conroy 2013, ApJ 770, 57, eq. 14, which is for Chabrier's).
 */
export function survivingFraction(ageGyr: number): number {
  return 1 - 0.05 * RETURNED * Math.log1p(ageGyr / 0.0014);
}

/**
 * Metal abundance of each age bin for a given mean, weighted by mass formed: it grows linearly with the mass formed
 * before, from (1 - enrichment) to (1 + enrichment) times the mean. The mean is exact for any history, because the
 * mass-weighted mean of the cumulative fraction is 1/2. [N_AGE]
 */
export function enrichedAbundances(formed: Float64Array, mean: number, enrichment: number): Float64Array {
  let total = 0;
  for (let i = 0; i < N_AGE; i++) total += formed[i];
  const abundances = new Float64Array(N_AGE);
  let before = 0;
  for (let i = N_AGE - 1; i >= 0; i--) {
    const middle = (before + formed[i] / 2) / total;
    abundances[i] = mean * (1 + enrichment * (2 * middle - 1));
    before += formed[i];
  }
  return abundances;
}

export interface HistorySummary {
  /** Surviving stellar mass per unit of `formed`. */
  readonly surviving: number;
  /** Mass-weighted age [Gyr]. */
  readonly age: number;
  /** Mean star formation rate of the last 100 Myr, per Gyr, in units of `formed`. */
  readonly rate: number;
}

export function summarise(formed: Float64Array, start: number): HistorySummary {
  let total = 0;
  let surviving = 0;
  let aged = 0;
  let recent = 0;
  for (let i = 0; i < N_AGE; i++) {
    const age = (AGE_EDGES[i] + Math.min(AGE_EDGES[i + 1], Math.max(start, AGE_EDGES[i]))) / 2;
    total += formed[i];
    surviving += formed[i] * survivingFraction(age);
    aged += formed[i] * age;
    if (i < RECENT_BINS) recent += formed[i];
  }
  return { surviving, age: aged / total, rate: recent / RECENT_GYR };
}
