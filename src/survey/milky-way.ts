/** Extinction by the dust of the Milky Way, A(lambda) / A(V): what simulations put in front and reading takes away. */

import type { Band } from "./field.ts";

const horner = (c: readonly number[], x: number): number => c.reduceRight((sum, value) => sum * x + value, 0);

/** a(x) and b(x), x in 1/micron, of A(lambda) / A(V) = a + b / R_V (Cardelli, Clayton & Mathis 1989, eqs. 2 - 5). */
function cardelliTerms(x: number): readonly [number, number] {
  if (x < 1.1) return [0.574 * x ** 1.61, -0.527 * x ** 1.61];
  if (x < 3.3) {
    const y = x - 1.82;
    return [
      horner([1, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.7753, 0.32999], y),
      horner([0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.3026, -2.09002], y),
    ];
  }
  if (x < 8) {
    const far = Math.max(0, x - 5.9);
    return [
      1.752 - 0.316 * x - 0.104 / ((x - 4.67) ** 2 + 0.341) - 0.04473 * far ** 2 - 0.009779 * far ** 3,
      -3.09 + 1.825 * x + 1.206 / ((x - 4.62) ** 2 + 0.263) + 0.213 * far ** 2 + 0.1207 * far ** 3,
    ];
  }
  const y = x - 8;
  return [horner([-1.073, -0.628, 0.137, -0.07], y), horner([13.67, 4.257, -0.42, 0.374], y)];
}

/** R_V of the diffuse Milky Way: A(V) = R_V E(B-V). */
export const MILKY_WAY_RV = 3.1;

/** Milky Way extinction from the far ultraviolet (1000 A) to the infrared (ibid., R_V = 3.1). */
export function cardelli(wavelength: number): number {
  const [a, b] = cardelliTerms(1e4 / Math.max(wavelength, 1000));
  return a + b / MILKY_WAY_RV;
}

/** Points across a band, and steps of A(V) up to the largest that is tabulated [mag]. */
const NODES = 48;
const STEP = 0.1;
const LARGEST = 10;

/**
 * Extinction of a band [mag] as a function of A(V) [mag]: of a flat f_lambda source, photons counted, through straight
 * edges with the band's half-peak wavelengths and rises. So it bends where a broad band reddens within itself.
 */
export function bandExtinction({ edges, rise }: Pick<Band, "edges" | "rise">): (av: number) => number {
  const ramps = rise.map((width) => width / 0.8); // 10 - 90 % of a straight edge
  const [low, high] = [Math.max(edges[0] - ramps[0] / 2, edges[0] / 2), edges[1] + ramps[1] / 2];
  const passed = (distance: number, ramp: number): number => Math.min(1, Math.max(0, distance / ramp + 0.5));
  const nodes = Array.from({ length: NODES }, (_, i) => {
    const lambda = low + ((i + 0.5) / NODES) * (high - low);
    const weight = lambda * passed(lambda - edges[0], ramps[0]) * passed(edges[1] - lambda, ramps[1]);
    return { k: cardelli(lambda), weight };
  });
  const sum = nodes.reduce((total, { weight }) => total + weight, 0);
  const exact = (av: number): number =>
    -2.5 * Math.log10(nodes.reduce((total, { k, weight }) => total + weight * 10 ** (-0.4 * av * k), 0) / sum);
  // A / A(V) changes slowly: between steps a straight line is good to 1e-5.
  const ratios = Float64Array.from({ length: LARGEST / STEP }, (_, i) => exact((i + 0.5) * STEP) / ((i + 0.5) * STEP));
  return (av) => {
    const at = Math.min(ratios.length - 1, Math.max(0, av / STEP - 0.5));
    const i = Math.min(ratios.length - 2, Math.floor(at));
    return av * (ratios[i] + (at - i) * (ratios[i + 1] - ratios[i]));
  };
}
