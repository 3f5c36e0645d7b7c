/**
 * A smooth correction of the models' spectra in their rest frame, by kind of galaxy: what galaxies' spectra are to be multiplied
 * by (Crenshaw & Connolly 2020, AJ 160, 191, correct each template; here quiescent and star-forming ones share knots).
 */
import type { Templates } from "../model/template-fit.ts";
import { sizesOf } from "../model/template-fit.ts";
import { copyRow, emptyCatalog } from "../survey/catalog.ts";
import { type Band, State } from "../survey/field.ts";
import type { RowStore } from "../tokens/batch.ts";
import type { NetworkCoder } from "./config.ts";
import { slopeOf, stencilsOf } from "./passband-shift.ts";

const [BLUEST, REDDEST, COUNT] = [800, 24_000, 30];
/** Rest-frame wavelengths of the knots [Angstrom], even in the logarithm. */
export const KNOTS: readonly number[] = Array.from(
  { length: COUNT },
  (_, i) => BLUEST * (REDDEST / BLUEST) ** (i / (COUNT - 1)),
);
const STEP = Math.log(REDDEST / BLUEST) / (COUNT - 1);

/** Specific star formation rates [log10 1/yr] of the kinds, from quiescent to bursting; in between straight. */
export const KINDS: readonly number[] = [-11.3, -10, -9];
/** Kind of galaxies whose rate is not known. */
const USUAL = KINDS[1];

/** What simulated fluxes are to be multiplied by: spectra, and passbands that lie elsewhere. */
export interface Correction {
  /** [kind, knot] ln of the factor, kinds one after the other; in between straight in ln(wavelength), constant beyond the ends. */
  readonly spectra: ArrayLike<number>;
  /** [band] What is to be added to the wavelengths of the passbands [Angstrom]. */
  readonly shifts: ArrayLike<number>;
}

/** Numbers of a correction's spectra. */
export const CORRECTION_SIZE = KINDS.length * KNOTS.length;
/** Places of a correction that a wavelength and a rate lie between. */
export const SHARES = 4;

/** Which place a value lies above, and how far towards the next one. */
const between = (place: number, last: number): readonly [number, number] => {
  const low = Math.max(0, Math.min(last - 1, Math.floor(place)));
  return [low, Math.max(0, Math.min(1, place - low))];
};

/** The places on all sides of a rest-frame wavelength [Angstrom] and a specific rate [log10 1/yr; NaN: not known], and their shares. */
export function sharesAt(wavelength: number, rate: number): readonly { readonly at: number; readonly share: number }[] {
  const [knot, up] = between(Math.log(wavelength / BLUEST) / STEP, COUNT - 1);
  const known = Number.isNaN(rate) ? USUAL : rate;
  const lower = KINDS.findLastIndex((node) => node <= known);
  const node = Math.max(0, Math.min(KINDS.length - 2, lower));
  const [kind, over] = between(node + (known - KINDS[node]) / (KINDS[node + 1] - KINDS[node]), KINDS.length - 1);
  return [
    { at: kind * COUNT + knot, share: (1 - over) * (1 - up) },
    { at: kind * COUNT + knot + 1, share: (1 - over) * up },
    { at: (kind + 1) * COUNT + knot, share: over * (1 - up) },
    { at: (kind + 1) * COUNT + knot + 1, share: over * up },
  ];
}

/** ln of the factor at a rest-frame wavelength [Angstrom], of a galaxy of this specific rate [log10 1/yr; NaN: not known]. */
export const correctionAt = ({ spectra }: Correction, wavelength: number, rate: number): number =>
  sharesAt(wavelength, rate).reduce((sum, { at, share }) => sum + share * spectra[at], 0);

/** Columns that say where a galaxy's bands lie at rest, and of what kind it is; undefined where there is none. */
export interface KindColumns {
  readonly redshift: number | undefined;
  readonly mass: number | undefined;
  readonly rate: number | undefined;
}

export function kindColumnsOf({ fields, groups }: NetworkCoder): KindColumns {
  const columns = Array.from(groups.property);
  const named = (name: string): number | undefined => columns.find((j) => fields[j].name === name);
  return {
    redshift: columns.find((j) => fields[j].kind === "redshift"),
    mass: named("LOGM"),
    rate: named("LOGSFR"),
  };
}

/** What is known of each carried galaxy: [count] 1 + z, and its specific rate [log10 1/yr]; NaN where it isn't. */
export function kindsOf(
  coder: NetworkCoder,
  templates: Templates,
): { readonly stretch: Float64Array; readonly rate: Float64Array } {
  const { nProperty } = sizesOf(templates);
  const { redshift, mass, rate } = kindColumnsOf(coder);
  const column = (j: number | undefined): Float64Array => {
    const p = j === undefined ? -1 : coder.groups.property.indexOf(j);
    return Float64Array.from({ length: templates.count }, (_, k) => {
      const v = p < 0 || p >= nProperty ? Number.NaN : templates.property[k * nProperty + p];
      return Number.isNaN(v) ? v : coder.decode(j!, v, 0);
    });
  };
  const masses = column(mass);
  return { stretch: column(redshift).map((z) => 1 + z), rate: column(rate).map((r, k) => r - masses[k]) };
}

/** The first bands. */
export const bandsOf = ({ fields, groups }: NetworkCoder, nBand: number): readonly Band[] =>
  Array.from(groups.band.subarray(0, nBand), (j) => fields[j].band!);

/** ln of what a galaxy's fluxes are to be multiplied by for their passbands' shifts, of their logarithms; nothing is worked out where none is shifted. */
function shifting(
  { shifts }: Correction,
  bands: readonly Band[],
): (lnAt: (band: number) => number) => readonly number[] {
  const none = bands.map(() => 0);
  if (none.every((_, j) => (shifts[j] ?? 0) === 0)) return () => none;
  const stencils = stencilsOf(bands);
  const ln = new Float64Array(bands.length);
  return (lnAt) => {
    for (let j = 0; j < ln.length; j++) ln[j] = lnAt(j);
    return stencils.map((stencil, j) => ((shifts[j] ?? 0) === 0 ? 0 : shifts[j] * slopeOf(stencil, ln)));
  };
}

/** ln of a flux; of its error, where that is more. */
export const lnOf = (flux: number, error: number): number => Math.log(Math.max(flux, error, 1e-30));

/** Carried galaxies with their spectra corrected; those without a redshift stay. */
export function correctTemplates(coder: NetworkCoder, templates: Templates, correction: Correction): Templates {
  const { nBand } = sizesOf(templates);
  const { stretch, rate } = kindsOf(coder, templates);
  const bands = bandsOf(coder, nBand);
  const shiftsOf = shifting(correction, bands);
  const flux = templates.flux.slice();
  for (let k = 0; k < templates.count; k++) {
    if (Number.isNaN(stretch[k])) continue;
    shiftsOf((j) => lnOf(flux[k * nBand + j], 0)).forEach((shift, j) => {
      flux[k * nBand + j] *= Math.exp(shift + correctionAt(correction, bands[j].pivot / stretch[k], rate[k]));
    });
  }
  return { ...templates, flux };
}

/** Rows of simulations with their spectra corrected; those without a redshift stay. */
export function correctRows(coder: NetworkCoder, store: RowStore, correction: Correction): RowStore {
  const { redshift, mass, rate } = kindColumnsOf(coder);
  if (redshift === undefined) return store;
  const one = emptyCatalog(coder.fields, 1);
  const columns = Array.from(coder.groups.band);
  const bands = bandsOf(coder, columns.length);
  const shiftsOf = shifting(correction, bands);
  const known = (j: number | undefined): number =>
    j === undefined || one.state[j] !== State.measured ? Number.NaN : one.value[j];
  return {
    rowCount: store.rowCount,
    at(row, rng) {
      const found = store.at(row, rng);
      copyRow(found.catalog, found.row, one, 0);
      const stretch = 1 + known(redshift);
      if (Number.isNaN(stretch)) return { catalog: one, row: 0 };
      const specific = known(rate) - known(mass);
      const shifted = shiftsOf((b) => lnOf(one.value[columns[b]], one.error[columns[b]]));
      for (const [b, j] of columns.entries()) {
        const factor = Math.exp(shifted[b] + correctionAt(correction, bands[b].pivot / stretch, specific));
        one.value[j] *= factor;
        one.error[j] *= factor;
      }
      return { catalog: one, row: 0 };
    },
  };
}
