/** What a galaxy is described by: one `Field` per measured or inferred quantity. */

export type FieldKind = "flux" | "log" | "linear" | "redshift" | "ew";

/** A passband, parametric: real curves are read by `simulate` where the user has them. */
export interface Band {
  /** narrow, broad, uv, infrared, ...: used by structured context draws (`only blue`, `only broad`, `uv missing`). */
  readonly group: string;
  /** Pivot wavelength [Angstrom]. */
  readonly pivot: number;
  /** Half-peak wavelengths [Angstrom]: blue, red. */
  readonly edges: readonly [number, number];
  /** 10 - 90 % rise widths of the two edges [Angstrom]. */
  readonly rise: readonly [number, number];
  /** 5 sigma AB depth of every tile of the survey, in the survey's aperture [mag]. */
  readonly depth: readonly number[];
  /** AB magnitude of Vega in this band: AB = Vega + this. Only where tables have Vega magnitudes. */
  readonly vegaAB?: number;
  /** 1 sigma zero-point error of one tile [mag]. */
  readonly zeroPointError: number;
}

export interface Field {
  /** Public name: the column name in every table. */
  readonly name: string;
  readonly kind: FieldKind;
  /** Unit of the values in a `Catalog`, e.g. `1e-19 erg/s/cm2/A`, `dex`, `mag`, `Gyr`, `Angstrom`, `` for pure numbers. */
  readonly unit: string;
  readonly description: string;
  /** Present exactly when kind is "flux". */
  readonly band?: Band;
  /** Physically possible values, inclusive; values outside are a reading error. */
  readonly range: readonly [number, number];
}

/** A value's state. Missing is a state, never a number. */
export const State = { notObserved: 0, measured: 1, upperLimit: 2, nonDetection: 3 } as const;
export type State = (typeof State)[keyof typeof State];
