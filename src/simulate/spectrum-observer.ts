import type { QuickRng, Rng } from "../random.ts";
import { drawShape, enclosedFlux } from "./aperture.ts";
import type { CleanRow } from "./observer.ts";
import type { SimulationOptions } from "./options.ts";
import { NODE_PIXELS, type Spectrograph } from "./spectrograph.ts";

/** A spectrum as a pipeline would give it; 0 and 0 = not observed. Both [n]. */
export interface SpectrumPair {
  /** In the unit of the field, calibrated for point sources: light of larger ones that the fibre loses is missing. */
  readonly value: Float32Array;
  /**
   * Inverse variance: sky, dark current, read-out, photons by the measured flux, and what is left of the sky's lines on
   * average, as a pipeline sees it in its sky fibres; nothing else that errs.
   */
  readonly ivar: Float32Array;
}

/** Pixels on either side over which a pipeline averages what it measured, to tell the photon noise of the object. */
const SMOOTHING = 4;
/** Longest run of neighbouring pixels that one defect costs. */
const LONGEST_DEFECT = 3;

/**
 * Part of an object's light that a fibre takes over the part it takes of a point source, by its size: sizes are those of
 * bands in apertures (`drawShape`), so that spectra of large galaxies are fainter than their bands say.
 */
export function fibreFraction(
  { fibre, seeing, pointFraction }: Spectrograph,
  row: Pick<CleanRow, "redshift" | "logMass" | "logSfr" | "isPoint">,
  rng: Rng,
): number {
  const { redshift, logMass, logSfr } = row;
  if (row.isPoint === true || redshift === undefined || logMass === undefined || !Number.isFinite(logMass)) return 1;
  const shape = drawShape(rng, { logMass, redshift: Math.max(redshift, 1e-3), logSfr });
  return enclosedFlux(fibre / 2, shape, seeing) / pointFraction;
}

/** Room to work in, of one spectrograph. */
export interface SpectrumScratch {
  readonly counts: Float64Array;
  readonly dust: Float64Array;
  readonly calibration: Float64Array;
  readonly sky: Float64Array;
  /** Variance that is stated beside that of the object's photons [electrons^2]. [n] */
  readonly stated: Float64Array;
}

/** Room for observations of these settings. */
export function createScratch(
  { gain, background, lines, slopes, extinction }: Spectrograph,
  { noiseScale, systematics, spectrum }: Omit<ObserveSettings, "ebv">,
): SpectrumScratch {
  const nodes = (): Float64Array => new Float64Array(extinction.length);
  const least = noiseScale > 0 ? noiseScale ** 2 : 1;
  const stated = Float64Array.from(background, (photons, i) => {
    const [left, moved] = [spectrum.skyResidual * lines[i], spectrum.wavelengthShift * slopes[i]];
    return least * photons + systematics ** 2 * (left * left + moved * moved);
  });
  return { counts: new Float64Array(gain.length), dust: nodes(), calibration: nodes(), sky: nodes(), stated };
}

type SpectrumOptions = SimulationOptions["spectrum"];

/** Draws what is smooth along the spectrum, at its nodes: flux calibration, and what is left of the sky's lines. */
function drawNodes(
  { armOfNode, armCount, extinction }: Spectrograph,
  { dust, calibration, sky }: SpectrumScratch,
  { ebv, systematics, spectrum }: ObserveSettings,
  rng: Rng,
): void {
  const [whole, offsets] = [rng.normal(), Float64Array.from({ length: armCount }, () => rng.normal())];
  for (let k = 0; k < extinction.length; k++) {
    dust[k] = Math.exp(-0.4 * Math.LN10 * ebv * extinction[k]);
    calibration[k] = 1 + systematics * spectrum.calibration * (0.7 * offsets[armOfNode[k]] + 0.7 * rng.normal());
    sky[k] = systematics * spectrum.skyResidual * (0.7 * whole + 0.7 * rng.normal());
  }
}

/** What an observation depends on beside the object. */
export interface ObserveSettings {
  /** E(B-V) of the Milky Way in front [mag]; 0 also where the spectrum is corrected for it. */
  readonly ebv: number;
  readonly noiseScale: number;
  readonly systematics: number;
  readonly spectrum: SpectrumOptions;
}

/** Writes counts with their noise, and the flux they stand for. */
function expose(
  graph: Spectrograph,
  { counts, dust, calibration, sky }: SpectrumScratch,
  clean: ArrayLike<number>,
  fraction: number,
  settings: ObserveSettings,
  rng: QuickRng,
  { value }: SpectrumPair,
): void {
  const { gain, inverse, background, lines, slopes, depth } = graph;
  const { noiseScale, systematics, spectrum } = settings;
  const shift = systematics * spectrum.wavelengthShift * rng.normal();
  const air = systematics * spectrum.telluricResidual * rng.normal();
  rng.fillNormals(counts);
  const n = counts.length;
  for (let k = 0; k * NODE_PIXELS < n; k++) {
    const next = Math.min(k + 1, dust.length - 1);
    const end = Math.min(n, (k + 1) * NODE_PIXELS);
    for (let i = k * NODE_PIXELS, part = 0; i < end; i++, part += 1 / NODE_PIXELS) {
      const object = clean[i] * fraction * gain[i] * (dust[k] + part * (dust[next] - dust[k]));
      const noise = noiseScale * Math.sqrt(background[i] + Math.max(0, object)) * counts[i];
      const residual = lines[i] * (sky[k] + part * (sky[next] - sky[k])) + slopes[i] * shift;
      const measured = object + noise + residual;
      counts[i] = measured;
      const factor = (calibration[k] + part * (calibration[next] - calibration[k])) * (1 + air * depth[i]);
      value[i] = measured * inverse[i] * factor;
    }
  }
}

/** Inverse variances as a pipeline states them, the object's photons told from a running mean of the counts. */
function stateErrors(
  { gain }: Spectrograph,
  { counts, stated }: SpectrumScratch,
  noiseScale: number,
  ivar: Float32Array,
): void {
  const n = counts.length;
  const least = noiseScale > 0 ? noiseScale ** 2 : 1;
  let sum = 0;
  for (let i = 0; i < Math.min(SMOOTHING, n); i++) sum += counts[i];
  for (let i = 0; i < n; i++) {
    if (i + SMOOTHING < n) sum += counts[i + SMOOTHING];
    if (i > SMOOTHING) sum -= counts[i - SMOOTHING - 1];
    const object = Math.max(0, sum / (2 * SMOOTHING + 1));
    ivar[i] = gain[i] === 0 ? 0 : (gain[i] * gain[i]) / (stated[i] + object * least);
  }
}

/** Calls `hit` for pixels drawn at a rate, however rare, without drawing for each. */
function drawPixels(count: number, rate: number, rng: Rng, hit: (i: number) => void): void {
  if (!(rate > 0)) return;
  const log = Math.log1p(-Math.min(rate, 0.999));
  const gap = (): number => 1 + Math.floor(Math.log(1 - rng.uniform()) / log);
  for (let i = gap() - 1; i < count; i += gap()) hit(i);
}

/** Bad pixels that are known, and cosmic rays that are not. */
function spoil({ value, ivar }: SpectrumPair, { systematics, spectrum }: ObserveSettings, rng: Rng): void {
  const n = value.length;
  drawPixels(n, systematics > 0 ? spectrum.outliers : 0, rng, (i) => {
    if (ivar[i] > 0) value[i] += (5 + 45 * rng.uniform()) / Math.sqrt(ivar[i]);
  });
  drawPixels(n, spectrum.masked, rng, (first) => {
    const end = Math.min(n, first + 1 + rng.integer(LONGEST_DEFECT));
    for (let i = first; i < end; i++) value[i] = ivar[i] = 0;
  });
}

/**
 * Observes a clean spectrum (the field's unit, n pixels) into `into`: a function of it, the fraction of its light in the
 * fibre and the random numbers alone. Photons are Gaussian, pixels independent of each other.
 */
export function observeSpectrum(
  graph: Spectrograph,
  clean: ArrayLike<number>,
  fraction: number,
  settings: ObserveSettings,
  rng: QuickRng,
  scratch: SpectrumScratch,
  into: SpectrumPair,
): void {
  drawNodes(graph, scratch, settings, rng);
  expose(graph, scratch, clean, fraction, settings, rng, into);
  stateErrors(graph, scratch, settings.noiseScale, into.ivar);
  spoil(into, settings, rng);
}
