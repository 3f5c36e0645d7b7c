import { bumpProfile, calzetti, cardelli } from "./dust.ts";
import { GRID_SIZE, gridIndex, gridWavelength, LOG_STEP } from "./grid.ts";
import { igmTransmission } from "./igm.ts";
import { addLines, HALPHA_TO_HBETA, LINE_NAMES, lines } from "./lines.ts";
import { nebularContinuum } from "./nebular.ts";
import type { Galaxy } from "./population.ts";
import { AGE_EDGES, clipOldest, enrichedAbundances, formedMass, N_AGE, summarise } from "./sfh.ts";
import { createStellarModel, type StellarModel } from "./stars.ts";

/** Metallicity nodes of the templates [log10 Zsun]. */
export const METALLICITIES = [-2, -1.45, -1, -0.7, -0.45, -0.25, -0.1, 0.06, 0.23, 0.4] as const;

/**
 * Halpha luminosity of young stars per mass formed [erg/s/Msun] for the three youngest age bins: the rates of a constant
 * star formation, L(Halpha) = 10^41.27 erg/s per Msun/yr (Kennicutt & Evans 2012, ARA&A 50, 531), fade in 10 Myr.
 */
const YOUNG_HALPHA = [4.2e34, 2.8e34, 3.7e33] as const;
/** The same of old stars: 10^41 ionising photons/s/Msun (Cid Fernandes et al. 2011, MNRAS 413, 1687). */
const OLD_HALPHA = 1.37e29;
const FIRST_OLD_BIN = 6;

export const LYMAN_LIMIT_INDEX = Math.ceil(gridIndex(912));
export const LYMAN_ALPHA_INDEX = Math.ceil(gridIndex(1216));
export const IGM_STEP = 0.025;

/** Attenuation curves and extinction are computed at every STRIDEth grid point and linear in between (error < 1e-5). */
const STRIDE = 8;

export interface Templates {
  /** [nMetallicity][nAge] luminosity per wavelength of one Msun formed [erg/s/A], on the grid, up to the end that was asked for. */
  readonly spectra: readonly (readonly Float32Array[])[];
  /** At every STRIDEth grid point: Calzetti's curve, bump profile and ln(lambda / 5500 A). */
  readonly dust: Readonly<Record<"base" | "bump" | "lnLambda" | "gas", Float64Array>>;
  /** Continuum of a nebula with an Hbeta luminosity of 1 [1/Angstrom]; undefined where it is left out; as long as they. */
  readonly nebular: Float64Array | undefined;
  /** Transmission of the intergalactic medium blueward of Lyman alpha at z = i IGM_STEP. */
  readonly igm: readonly Float32Array[];
}

export interface TemplateParts {
  readonly stars?: StellarModel;
  readonly nebularContinuum?: boolean;
  /** Grid index from which no band needs the spectra; the whole grid by default. */
  readonly to?: number;
}

function nebularOnGrid(size: number): Float64Array {
  return Float64Array.from({ length: size }, (_, k) => nebularContinuum(gridWavelength(k)).total);
}

/** Mean spectra of the age bins at the metallicity nodes; attenuation, nebular and IGM tables. */
export function createTemplates(maxRedshift: number, parts: TemplateParts = {}): Templates {
  const model = parts.stars ?? createStellarModel();
  const size = Math.min(parts.to ?? GRID_SIZE, GRID_SIZE);
  const spectra = METALLICITIES.map(() => Array.from({ length: N_AGE }, () => new Float32Array(size)));
  for (let i = 0; i < N_AGE; i++) {
    const low = Math.max(AGE_EDGES[i], 0.001);
    const ratio = AGE_EDGES[i + 1] / low;
    // three ages, uniform in log age, weighted by the time they stand for
    const ages = [1 / 6, 3 / 6, 5 / 6].map((f) => low * ratio ** f);
    const total = ages.reduce((sum, age) => sum + age, 0);
    // by age first: a model has less to do for another metallicity of the same
    for (const age of ages) {
      METALLICITIES.forEach((metallicity, m) => {
        const ln = model.burst(age, metallicity);
        const mean = spectra[m][i];
        for (let k = LYMAN_LIMIT_INDEX; k < size; k++) mean[k] += (age / total) * Math.exp(ln[k]);
      });
    }
  }
  const igm = Array.from({ length: Math.ceil(maxRedshift / IGM_STEP) + 2 }, (_, i) =>
    Float32Array.from({ length: LYMAN_ALPHA_INDEX }, (_, k) =>
      igmTransmission(gridWavelength(k) * (1 + i * IGM_STEP), i * IGM_STEP),
    ),
  );
  const atStrides = (f: (wavelength: number) => number): Float64Array =>
    Float64Array.from({ length: Math.ceil(GRID_SIZE / STRIDE) + 1 }, (_, j) => f(gridWavelength(j * STRIDE)));
  return {
    spectra,
    dust: {
      base: atStrides(calzetti),
      bump: atStrides((lambda) => bumpProfile(lambda) / 4.05),
      lnLambda: atStrides((lambda) => Math.log(lambda / 5500)),
      gas: atStrides(cardelli),
    },
    nebular: parts.nebularContinuum === false ? undefined : nebularOnGrid(size),
    igm,
  };
}

export interface StellarMix {
  /** Mass formed per age bin of the templates [Msun] (`clipOldest`). [nAge] */
  readonly formed: Float64Array;
  /** Lower metallicity node of each age bin and the weight of the next one. [nAge] */
  readonly nodes: Uint8Array;
  readonly fractions: Float64Array;
  /** log10 of the mean metal abundance of all stars formed, weighted by mass [Zsun]: the label LOGZ. */
  readonly logZ: number;
  /** Mass-weighted age [Gyr] and mean star formation rate of the last 100 Myr [Msun/yr]. */
  readonly age: number;
  readonly rate: number;
}

const [POOREST, RICHEST] = [METALLICITIES[0], METALLICITIES[METALLICITIES.length - 1]];
/** Age bins whose light hardly depends on metallicity: they take the nearest node, which saves a template. */
const NEAREST_BINS = 9;

/** Nodes and fractions of abundances, kept within the range of the templates; and the mean of what they stand for. */
function placeMetallicities(
  formed: Float64Array,
  abundances: Float64Array,
): Pick<StellarMix, "nodes" | "fractions" | "logZ"> {
  const nodes = new Uint8Array(N_AGE);
  const fractions = new Float64Array(N_AGE);
  let [metals, mass] = [0, 0];
  for (let i = 0; i < N_AGE; i++) {
    if (formed[i] === 0) continue;
    const logZ = Math.min(Math.max(Math.log10(abundances[i]), POOREST), RICHEST);
    let node = 0;
    while (node < METALLICITIES.length - 2 && METALLICITIES[node + 1] <= logZ) node++;
    const step = METALLICITIES[node + 1] - METALLICITIES[node];
    const fraction = (logZ - METALLICITIES[node]) / step;
    nodes[i] = node;
    fractions[i] = i < NEAREST_BINS ? Math.round(fraction) : fraction;
    metals += formed[i] * 10 ** (METALLICITIES[node] + fractions[i] * step);
    mass += formed[i];
  }
  return { nodes, fractions, logZ: Math.log10(metals / mass) };
}

export function mixOf(galaxy: Galaxy): StellarMix {
  const formed = formedMass(galaxy.history);
  const { surviving, age, rate } = summarise(formed, galaxy.history.start);
  const scale = 10 ** galaxy.logMass / surviving;
  for (let i = 0; i < N_AGE; i++) formed[i] *= scale;
  clipOldest(formed, galaxy.history.start);
  const placed = placeMetallicities(formed, enrichedAbundances(formed, 10 ** galaxy.logZ, galaxy.enrichment));
  return { formed, ...placed, age, rate: (rate * scale) / 1e9 };
}

/** Work space that is reused from galaxy to galaxy. */
export interface Spectrum {
  /** Attenuated luminosity of stars and nebular continuum per rest wavelength [erg/s/A], valid from <= k < to. [GRID_SIZE] */
  readonly stars: Float64Array;
  /** Reddened line luminosities in the order of LINE_NAMES [erg/s]. */
  readonly lines: Float64Array;
  /** V-band attenuation of all starlight, of diffuse dust and birth clouds [mag]. */
  av: number;
  /** Velocity dispersion of the lines [km/s]. */
  sigmaLines: number;
  readonly scratch: Float64Array;
}

export function createSpectrum(): Spectrum {
  const [stars, lines, scratch] = [GRID_SIZE, LINE_NAMES.length, GRID_SIZE].map((size) => new Float64Array(size));
  return { stars, lines, av: 0, sigmaLines: 0, scratch };
}

function addFour(
  out: Float64Array,
  [a, b, c, d]: readonly Float32Array[],
  [wa, wb, wc, wd]: readonly number[],
  from: number,
  to: number,
): void {
  for (let k = from; k < to; k++) out[k] += wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
}

function addEight(
  out: Float64Array,
  [a, b, c, d, e, f, g, h]: readonly Float32Array[],
  [wa, wb, wc, wd, we, wf, wg, wh]: readonly number[],
  from: number,
  to: number,
): void {
  for (let k = from; k < to; k++) {
    out[k] += wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k] + (we * e[k] + wf * f[k] + wg * g[k] + wh * h[k]);
  }
}

/** Adds the stars of the age bins first <= i < last. */
function addStars(
  out: Float64Array,
  templates: Templates,
  mix: StellarMix,
  [first, last]: readonly [number, number],
  [from, to]: readonly [number, number],
): void {
  const spectra: Float32Array[] = [];
  const weights: number[] = [];
  for (let i = first; i < last; i++) {
    const [node, fraction] = [mix.nodes[i], mix.fractions[i]];
    for (const [at, share] of [
      [node, 1 - fraction],
      [node + 1, fraction],
    ] as const) {
      const weight = mix.formed[i] * share;
      if (weight === 0) continue;
      spectra.push(templates.spectra[at][i]);
      weights.push(weight);
    }
  }
  // eight at a time, the rest in fours: the sum is bound by memory traffic
  while (spectra.length % 4 !== 0) {
    spectra.push(spectra[0]);
    weights.push(0);
  }
  let t = 0;
  for (; t + 8 <= spectra.length; t += 8) addEight(out, spectra.slice(t, t + 8), weights.slice(t, t + 8), from, to);
  if (t < spectra.length) addFour(out, spectra.slice(t), weights.slice(t), from, to);
}

const PER_MAGNITUDE = -0.4 * Math.LN10;

function attenuateStars(out: Float64Array, templates: Templates, galaxy: Galaxy, from: number, to: number): void {
  const { base, bump, lnLambda } = templates.dust;
  const { avStars, attenuation } = galaxy;
  const first = Math.floor(from / STRIDE);
  // a power of lambda is a geometric series on the grid
  const ratio = Math.exp(attenuation.slope * STRIDE * LOG_STEP);
  let power = Math.exp(attenuation.slope * lnLambda[first]);
  const factor = (j: number): number =>
    Math.exp(PER_MAGNITUDE * avStars * (base[j] + attenuation.bump * bump[j]) * power);
  let next = factor(first);
  for (let j = first; j * STRIDE < to; j++) {
    const here = next;
    power *= ratio;
    next = factor(j + 1);
    const slope = (next - here) / STRIDE;
    const end = Math.min(to, (j + 1) * STRIDE);
    for (let k = Math.max(from, j * STRIDE); k < end; k++) out[k] *= here + slope * (k - j * STRIDE);
  }
}

/** Age bins still in their birth clouds: 10 Myr (Charlot & Fall 2000, ApJ 539, 718). */
const CLOUD_BINS = 3;
const VISUAL_INDEX = Math.round(gridIndex(5500));

/**
 * All stars, those in their clouds dimmed by what the gas has more than the diffuse dust. Returns how much that dims the
 * whole in V [mag].
 */
function addClouded(
  into: Spectrum,
  templates: Templates,
  galaxy: Galaxy,
  mix: StellarMix,
  range: readonly [number, number],
): number {
  const { stars: out } = into;
  const [from, to] = range;
  out.fill(0, from, to);
  addStars(out, templates, mix, [0, CLOUD_BINS], range);
  const bare = out[VISUAL_INDEX];
  const perK = PER_MAGNITUDE * (galaxy.avGas - galaxy.avStars);
  if (bare > 0 && perK < 0) {
    const { gas } = templates.dust;
    const factor = (j: number): number => Math.exp(perK * gas[j]);
    let next = factor(Math.floor(from / STRIDE));
    for (let j = Math.floor(from / STRIDE); j * STRIDE < to; j++) {
      const here = next;
      next = factor(j + 1);
      const slope = (next - here) / STRIDE;
      const end = Math.min(to, (j + 1) * STRIDE);
      for (let k = Math.max(from, j * STRIDE); k < end; k++) out[k] *= here + slope * (k - j * STRIDE);
    }
  }
  const lost = bare - out[VISUAL_INDEX];
  addStars(out, templates, mix, [CLOUD_BINS, N_AGE], range);
  return 2.5 * Math.log10(1 + lost / out[VISUAL_INDEX]);
}

/** Equivalent width of the cold gas's NaD per magnitude of A_V [Angstrom] (after Chen et al. 2010, AJ 140, 445). */
const SODIUM = 1;
const SODIUM_LINE = LINE_NAMES.indexOf("NaD5893");
const SODIUM_INDEX = Math.round(gridIndex(lines.NaD5893.wavelength));

/** Adds the nebular continuum of an intrinsic Hbeta luminosity, reddened as the lines are. */
function addNebular(
  out: Float64Array,
  templates: Templates,
  hbeta: number,
  av: number,
  from: number,
  to: number,
): void {
  const { nebular, dust } = templates;
  if (nebular === undefined) return;
  let next = hbeta * Math.exp(PER_MAGNITUDE * av * dust.gas[Math.floor(from / STRIDE)]);
  for (let j = Math.floor(from / STRIDE); j * STRIDE < to; j++) {
    const here = next;
    next = hbeta * Math.exp(PER_MAGNITUDE * av * dust.gas[j + 1]);
    const slope = (next - here) / STRIDE;
    const end = Math.min(to, (j + 1) * STRIDE);
    for (let k = Math.max(from, j * STRIDE); k < end; k++) out[k] += nebular[k] * (here + slope * (k - j * STRIDE));
  }
}

/** Largest second moment of one three-point pass: beyond 1/2 it would not be positive. */
const MOST_PER_PASS = 0.4;
const KM_S_PER_STEP = 299792.458 * LOG_STEP;

/** Half of a symmetric kernel on the grid whose variance is exactly that of `sigma` [km/s], for any sigma. */
export function broadeningKernel(sigma: number): number[] {
  const variance = (sigma / KM_S_PER_STEP) ** 2;
  const passes = Math.ceil(variance / MOST_PER_PASS);
  const side = variance / (2 * passes);
  let half = [1];
  for (let pass = 0; pass < passes; pass++) {
    const at = (k: number): number => half[Math.abs(k)] ?? 0;
    half = Array.from({ length: half.length + 1 }, (_, k) => side * (at(k - 1) + at(k + 1)) + (1 - 2 * side) * at(k));
  }
  // the wings of many passes hold nothing
  return half.filter((weight) => weight > 1e-6);
}

/** Convolves with the stars' velocity dispersion; within a kernel of the ends the spectrum stays as it is. */
function broaden(out: Float64Array, scratch: Float64Array, sigma: number, from: number, to: number): void {
  if (sigma === 0) return;
  const kernel = broadeningKernel(sigma);
  const width = kernel.length - 1;
  const sum = kernel.reduce((total, weight, i) => total + (i === 0 ? weight : 2 * weight), 0);
  scratch.set(out.subarray(from, to), from);
  const centre = kernel[0] / sum;
  for (let k = from + width; k < to - width; k++) out[k] = centre * scratch[k];
  for (let i = 1; i <= width; i++) {
    const weight = kernel[i] / sum;
    for (let k = from + width; k < to - width; k++) out[k] += weight * (scratch[k - i] + scratch[k + i]);
  }
}

/** Fills the spectrum of a galaxy between two grid indices, which must enclose the lines that are wanted. */
export function synthesise(
  into: Spectrum,
  templates: Templates,
  galaxy: Galaxy,
  mix: StellarMix,
  from: number,
  to: number,
): void {
  into.av = galaxy.avStars + addClouded(into, templates, galaxy, mix, [from, to]);
  broaden(into.stars, into.scratch, galaxy.sigmaStars, from, to);
  attenuateStars(into.stars, templates, galaxy, from, to);
  const { young, old, nucleus } = galaxy.gas;
  let oldMass = 0;
  for (let i = FIRST_OLD_BIN; i < N_AGE; i++) oldMass += mix.formed[i];
  const youngHalpha = young.strength * YOUNG_HALPHA.reduce((sum, value, i) => sum + value * mix.formed[i], 0);
  const nuclearHalpha = nucleus === undefined ? 0 : 10 ** (nucleus.strength + galaxy.logMass);
  into.lines.fill(0);
  into.lines[SODIUM_LINE] = -SODIUM * galaxy.avStars * into.stars[SODIUM_INDEX];
  addLines(into.lines, youngHalpha, young.gas, galaxy.avGas);
  addLines(into.lines, OLD_HALPHA * oldMass * old.strength, old.gas, galaxy.avGas);
  if (nucleus !== undefined) addLines(into.lines, nuclearHalpha, nucleus.gas, galaxy.avGas);
  // around old stars it would be a thousandth of their light
  addNebular(into.stars, templates, (youngHalpha + nuclearHalpha) / HALPHA_TO_HBETA, galaxy.avGas, from, to);
  into.sigmaLines = galaxy.sigmaGas;
}
