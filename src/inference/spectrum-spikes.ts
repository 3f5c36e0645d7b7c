/** What a spectrum may hold that is no light of the object: cosmic rays, residuals of the sky's lines. */
import type { Features } from "./spectrum-continuum.ts";

/** Pixels over which a spike is looked for, to either side, and those that go with it. */
const [REACH, WIDTH] = [2, 4];
/** Spikes are looked at from this many sigma on, the strongest so many. */
const [LEAST, MOST] = [6, 2];
/** Probability that a spectrum holds one, and the flux density that it may have in a pixel, in sigma: even over so many. */
const [CHANCE, SPAN] = [0.05, 40];

/** A spectrum as it is if some of its pixels are none of the object's. */
export interface Reading {
  readonly spectrum: Features;
  /** ln of the probability that it is so, and of what the pixels left out hold, beside the others' Gaussians. */
  readonly logChance: number;
}

/** Middles of the strongest narrow features, up or down, no two of which share a pixel. */
function spikesOf({ value, weight }: Features): number[] {
  const n = value.length;
  const strength = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let [sum, total] = [0, 0];
    for (let k = Math.max(0, i - REACH); k <= Math.min(n - 1, i + REACH); k++) {
      sum += value[k] * weight[k];
      total += weight[k];
    }
    strength[i] = total > 0 ? Math.abs(sum) / Math.sqrt(total) : 0;
  }
  const spikes: number[] = [];
  while (spikes.length < MOST) {
    const top = strength.reduce((best, x, i) => (x > strength[best] ? i : best), 0);
    if (!(strength[top] >= LEAST)) break;
    spikes.push(top);
    strength.fill(0, Math.max(0, top - 2 * WIDTH), top + 2 * WIDTH + 1);
  }
  return spikes;
}

/**
 * Ways to read a spectrum: as it is, and without each of its strongest spikes, alone and together. A line that is one is missed by
 * the templates everywhere else, a cosmic ray fits at a wrong redshift better than all lines at the right one: which it is,
 * the likelihoods decide.
 */
export function readingsOf(spectrum: Features): Reading[] {
  const spikes = spikesOf(spectrum);
  const perPixel = Math.log(Math.sqrt(2 * Math.PI) / SPAN);
  return Array.from({ length: 1 << spikes.length }, (_, chosen): Reading => {
    const weight = spectrum.weight.slice();
    let logChance = 0;
    spikes.forEach((at, s) => {
      const isOut = (chosen >> s) % 2 === 1;
      logChance += Math.log(isOut ? CHANCE : 1 - CHANCE);
      if (!isOut) return;
      for (let i = Math.max(0, at - WIDTH); i <= Math.min(weight.length - 1, at + WIDTH); i++) {
        if (weight[i] > 0) logChance += perPixel;
        weight[i] = 0;
      }
    });
    return { spectrum: chosen === 0 ? spectrum : { value: spectrum.value, weight }, logChance };
  });
}
