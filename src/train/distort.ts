import type { Rng } from "../random.ts";
import { type Catalog, copyRow, emptyCatalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import type { RowStore } from "../tokens/batch.ts";

/** Waves in ln(wavelength), rest frame where the redshift is known: so many, this long [smallest, largest]. */
const WAVES = 5;
const LENGTHS = [0.05, 0.6] as const;
/** Deviations of the size of all waves together, and of a zero-point's error, from galaxy to galaxy [ln flux]. */
const [WAVE, ZERO_POINT] = [0.05, 0.08];
/** Share of bands with an error of the zero-point. */
const SHIFTED = 0.2;

/**
 * Multiplies the fluxes of the only row by what no simulation and no table knows of: a spectrum that is like no model, and
 * zero-points that are off. Errors keep their S/N; what is there of labels stays true.
 */
export function distortRow({ fields, value, error, state }: Catalog, rng: Rng): void {
  const z = fields.findIndex(({ kind }) => kind === "redshift");
  const stretch = z >= 0 && state[z] === State.measured ? 1 + value[z] : 1;
  const [wave, zeroPoint] = [WAVE * Math.abs(rng.normal()), ZERO_POINT * Math.abs(rng.normal())];
  const waves = Array.from({ length: WAVES }, () => ({
    size: wave * Math.sqrt(2 / WAVES) * rng.normal(),
    length: LENGTHS[0] * (LENGTHS[1] / LENGTHS[0]) ** rng.uniform(),
    phase: 2 * Math.PI * rng.uniform(),
  }));
  fields.forEach(({ band }, j) => {
    if (band === undefined) return;
    const place = 2 * Math.PI * Math.log(band.pivot / stretch);
    const smooth = waves.reduce((sum, { size, length, phase }) => sum + size * Math.sin(place / length + phase), 0);
    const own = rng.uniform() < SHIFTED ? zeroPoint * rng.normal() : 0;
    const factor = Math.exp(smooth + own);
    value[j] *= factor;
    error[j] *= factor;
  });
}

/** A store of the same rows, each time distorted anew. */
export function distortedStore(store: RowStore, fields: readonly Field[]): RowStore {
  const one = emptyCatalog(fields, 1);
  return {
    rowCount: store.rowCount,
    at(row, rng) {
      const found = store.at(row, rng);
      copyRow(found.catalog, found.row, one, 0);
      distortRow(one, rng);
      return { catalog: one, row: 0 };
    },
  };
}
