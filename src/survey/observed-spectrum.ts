import { UserError } from "../errors.ts";
import type { FitsHdu } from "../io/fits.ts";
import type { Column, Table } from "../io/table.ts";
import { convertUnit, isStated, parseUnit, unitOfSigma } from "./units.ts";

/** Pixels of a spectrum. */
export interface Pixels {
  /** Vacuum wavelength, increasing [Angstrom]. */
  readonly wavelength: Float64Array;
  /** [1e-17 erg/s/cm2/A] */
  readonly flux: Float64Array;
  /** Inverse variance of `flux`; 0 = pixel not usable. */
  readonly ivar: Float64Array;
}

/** Lines whose widths catalogues of spectra list. */
export type WidthName = "HALPHA_EW" | "HBETA_EW" | "OIII5007_EW" | "NII6584_EW" | "OII3727_EW";

/** An observed spectrum with what its own file says. */
export interface ObservedSpectrum extends Pixels {
  /** As catalogues name it: `{PLATE}-{MJD}-{FIBERID}` of SDSS, `{TARGETID}` of DESI. */
  readonly id: string;
  /** Undefined where there is none, or the pipeline warns about it: `warning` says which. */
  readonly redshift: number | undefined;
  /** What the pipeline says, also of what is no galaxy: a redshift that it trusts, of anything but a star; its class. */
  readonly pipeline?: { readonly redshift?: number; readonly type?: string };
  /** Why it should not be taken for a galaxy of that redshift. */
  readonly warning?: Warning;
  /** Rest-frame EW and its error [Angstrom]; only the lines that were measured. */
  readonly widths: Readonly<Partial<Record<WidthName, readonly [number, number]>>>;
  /** Total flux of its imaging [nanomaggies] by pivot wavelength [Angstrom]. */
  readonly totals: readonly (readonly [number, number])[];
}

/** What keeps a spectrum out. `hopeless` ones are no galaxies; others come in when a catalogue knows their redshift. */
export const warnings = {
  "sky fibre": { isHopeless: true },
  star: { isHopeless: true },
  quasar: { isHopeless: true },
  "fibre flagged": { isHopeless: true },
  "redshift warning": { isHopeless: false },
  "no redshift": { isHopeless: false },
} satisfies Record<string, { readonly isHopeless: boolean }>;
export type Warning = keyof typeof warnings;

/** Classes of the pipelines (SDSS CLASS, redrock SPECTYPE) whose light is not a galaxy's. */
const otherClasses: Readonly<Record<string, Warning>> = { STAR: "star", QSO: "quasar" };

/** Why a spectrum of this class is left out; undefined for galaxies. */
export function warningOfClass(name: string): Warning | undefined {
  return otherClasses[name.trim()];
}

/**
 * What numbers in a unit are to be multiplied by to be in `wanted`; 1 where a file states none, for its layout has one.
 * `where` is the column or keyword in messages.
 * @throws UserError for a unit that is not understood or does not convert.
 */
export function factorTo(where: string, unit: string | undefined, wanted: string): number {
  if (!isStated(unit)) return 1;
  const conversion = convertUnit(unit.trim(), wanted);
  if (conversion?.kind === "factor") return conversion.factor;
  const what = parseUnit(unit) ? "does not convert" : "is not understood";
  throw new UserError(`${where}: unit "${unit}" ${what}, expected ${wanted} or another that converts to it`);
}

/** Units that a file states of fluxes and of their inverse variances. */
export interface PixelUnits {
  readonly flux: string | undefined;
  readonly ivar: string | undefined;
}

/** Unit of the fluxes of `Pixels`. */
export const PIXEL_UNIT = "1e-17 erg/s/cm2/A";

/**
 * What fluxes and inverse variances of pixels are to be multiplied by to be those of `Pixels`. Where only fluxes have a
 * unit, inverse variances are in its inverse square.
 * @throws UserError as {@link factorTo}.
 */
export function pixelFactors(where: string, { flux, ivar }: PixelUnits): { flux: number; ivar: number } {
  const factor = factorTo(`${where}: flux`, flux, PIXEL_UNIT);
  if (!isStated(ivar)) return { flux: factor, ivar: factor ** -2 };
  const isKnown = parseUnit(ivar) !== undefined;
  const sigma = factorTo(`${where}: inverse variance`, isKnown ? unitOfSigma(ivar) : ivar, PIXEL_UNIT);
  return { flux: factor, ivar: sigma ** -2 };
}

/**
 * Columns of a table unit by their names in upper case; the file may spell them in lower case. Those of `optional` that
 * it doesn't have are left out.
 * @throws UserError naming a column that is missing.
 */
export async function readColumns(
  path: string,
  hdu: FitsHdu,
  wanted: readonly string[],
  optional: readonly string[] = [],
): Promise<Map<string, Column>> {
  const source = await hdu.table();
  const found = new Map<string, string>();
  for (const one of [...wanted, ...optional]) {
    const name = source.schema.find((column) => column.name.toUpperCase() === one)?.name;
    if (name !== undefined) found.set(one, name);
    else if (wanted.includes(one)) {
      throw new UserError(`${path}: FITS unit ${hdu.index} has no column ${one}, expected a file of spectra`);
    }
  }
  const tables: Table[] = [];
  for await (const table of source.batches({ columns: [...found.values()], batchRows: 1 << 20 })) tables.push(table);
  if (tables.length !== 1) throw new UserError(`${path}: FITS unit ${hdu.index} has no rows, or too many for one file`);
  const columns = new Map(tables[0].columns.map((column) => [column.name, column]));
  return new Map(
    [...found].flatMap(([one, name]) => {
      const column = columns.get(name);
      return column === undefined ? [] : [[one, column] as const];
    }),
  );
}

/** A column as numbers; empty where the table has none. */
export function numbers(columns: Map<string, Column>, name: string): Float64Array {
  const data = columns.get(name)?.data ?? [];
  return data instanceof Float32Array || data instanceof Float64Array
    ? new Float64Array(data)
    : Float64Array.from(data as ArrayLike<number | bigint | string>, Number);
}
