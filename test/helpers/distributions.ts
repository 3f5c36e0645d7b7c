import type { Curve, Distribution } from "../../src/model/distribution.ts";
import { histogramDistribution } from "../../src/model/histogram.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";

export const redshift: Curve = { shape: "exp", factor: 1, rate: 0.2, shift: 0.3, offset: -1 };
export const width: Curve = { shape: "sinh", factor: 4, rate: 0.8, shift: 0.4, offset: 0 };
export const dex: Curve = { shape: "linear", factor: 1, rate: 0.7, shift: 10, offset: 0 };

export const gaussian = (mean: number, sigma: number): Distribution =>
  mixtureDistribution({
    rowCount: 1,
    componentCount: 1,
    stride: 1,
    weight: Float64Array.of(1),
    mean: Float64Array.of(mean),
    sigma: Float64Array.of(sigma),
  });
/** Two rows: overlapping components, and separate ones of very different widths. */
export const mixture = mixtureDistribution({
  rowCount: 2,
  componentCount: 3,
  stride: 3,
  weight: Float64Array.of(0.5, 0.3, 0.2, 0.3, 0.6, 0.1),
  mean: Float64Array.of(0, 0.7, -0.4, -2, 1, 1.2),
  sigma: Float64Array.of(0.5, 0.3, 0.9, 0.05, 0.4, 1),
});
export const edges = Float64Array.of(-3, -2, -1, -0.5, 0, 0.25, 0.5, 1, 2, 3.5);
export const histogram = histogramDistribution({
  rowCount: 1,
  edges,
  probability: Float64Array.of(0.02, 0.05, 0.1, 0.2, 0.25, 0.18, 0.1, 0.06, 0.04),
});
