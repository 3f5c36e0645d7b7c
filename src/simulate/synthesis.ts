import { luminosityArea } from "./cosmology.ts";
import { calzetti } from "./dust.ts";
import { GRID_SIZE, gridIndex, gridWavelength, LOG_STEP, onGrid } from "./grid.ts";
import { igmTransmission } from "./igm.ts";
import { addLines, ewLabels, LINE_NAMES, lines } from "./lines.ts";
import { FLUX_UNIT, lineDensity, type Passband } from "./passband.ts";
import type { Galaxy } from "./population.ts";
import { AGE_EDGES, formedMass, N_AGE, summarise } from "./sfh.ts";
import { createStellarModel } from "./stars.ts";

/** Metallicity nodes of the templates [log10 Zsun]. */
const METALLICITIES = [-1, -0.7, -0.45, -0.25, -0.1, 0.06, 0.23, 0.4] as const;

/**
 * Halpha luminosity of young stars per mass formed [erg/s/Msun] for the three youngest age bins: the rates of a constant
 * star formation, L(Halpha) = 10^41.27 erg/s per Msun/yr (Kennicutt & Evans 2012, ARA&A 50, 531), fade in 10 Myr.
 */
const YOUNG_HALPHA = [4.2e34, 2.8e34, 3.7e33] as const;
/** The same of old stars: 10^41 ionising photons/s/Msun (Cid Fernandes et al. 2011, MNRAS 413, 1687). */
const OLD_HALPHA = 1.37e29;
const FIRST_OLD_BIN = 6;

const LYMAN_LIMIT_INDEX = Math.ceil(gridIndex(912));
const LYMAN_ALPHA_INDEX = Math.ceil(gridIndex(1216));
const IGM_STEP = 0.025;

export interface Templates {
  /** [nMetallicity][nAge] luminosity per wavelength of one Msun formed [erg/s/A], on the grid. */
  readonly spectra: readonly (readonly Float32Array[])[];
  readonly attenuation: Float64Array;
  /** Transmission of the intergalactic medium blueward of Lyman alpha at z = i IGM_STEP. */
  readonly igm: readonly Float32Array[];
}

/** Mean spectra of the age bins at the metallicity nodes, attenuation and IGM tables. */
export function createTemplates(maxRedshift: number): Templates {
  const model = createStellarModel();
  const spectra = METALLICITIES.map((metallicity) =>
    Array.from({ length: N_AGE }, (_, i) => {
      const low = Math.max(AGE_EDGES[i], 0.001);
      const ratio = AGE_EDGES[i + 1] / low;
      const mean = new Float32Array(GRID_SIZE);
      // three ages, uniform in log age, weighted by the time they stand for
      const ages = [1 / 6, 3 / 6, 5 / 6].map((f) => low * ratio ** f);
      const total = ages.reduce((sum, age) => sum + age, 0);
      for (const age of ages) {
        const ln = model.burst(age, metallicity);
        for (let k = LYMAN_LIMIT_INDEX; k < GRID_SIZE; k++) mean[k] += (age / total) * Math.exp(ln[k]);
      }
      return mean;
    }),
  );
  const igm = Array.from({ length: Math.ceil(maxRedshift / IGM_STEP) + 2 }, (_, i) =>
    Float32Array.from({ length: LYMAN_ALPHA_INDEX }, (_, k) =>
      igmTransmission(gridWavelength(k) * (1 + i * IGM_STEP), i * IGM_STEP),
    ),
  );
  return { spectra, attenuation: onGrid(calzetti), igm };
}

export interface StellarMix {
  /** Mass formed per age bin [Msun]. [nAge] */
  readonly formed: Float64Array;
  /** Lower metallicity node and the weight of the next one. */
  readonly node: number;
  readonly fraction: number;
  /** Mass-weighted age [Gyr] and mean star formation rate of the last 100 Myr [Msun/yr]. */
  readonly age: number;
  readonly rate: number;
}

export function mixOf(galaxy: Galaxy): StellarMix {
  const formed = formedMass(galaxy.history);
  const { surviving, age, rate } = summarise(formed, galaxy.history.start);
  const scale = 10 ** galaxy.logMass / surviving;
  for (let i = 0; i < N_AGE; i++) formed[i] *= scale;
  let node = 0;
  while (node < METALLICITIES.length - 2 && METALLICITIES[node + 1] <= galaxy.logZ) node++;
  const fraction = (galaxy.logZ - METALLICITIES[node]) / (METALLICITIES[node + 1] - METALLICITIES[node]);
  return { formed, node, fraction, age, rate: (rate * scale) / 1e9 };
}

/** Work space that is reused from galaxy to galaxy. */
export interface Spectrum {
  /** Attenuated stellar luminosity per rest wavelength [erg/s/A], valid for indices from <= k < to. [GRID_SIZE] */
  readonly stars: Float64Array;
  /** Reddened line luminosities in the order of LINE_NAMES [erg/s]. */
  readonly lines: Float64Array;
}

export function createSpectrum(): Spectrum {
  return { stars: new Float64Array(GRID_SIZE), lines: new Float64Array(LINE_NAMES.length) };
}

function addStars(out: Float64Array, templates: Templates, mix: StellarMix, from: number, to: number): void {
  out.fill(0, from, to);
  const spectra: Float32Array[] = [];
  const weights: number[] = [];
  for (let i = 0; i < N_AGE; i++) {
    for (const [node, share] of [
      [mix.node, 1 - mix.fraction],
      [mix.node + 1, mix.fraction],
    ] as const) {
      const weight = mix.formed[i] * share;
      if (weight === 0) continue;
      spectra.push(templates.spectra[node][i]);
      weights.push(weight);
    }
  }
  // eight at a time: the sum is bound by memory traffic
  while (spectra.length % 8 !== 0) {
    spectra.push(spectra[0]);
    weights.push(0);
  }
  for (let t = 0; t < spectra.length; t += 8) {
    const [a, b, c, d, e, f, g, h] = spectra.slice(t, t + 8);
    const [wa, wb, wc, wd, we, wf, wg, wh] = weights.slice(t, t + 8);
    for (let k = from; k < to; k++) {
      out[k] += wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k] + (we * e[k] + wf * f[k] + wg * g[k] + wh * h[k]);
    }
  }
}

/** Multiplies by 10^(-0.4 A_V k(lambda)), exact at every eighth grid point and linear in between (error < 1e-5). */
function attenuate(out: Float64Array, curve: Float64Array, av: number, from: number, to: number): void {
  const stride = 8;
  const factor = (k: number): number => Math.exp(-0.4 * Math.LN10 * av * curve[Math.min(k, GRID_SIZE - 1)]);
  let next = factor(from);
  for (let k = from; k < to; k += stride) {
    const here = next;
    next = factor(k + stride);
    const slope = (next - here) / stride;
    const end = Math.min(k + stride, to);
    for (let i = k; i < end; i++) out[i] *= here + slope * (i - k);
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
  addStars(into.stars, templates, mix, from, to);
  attenuate(into.stars, templates.attenuation, galaxy.avStars, from, to);
  const { young, old, nucleus } = galaxy.gas;
  let oldMass = 0;
  for (let i = FIRST_OLD_BIN; i < N_AGE; i++) oldMass += mix.formed[i];
  const youngHalpha = YOUNG_HALPHA.reduce((sum, value, i) => sum + value * mix.formed[i], 0);
  into.lines.fill(0);
  addLines(into.lines, youngHalpha * young.strength, young.gas, galaxy.avGas);
  addLines(into.lines, OLD_HALPHA * oldMass * old.strength, old.gas, 0.5 * galaxy.avGas);
  if (nucleus !== undefined) addLines(into.lines, 10 ** (nucleus.strength + galaxy.logMass), nucleus.gas, galaxy.avGas);
}

/** Side bands of the continuum at a line, distance from its centre [Angstrom, rest]. */
const SIDE_BANDS = [30, 60] as const;

/** Mean continuum of two side bands, so that stellar absorption at the line is kept apart [unit of `stars`]. */
export function continuumAt(stars: Float64Array, wavelength: number): number {
  let sum = 0;
  let weight = 0;
  for (const side of [-1, 1]) {
    const ends = SIDE_BANDS.map((offset) => gridIndex(wavelength + side * offset)).sort((a, b) => a - b);
    for (let k = Math.ceil(ends[0]); k <= ends[1]; k++) {
      sum += stars[k];
      weight += 1;
    }
  }
  return sum / weight;
}

/** Rest-frame equivalent widths [Angstrom], emission positive, in the order of `ewLabels`. */
export function equivalentWidths(spectrum: Spectrum): number[] {
  return widthLines.map(({ members, centre }) => {
    const flux = members.reduce((sum, i) => sum + spectrum.lines[i], 0);
    return flux / continuumAt(spectrum.stars, centre);
  });
}

const widthLines = Object.values(ewLabels).map((names) => ({
  members: names.map((name) => LINE_NAMES.indexOf(name)),
  centre: names.reduce((sum, name) => sum + lines[name].wavelength, 0) / names.length,
}));

export interface Photometer {
  /** Noise-free mean flux densities [1e-19 erg/s/cm2/A] of a galaxy of redshift z. [nBand] */
  fluxes(spectrum: Spectrum, z: number): Float64Array;
  /** Grid indices needed at redshift z: [from, to). */
  extent(z: number): readonly [number, number];
}

const lineIndices = LINE_NAMES.map((name) => gridIndex(lines[name].wavelength));

/** Rest-frame wavelengths that equivalent widths need [Angstrom]. */
const LABEL_RANGE = [3600, 6700] as const;

export function createPhotometer(bands: readonly Passband[], templates: Templates): Photometer {
  const first = Math.min(...bands.map((band) => band.first));
  const last = Math.max(...bands.map((band) => band.first + band.weights.length));
  const observed = new Float64Array(last - first + 1);
  const extent = (z: number): readonly [number, number] => {
    const shift = Math.log1p(z) / LOG_STEP;
    return [
      Math.max(LYMAN_LIMIT_INDEX, Math.min(Math.floor(first - shift) - 2, Math.floor(gridIndex(LABEL_RANGE[0])))),
      Math.min(GRID_SIZE, Math.max(Math.ceil(last - shift) + 2, Math.ceil(gridIndex(LABEL_RANGE[1])))),
    ];
  };
  return {
    extent,
    fluxes(spectrum, z) {
      const shift = Math.log1p(z) / LOG_STEP;
      const whole = Math.floor(shift);
      const part = shift - whole;
      const [from, to] = extent(z);
      const { stars } = spectrum;
      const row = Math.floor(z / IGM_STEP);
      const [near, far] = [templates.igm[row], templates.igm[row + 1]];
      const f = z / IGM_STEP - row;
      for (let k = from; k < LYMAN_ALPHA_INDEX; k++) stars[k] *= near[k] + f * (far[k] - near[k]);
      // observed[j] is the rest spectrum at grid index j + first - shift, linear between grid points
      observed.fill(0);
      const low = Math.max(0, from + whole + 1 - first);
      const high = Math.min(observed.length, to + whole - first);
      for (let j = low; j < high; j++) {
        const k = j + first - whole;
        observed[j] = (1 - part) * stars[k] + part * stars[k - 1];
      }
      const scale = 1 / (luminosityArea(z) * FLUX_UNIT);
      return Float64Array.from(bands, (band) => {
        const offset = band.first - first;
        let sum = 0;
        for (let j = 0; j < band.weights.length; j++) sum += band.weights[j] * observed[offset + j];
        sum /= 1 + z;
        for (let i = 0; i < lineIndices.length; i++) {
          sum += lineDensity(band, lineIndices[i] + shift) * spectrum.lines[i];
        }
        return sum * scale;
      });
    },
  };
}
