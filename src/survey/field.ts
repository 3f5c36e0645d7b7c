/** What a galaxy is described by: one `Field` per measured or inferred quantity. */

import type { Counted } from "./imf.ts";

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
  /** Absorption bands of the air in the passband, Gaussian: centre and FWHM [Angstrom], depth (1 = black). */
  readonly notches?: readonly { readonly centre: number; readonly width: number; readonly depth: number }[];
  /** 5 sigma AB depth in the survey's aperture [mag]: one per tile of the survey or layer of the instrument, or one for all. */
  readonly depth: readonly number[];
  /** AB magnitude of Vega in this band: AB = Vega + this. Only where tables have Vega magnitudes. */
  readonly vegaAB?: number;
  /** 1 sigma zero-point error [mag], one per tile or layer, or one for all. */
  readonly zeroPointError: readonly number[];
  /** Name of the survey's instrument that observes it; none: photons are not counted, only the sky's noise is known. */
  readonly instrument?: string;
  /** FWHM of a point source [arcsec] and exposure [s], one per tile or layer, or one for all. */
  readonly seeing?: readonly number[];
  readonly exposure?: readonly number[];
}

/** What collects the photons of a band. */
export interface Instrument {
  readonly name: string;
  /** [cm2] */
  readonly area: number;
  /** Photo-electrons per photon on the area: one number, or [wavelength, efficiency] with rising wavelengths [Angstrom], linear between. */
  readonly efficiency: number | readonly (readonly [number, number])[];
  /** Of a band or layer that gives none [s]. */
  readonly exposure: number;
  /** Its catalogue lists what is this many sigma above the sky: the rest are non-detections. Without it all is measured. */
  readonly detectionLimit?: number;
  /** Parts of the sky with depths of their own and the shares they cover; where no layer is, nothing is observed. */
  readonly layers?: readonly { readonly name: string; readonly share: number; readonly exposure: number }[];
}

/** What every field has, whatever its kind. */
interface FieldBase {
  /** Number of the field in its vocabulary: given once, never given again, never a position in anything. */
  readonly id: number;
  /** Public name: the column name in every table. */
  readonly name: string;
  /** Unit of the values in a `Catalog`, e.g. `1e-19 erg/s/cm2/A`, `dex`, `mag`, `Gyr`, `Angstrom`, `` for pure numbers. */
  readonly unit: string;
  readonly description: string;
  /** Physically possible values, inclusive; values outside are a reading error. */
  readonly range: readonly [number, number];
  /** What networks of other surveys know it by, where that is not its name; null: they don't know it. */
  readonly sameAs?: string | null;
}

export const scalarKinds = ["flux", "log", "linear", "redshift", "ew"] as const;
export type ScalarKind = (typeof scalarKinds)[number];

/** One number with an error. */
export interface ScalarField extends FieldBase {
  readonly kind: ScalarKind;
  /** Present exactly when kind is "flux". */
  readonly band?: Band;
  /** Of an equivalent width: rest-frame wavelength of its line, in vacuum [Angstrom], where the survey says it. */
  readonly line?: number;
  /** A stellar mass or star formation rate: what it is depends on the initial mass function. */
  readonly counts?: Counted;
  /** A logarithm that grows by log10 a where the galaxy is a times as bright: a mass, a rate. */
  readonly isExtensive?: boolean;
}

/** One of a few classes; its value in a `Catalog` is the index of the class. */
export interface CategoryField extends FieldBase {
  readonly kind: "category";
  readonly classes: readonly string[];
  readonly band?: undefined;
}

/** Wavelengths of a spectrum's pixels: even in their logarithm, in vacuum. Pixel i is at from (to / from)^(i / (pixels - 1)). */
export interface SpectrumGrid {
  /** Centres of the first and of the last pixel [Angstrom, vacuum]. */
  readonly from: number;
  readonly to: number;
  readonly pixels: number;
}

/** One number, or [wavelength, value] with rising wavelengths [Angstrom, vacuum], linear between. */
export type WavelengthCurve = number | readonly (readonly [number, number])[];

/** Part of a spectrum that one camera takes: what it sees, and what a simulation has to know of it. */
export interface Arm {
  readonly name: string;
  /** [Angstrom, vacuum] */
  readonly from: number;
  readonly to: number;
  /** lambda / FWHM of a line that is narrower than the instrument resolves. */
  readonly resolution: number;
  /** Collecting area [cm2]. */
  readonly area?: number;
  /** Photo-electrons per photon on the area, fibre losses of a point source left out. */
  readonly throughput?: WavelengthCurve;
  /** Whole exposure [s], and in how many parts it is read out. */
  readonly exposure?: number;
  readonly reads?: number;
  /** [electrons] per detector pixel and part. */
  readonly readNoise?: number;
  /** [electrons/s] per detector pixel. */
  readonly dark?: number;
  /** Detector pixels along the FWHM of the resolution, and those added up across the trace. */
  readonly pixelsPerFwhm?: number;
  readonly pixelsAcross?: number;
  /** Diameter of the fibre (or width of the slit), and FWHM of a point source [arcsec]. */
  readonly fibre?: number;
  readonly seeing?: number;
  /** Continuum of the sky [AB mag/arcsec2]. */
  readonly sky?: WavelengthCurve;
  /** Strength of airglow lines: 1 is the mean dark sky, 0 none. */
  readonly skyLines?: number;
  /** Optical depth of the air's absorption bands over the built-in ones; 0: none. */
  readonly telluric?: number;
}

interface PixelField extends FieldBase {
  readonly band?: undefined;
}

/** Flux densities on a grid of wavelengths, in the observer's frame. */
export interface SpectrumField extends PixelField {
  readonly kind: "spectrum";
  /** [pixels] */
  readonly shape: readonly number[];
  readonly grid: SpectrumGrid;
  readonly arms?: readonly Arm[];
}

export interface ImageField extends PixelField {
  readonly kind: "image";
  /** [rows, columns] */
  readonly shape: readonly number[];
}

/** Many numbers on a grid of pixels: their place in a `Catalog` is `arrays`, its `state` says whether they are there. */
export type ArrayField = SpectrumField | ImageField;

export type Field = ScalarField | CategoryField | ArrayField;
export type FieldKind = Field["kind"];

/** That networks answer it: numbers and classes. Arrays of pixels are evidence alone. */
export const isAskable = (field: Field): field is ScalarField | CategoryField =>
  field.kind !== "spectrum" && field.kind !== "image";

/** A value's state. Missing is a state, never a number. */
export const State = { notObserved: 0, measured: 1, upperLimit: 2, nonDetection: 3 } as const;
export type State = (typeof State)[keyof typeof State];
