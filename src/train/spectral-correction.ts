/** A smooth correction of the models' spectra in their rest frame: what all galaxies' spectra are to be multiplied by. */
import type { Templates } from "../model/template-fit.ts";
import { sizesOf } from "../model/template-fit.ts";
import { copyRow, emptyCatalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { RowStore } from "../tokens/batch.ts";
import type { NetworkCoder } from "./config.ts";

/** [knot] ln of the factor at each of {@link KNOTS}; in between straight in ln(wavelength), constant beyond the ends. */
export type Correction = ArrayLike<number>;

const [BLUEST, REDDEST, COUNT] = [800, 24_000, 24];
/** Rest-frame wavelengths of the knots [Angstrom], even in the logarithm. */
export const KNOTS: readonly number[] = Array.from(
  { length: COUNT },
  (_, i) => BLUEST * (REDDEST / BLUEST) ** (i / (COUNT - 1)),
);
const STEP = Math.log(REDDEST / BLUEST) / (COUNT - 1);

/** The knots on both sides of a rest-frame wavelength [Angstrom], and their shares. */
export function hatsAt(wavelength: number): readonly { readonly knot: number; readonly share: number }[] {
  const place = Math.max(0, Math.min(COUNT - 1, Math.log(wavelength / BLUEST) / STEP));
  const knot = Math.min(COUNT - 2, Math.floor(place));
  return [
    { knot, share: 1 - (place - knot) },
    { knot: knot + 1, share: place - knot },
  ];
}

/** ln of the factor at a rest-frame wavelength [Angstrom]. */
export const correctionAt = (correction: Correction, wavelength: number): number =>
  hatsAt(wavelength).reduce((sum, { knot, share }) => sum + share * correction[knot], 0);

/** The column of the redshift; undefined where there is none. */
const redshiftOf = ({ fields, groups }: NetworkCoder): number | undefined =>
  Array.from(groups.property).find((j) => fields[j].kind === "redshift");

/** Carried galaxies with their spectra corrected; those without a redshift stay. */
export function correctTemplates(coder: NetworkCoder, templates: Templates, correction: Correction): Templates {
  const { nBand, nProperty } = sizesOf(templates);
  const redshift = redshiftOf(coder);
  if (redshift === undefined) return templates;
  const p = coder.groups.property.indexOf(redshift);
  const pivots = Array.from(coder.groups.band.subarray(0, nBand), (j) => coder.fields[j].band?.pivot ?? 0);
  const flux = templates.flux.map((f, at) => {
    const v = templates.property[Math.floor(at / nBand) * nProperty + p];
    if (Number.isNaN(v)) return f;
    return f * Math.exp(correctionAt(correction, pivots[at % nBand] / (1 + coder.decode(redshift, v, 0))));
  });
  return { ...templates, flux };
}

/** Rows of simulations with their spectra corrected; those without a redshift stay. */
export function correctRows(coder: NetworkCoder, store: RowStore, correction: Correction): RowStore {
  const redshift = redshiftOf(coder);
  if (redshift === undefined) return store;
  const one = emptyCatalog(coder.fields, 1);
  return {
    rowCount: store.rowCount,
    at(row, rng) {
      const found = store.at(row, rng);
      copyRow(found.catalog, found.row, one, 0);
      if (one.state[redshift] !== State.measured) return { catalog: one, row: 0 };
      for (const j of coder.groups.band) {
        const rest = (coder.fields[j].band?.pivot ?? 0) / (1 + one.value[redshift]);
        const factor = Math.exp(correctionAt(correction, rest));
        one.value[j] *= factor;
        one.error[j] *= factor;
      }
      return { catalog: one, row: 0 };
    },
  };
}
