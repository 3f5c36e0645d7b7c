/** What bands would see of a spectrum: its synthetic photometry, held against what is said or known of the bands. */
import { createPassband, parametricCurve, type Passband } from "../simulate/passband.ts";
import { quantile, sortFinite } from "../report/statistics.ts";
import type { Field } from "../survey/field.ts";
import { convertUnit } from "../survey/units.ts";
import { halfWidth } from "./spectrum-scores.ts";

/** A band that is covered by a spectrum. */
interface Covered {
  /** Column of its field. */
  readonly column: number;
  /** [n] Share of each pixel in the photon-weighted mean (Bessell & Murphy 2012, PASP 124, 140, eq. A11), before it is made to sum to 1. */
  readonly weight: Float64Array;
  /** int T lambda dlambda, what the weights of a spectrum without gaps sum to. */
  readonly photons: number;
  /** From the spectrum's unit to the band's. */
  readonly factor: number;
}

/** A band counts where this part of its photons falls on observed pixels; the mean is over those. */
const LEAST_COVERED = 0.9;

/** The bands of a survey that lie within a spectrum, through the survey's parametric passbands. */
export function coveredBands(fields: readonly Field[], unit: string, edges: Float64Array): Covered[] {
  return fields.flatMap((field, column): Covered[] => {
    if (field.band === undefined) return [];
    const conversion = convertUnit(unit, field.unit, field.band);
    if (conversion?.kind !== "factor") return [];
    const passband: Passband = createPassband(field.name, parametricCurve(field.band));
    const [from, to] = passband.curve.range;
    const weight = Float64Array.from({ length: edges.length - 1 }, (_, i) => {
      const middle = Math.sqrt(edges[i] * edges[i + 1]);
      return middle < from || middle > to
        ? 0
        : passband.curve.transmission(middle) * middle * (edges[i + 1] - edges[i]);
    });
    const { photons } = passband;
    const isCovered = weight.reduce((sum, one) => sum + one, 0) >= LEAST_COVERED * photons;
    return isCovered ? [{ column, weight, photons, factor: conversion.factor }] : [];
  });
}

/** Mean flux density and its error [the band's unit], of pixels with independent errors; undefined where too few are observed. */
export function syntheticFlux(
  { weight, photons, factor }: Covered,
  value: ArrayLike<number>,
  ivar: ArrayLike<number>,
): { readonly flux: number; readonly error: number } | undefined {
  let [total, sum, variance] = [0, 0, 0];
  for (let i = 0; i < weight.length; i++) {
    if (weight[i] === 0 || !(ivar[i] > 0)) continue;
    total += weight[i];
    sum += weight[i] * value[i];
    variance += (weight[i] * weight[i]) / ivar[i];
  }
  if (total < LEAST_COVERED * photons) return undefined;
  return { flux: (factor * sum) / total, error: (factor * Math.sqrt(variance)) / total };
}

/** How magnitudes of one band differ from another way to tell them. */
export interface Agreement {
  readonly galaxies: number;
  /** Median difference [mag]. */
  readonly offset: number;
  /** Half of the 84th minus the 16th percentile of the differences [mag]. */
  readonly scatter: number;
}

/** Differences of magnitudes m(flux) - m(reference) where both are positive. */
export function agreementOf(flux: readonly number[], reference: readonly number[]): Agreement | undefined {
  const off = flux.flatMap((f, i) => (f > 0 && reference[i] > 0 ? [-2.5 * Math.log10(f / reference[i])] : []));
  if (off.length === 0) return undefined;
  const sorted = sortFinite(off);
  return { galaxies: off.length, offset: quantile(sorted, 0.5), scatter: halfWidth(sorted) };
}
