/** Redshifts of spectra by templates learned from clean simulated ones: what spectroscopic surveys do, as a baseline. */
import type { Distribution } from "../model/distribution.ts";
import { UserError } from "../errors.ts";
import type { Rng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type SpectrumField, State } from "../survey/field.ts";
import { spectrumFeatures } from "./spectrum-continuum.ts";
import { mixtureOfPeaks, type Peak, peaksOf } from "./spectrum-peaks.ts";
import { type Basis, createScanner, type Scan } from "./spectrum-redshift.ts";
import { learnTemplates, type RestSpectra, type Templates } from "./spectrum-templates.ts";

/** What templates can be told. */
export interface TemplateOptions {
  /** Directions about the mean, for each class of object. */
  readonly directions: number;
  /** More spectra of a class than this teach no more. */
  readonly mostSpectra: number;
  /** The continuum is a running line over this much of ln(wavelength) to either side. */
  readonly halfWidth: number;
  /** Error of every pixel over the continuum, beside its own: simulated spectra are not real ones. */
  readonly floor: number;
  /** Error of every redshift [pixels], beside its own: wavelengths, lines that are none of the templates'. */
  readonly shift: number;
}

const USUAL: TemplateOptions = { directions: 10, mostSpectra: 1500, halfWidth: 0.05, floor: 0.02, shift: 0.5 };

/** A class with fewer spectra has no templates. */
const FEWEST_SPECTRA = 50;
/** Terms of the polynomial that the continuum is off by, and 1 sigma of their coefficients over the continuum. */
const [TERMS, DRIFT] = [3, 0.05];
/** The mean's coefficient is 1 within this: lines are weaker or stronger together. */
const MEAN_SIGMA = 0.5;
/** Share of the probability that the templates are wrong altogether. */
const TAIL_SHARE = 0.05;

/** Rows of a catalogue with one of its spectra. */
export interface Spectra {
  readonly catalog: Catalog;
  readonly rows: Int32Array;
  readonly field: SpectrumField;
}

/** What a spectrum's scan tells. */
export interface TemplateRedshift {
  /** [lags] ln of the posterior density of z at `redshift`, all classes together, but for a constant. */
  readonly logPosterior: Float64Array;
  /** By class: chi2 and likelihood at every redshift. */
  readonly scans: ReadonlyMap<string, Scan>;
  /** Of the posterior, the most probable first. */
  readonly peaks: readonly Peak[];
  /** Least chi2 over the pixels observed. */
  readonly reducedChi2: number;
}

/** Templates that were learned. */
export interface TemplateFitter {
  /** [lags] Redshifts of the grid: even in ln(1 + z), a pixel of the spectra apart. */
  readonly redshift: Float64Array;
  readonly classes: readonly string[];
  /** Undefined for a spectrum with no observed pixel. Both [pixels] of the field's grid. */
  fit(this: void, flux: ArrayLike<number>, ivar: ArrayLike<number>): TemplateRedshift | undefined;
  /** Distributions of z of some rows. */
  predict(spectra: Spectra): Distribution;
}

/** Grid of redshifts: lag s is ln(1 + z) = first + s step. */
interface Lags {
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

/** Pixels of one row. */
function pixelsAt({ catalog, field }: Spectra, row: number) {
  const column = catalog.arrays?.get(field.name);
  if (column === undefined) throw new Error(`templates: the table has no pixels of ${field.name}`);
  const [from, to] = [row * column.width, (row + 1) * column.width];
  return { flux: column.value.subarray(from, to), ivar: column.ivar.subarray(from, to) };
}

/** Clean spectra over their continuum, in the rest frame of the templates. */
function restSpectra(spectra: Spectra, redshift: (row: number) => number, lags: Lags, halfWidth: number): RestSpectra {
  const { pixels } = spectra.field.grid;
  const half = Math.round(halfWidth / lags.step);
  const certain = new Float64Array(pixels).fill(1);
  return {
    pixels: pixels + lags.count - 1,
    rows: Array.from(spectra.rows, (row) => {
      const { value } = spectrumFeatures(pixelsAt(spectra, row).flux, certain, half, 0);
      return { first: lags.count - 1 - (Math.log1p(redshift(row)) - lags.first) / lags.step, value };
    }),
  };
}

/** Legendre polynomials over the spectrum. [terms][pixels] */
function legendre(terms: number, pixels: number): Float64Array[] {
  const all: Float64Array[] = [];
  for (let d = 0; d < terms; d++) {
    all.push(
      Float64Array.from({ length: pixels }, (_, i) => {
        const x = (2 * i) / (pixels - 1) - 1;
        return d === 0 ? 1 : d === 1 ? x : ((2 * d - 1) * x * all[d - 1][i] - (d - 1) * all[d - 2][i]) / d;
      }),
    );
  }
  return all;
}

function basisOf({ mean, directions }: Templates, pixels: number): Basis {
  const fixed = legendre(TERMS, pixels);
  return {
    shifted: [mean, ...directions],
    fixed,
    mean: [1, ...directions.map(() => 0), ...fixed.map(() => 0)],
    sigma: [MEAN_SIGMA, ...directions.map(() => 1), ...fixed.map(() => DRIFT)],
  };
}

/** Rows by class; all together where classes are not known. */
function byClass({ catalog, rows }: Spectra): Map<string, number[]> {
  const j = catalog.fields.findIndex(({ name }) => name === "CLASS");
  const field = catalog.fields[j];
  const groups = new Map<string, number[]>();
  for (const row of rows) {
    const at = row * catalog.fields.length + j;
    const isKnown = field?.kind === "category" && catalog.state[at] === State.measured;
    const name = isKnown ? field.classes[catalog.value[at]] : "any";
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [row]);
    else group.push(row);
  }
  return groups;
}

/** Evenly spaced ones, at most `most`. */
const thin = (rows: readonly number[], most: number): Int32Array =>
  Int32Array.from(
    { length: Math.min(rows.length, most) },
    (_, i) => rows[Math.floor((i * rows.length) / Math.min(rows.length, most))],
  );

/** Redshifts from the least to the largest of a class, a pixel apart. */
function lagsOf({ grid }: SpectrumField, redshifts: readonly number[]): Lags {
  const step = Math.log(grid.to / grid.from) / (grid.pixels - 1);
  const [low, high] = redshifts.reduce(([a, b], z) => [Math.min(a, z), Math.max(b, z)], [Infinity, -Infinity]);
  const first = Math.log1p(low);
  return { first, step, count: Math.max(2, Math.ceil((Math.log1p(high) - first) / step) + 1) };
}

/** Least chi2 of some scans. */
function leastOf(scans: Iterable<Scan>): number {
  let least = Infinity;
  for (const { chi2 } of scans) for (const x of chi2) least = Math.min(least, x);
  return least;
}

/** ln of a sum of exponentials, place by place. */
function logSum(all: readonly Float64Array[]): Float64Array {
  return all[0].map((_, i) => {
    const top = all.reduce((most, one) => Math.max(most, one[i]), -Infinity);
    return top + Math.log(all.reduce((sum, one) => sum + Math.exp(one[i] - top), 0));
  });
}

/**
 * Learns templates from clean spectra of known redshift, class by class, and fits others with them. Likelihoods are those of the
 * features over the continuum; where the best fit is worse than the errors say, or better, they are scaled by its chi2 per pixel. The
 * prior is even in z over the redshifts of the training rows, and in class.
 * @param redshift Column of the redshift.
 * @throws UserError where no class has spectra enough.
 */
export function fitTemplates(
  spectra: Spectra,
  redshift: number,
  rng: Rng,
  options: Partial<TemplateOptions> = {},
): TemplateFitter {
  const { directions, mostSpectra, halfWidth, floor, shift } = { ...USUAL, ...options };
  const { catalog, field } = spectra;
  const zOf = (row: number): number => catalog.value[row * catalog.fields.length + redshift];
  const known = Array.from(byClass(spectra)).filter(([, rows]) => rows.length >= FEWEST_SPECTRA);
  if (known.length === 0)
    throw new UserError(`templates: expected ${FEWEST_SPECTRA} clean spectra of a class with redshifts, or more`);
  const lags = lagsOf(
    field,
    known.flatMap(([, rows]) => rows.map(zOf)),
  );
  const { pixels } = field.grid;
  const scanners = known.map(([name, rows]) => {
    const rest = restSpectra({ ...spectra, rows: thin(rows, mostSpectra) }, zOf, lags, halfWidth);
    const basis = basisOf(learnTemplates(rest, directions, rng), pixels);
    return { name, scan: createScanner(basis, pixels, lags.count) };
  });
  const z = Float64Array.from({ length: lags.count }, (_, s) => Math.expm1(lags.first + s * lags.step));
  const half = Math.round(halfWidth / lags.step);
  const fit = (flux: ArrayLike<number>, ivar: ArrayLike<number>): TemplateRedshift | undefined => {
    const features = spectrumFeatures(flux, ivar, half, floor);
    const seen = features.weight.reduce((count, w) => count + (w > 0 ? 1 : 0), 0);
    if (seen === 0) return undefined;
    const scans = new Map(scanners.map(({ name, scan }) => [name, scan(features)]));
    const reducedChi2 = leastOf(scans.values()) / seen;
    const logPosterior = logSum(
      Array.from(scans.values(), ({ logLikelihood }) => logLikelihood.map((x) => x / reducedChi2)),
    );
    const found = peaksOf(logPosterior, (place) => Math.expm1(lags.first + place * lags.step));
    const peaks = found.map((peak) => ({
      ...peak,
      std: Math.hypot(peak.std, shift * lags.step * (1 + peak.mean)),
    }));
    return { logPosterior, scans, peaks, reducedChi2 };
  };
  const [low, high] = [z[0], z[z.length - 1]];
  const tail = { share: TAIL_SHARE, mean: (low + high) / 2, std: (high - low) / 2 };
  return {
    redshift: z,
    classes: known.map(([name]) => name),
    fit,
    predict: (asked) =>
      mixtureOfPeaks(
        Array.from(asked.rows, (row) => {
          const { flux, ivar } = pixelsAt(asked, row);
          return fit(flux, ivar)?.peaks ?? [];
        }),
        tail,
      ),
  };
}
