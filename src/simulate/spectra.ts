import type { Table } from "../io/table.ts";
import { createRng } from "../random.ts";
import type { Survey } from "../survey/survey.ts";
import { LABELS } from "./block.ts";
import { ewLabels } from "./lines.ts";
import { createInstrument, observe } from "./noise.ts";
import { parseOptions, type SimulationInput } from "./options.ts";
import { createPassbands, type Passband } from "./passband.ts";
import { type Row, tableOf } from "./rows.ts";
import { type ObservedSpectrum, readSdssSpectrum } from "./sdss.ts";

/** A band is observed only when the spectrum spans this fraction of its transmission ... */
const LEAST_SPAN = 0.99;
/** ... and this fraction falls on usable pixels; the flux of the others is interpolated. */
const LEAST_USABLE = 0.9;

const WIDTH_LABELS = Object.keys(ewLabels) as (keyof typeof ewLabels)[];
const SPECTRUM_LABELS = [...LABELS, ...WIDTH_LABELS.map((name) => `${name}_err`)];

/** Fluxes of unusable pixels replaced by linear interpolation between their usable neighbours. */
function repairFlux({ wavelength, flux, ivar }: ObservedSpectrum): Float64Array {
  const repaired = flux.slice();
  let before = -1;
  for (let i = 0; i < flux.length; i++) {
    if (!(ivar[i] > 0) || !Number.isFinite(flux[i])) continue;
    for (let k = before + 1; k < i; k++) {
      const f = before < 0 ? 1 : (wavelength[k] - wavelength[before]) / (wavelength[i] - wavelength[before]);
      repaired[k] = before < 0 ? flux[i] : flux[before] + f * (flux[i] - flux[before]);
    }
    before = i;
  }
  return repaired.fill(before < 0 ? Number.NaN : flux[before], before + 1);
}

/**
 * Photon-weighted mean flux density of a spectrum in a band and its propagated error, in the spectrum's flux unit;
 * undefined where the spectrum does not cover the band.
 */
export function integrate(spectrum: ObservedSpectrum, band: Passband): { flux: number; error: number } | undefined {
  const { wavelength, ivar } = spectrum;
  const last = wavelength.length - 1;
  const { transmission, range } = band.curve;
  if (last < 1 || wavelength[0] > range[1] || wavelength[last] < range[0]) return undefined;
  const flux = repairFlux(spectrum);
  let [sum, spanned, usable, variance] = [0, 0, 0, 0];
  for (let i = 0; i <= last; i++) {
    if (wavelength[i] < range[0] || wavelength[i] > range[1]) continue;
    const width =
      (wavelength[Math.min(i + 1, last)] - wavelength[Math.max(i - 1, 0)]) / (i === 0 || i === last ? 1 : 2);
    const weight = transmission(wavelength[i]) * wavelength[i] * width;
    sum += weight * flux[i];
    spanned += weight;
    if (!(ivar[i] > 0)) continue;
    usable += weight;
    variance += (weight * weight) / ivar[i];
  }
  let total = 0;
  const step = 1;
  for (let x = range[0] + step / 2; x < range[1]; x += step) total += transmission(x) * x * step;
  if (spanned < LEAST_SPAN * total || usable < LEAST_USABLE * total) return undefined;
  // the errors of interpolated pixels are those of their neighbours: scale to the usable part
  return { flux: sum / spanned, error: Math.sqrt(variance) / usable };
}

/** 1e-17 erg/s/cm2/A of the spectra in the unit of the tables. */
const SDSS_UNIT = 100;

function labelsOf({ redshift, widths }: ObservedSpectrum): number[] {
  const known: Record<string, number> = { z: redshift ?? Number.NaN };
  for (const name of WIDTH_LABELS) {
    const [value, error] = widths[name] ?? [Number.NaN, Number.NaN];
    known[name] = value;
    known[`${name}_err`] = error;
  }
  return SPECTRUM_LABELS.map((name) => known[name] ?? Number.NaN);
}

/**
 * Photometry of observed spectra (SDSS `spec-*.fits`) as the survey would see it, one batch per file: the survey's noise
 * added, the spectrum's own error propagated into `<BAND>_err`, bands that it does not cover not observed (NaN). Labels:
 * z and rest-frame EWs with errors where the file has them; the rest is NaN.
 * @throws UserError for a file that is not an SDSS spectrum.
 */
export async function* simulateFromSpectra(
  paths: readonly string[],
  request: { readonly survey: Survey } & SimulationInput,
): AsyncGenerator<Table, void, undefined> {
  const { survey, ...input } = request;
  const options = parseOptions(input);
  const bands = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
  const passbands = createPassbands(bands, options.filters, options.filterPrefix);
  const pivots = passbands.map(({ pivot }) => pivot);
  const instrument = createInstrument(survey, pivots, options);
  for (const path of paths) {
    const spectrum = await readSdssSpectrum(path);
    const measured = passbands.map((band) => integrate(spectrum, band));
    const truth = Float64Array.from(measured, (one) => (one === undefined ? Number.NaN : one.flux * SDSS_UNIT));
    const error = Float64Array.from(measured, (one) => (one === undefined ? 0 : one.error * SDSS_UNIT));
    const rng = createRng(`${options.seed}:spectrum:${spectrum.id}`);
    const pointing = rng.integer(options.pointings);
    const tile = `${survey.tiles[pointing % survey.tiles.length]}-${pointing}`;
    const rows = Array.from({ length: options.draws }, (_, draw): Row => {
      const observation = observe(instrument, truth, pointing, rng, { error });
      const objectId = `${spectrum.id}-${draw}`;
      return { objectId, parentId: spectrum.id, tile, observation, labels: labelsOf(spectrum) };
    });
    yield tableOf(rows, instrument, survey, SPECTRUM_LABELS);
  }
}
