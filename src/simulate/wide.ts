import type { Rng } from "../random.ts";

/**
 * What the wide population draws flatter than nature does, with the range of its standard normal deviate there: uniform
 * between these. Dust and metals reach further to the side that nature has less of.
 */
const reach = {
  start: [-3, 3],
  rate: [-3.5, 3.5],
  quenching: [-3, 3.5],
  dust: [-2, 4],
  metals: [-6, 1.5],
  oxygen: [-3.5, 3.5],
  ionisation: [-3, 3],
  lines: [-3, 3],
} as const satisfies Record<string, readonly [number, number]>;

export type WideName = keyof typeof reach;

/** Density of the wide population relative to nature's, of what has been drawn of one galaxy so far. */
export interface Widening {
  /** Which of the two this galaxy is drawn from. */
  readonly isWide: boolean;
  /** ln of the ratio; -Infinity where only nature goes. */
  logRatio: number;
}

/** A stream of random numbers; with `wide`, `deviate` and `chance` draw from it flatter than nature, and keep account. */
export interface Draws extends Rng {
  readonly wide?: Widening;
}

const LN_NORMAL = 0.5 * Math.log(2 * Math.PI);

/** A standard normal deviate, or one that is uniform over the reach of `name`. */
export function deviate(draws: Draws, name: WideName): number {
  const { wide } = draws;
  if (wide === undefined) return draws.normal();
  const [low, high] = reach[name];
  const x = wide.isWide ? low + (high - low) * draws.uniform() : draws.normal();
  wide.logRatio += x < low || x > high ? -Infinity : LN_NORMAL + x ** 2 / 2 - Math.log(high - low);
  return x;
}

/** True with probability `p`; in the wide population with 1/4 + p/2: rare kinds are not rare there. */
export function chance(draws: Draws, p: number): boolean {
  const { wide } = draws;
  if (wide === undefined) return draws.uniform() < p;
  const q = p > 0 && p < 1 ? 0.25 + 0.5 * p : p;
  const isTrue = draws.uniform() < (wide.isWide ? q : p);
  wide.logRatio += Math.log(isTrue ? q / p : (1 - q) / (1 - p));
  return isTrue;
}

/** Part of the selected rows that are nature's: no weight exceeds its inverse, and no effective sample is smaller. */
const NATURAL = 0.2;

/** Nature and the wide population in one: who draws a galaxy, and what it then stands for. */
export interface Mixture {
  /** Begins a galaxy. */
  begin(rng: Rng): Draws & { readonly wide: Widening };
  /** Density of nature over that of the mixture, in the mean 1 over what is selected. */
  weight(drawn: Widening): number;
}

/**
 * Defensive mixture (Owen & Zhou 2000, JASA 95, 135): every galaxy is nature's with a probability that makes `NATURAL` of the
 * selected ones so, and the selection is the same for both, so that weights are exact up to a constant.
 * `selected`: fractions of draws that the selection keeps, of nature's and of wide ones.
 */
export function createMixture(selected: { readonly natural: number; readonly wide: number }): Mixture {
  const odds = (NATURAL / (1 - NATURAL)) * (selected.wide / selected.natural);
  const share = odds / (1 + odds);
  const mean = share + ((1 - share) * selected.wide) / selected.natural;
  return {
    begin: (rng) => ({ ...rng, wide: { isWide: rng.uniform() >= share, logRatio: 0 } }),
    weight: ({ logRatio }) => mean / (share + (1 - share) * Math.exp(logRatio)),
  };
}
