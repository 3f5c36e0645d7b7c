/** Fits the vector columns of one table to the spectra of a survey: fluxes, errors, wavelengths. */
import { UserError } from "../errors.ts";
import type { ColumnSchema } from "../io/table.ts";
import type { Context } from "./bind-fields.ts";
import { bindUnit, errorScaleOf } from "./bind-units.ts";
import type { SpectrumField } from "./field.ts";
import { cleanLayout, type Layout, ownLayout } from "./layout.ts";
import type { SpectrumColumns } from "./layout-columns.ts";
import { vacuumWavelength } from "./spectrum-grid.ts";
import { convertUnit, isStated } from "./units.ts";

/** Where the pixels of a spectrum come from. */
export interface SpectrumBinding {
  /** Index in `survey.fields`. */
  readonly field: number;
  /** Columns of fluxes, errors and masks. */
  readonly value: string;
  readonly error: string | undefined;
  readonly mask: string | undefined;
  readonly errorKind: SpectrumColumns["errorKind"];
  /** Fluxes, and 1 sigma as the error column has it, times these are in the field's unit. */
  readonly factor: number;
  readonly errorFactor: number;
  /** Instead of an error column: 1 sigma as a fraction of the median absolute flux. */
  readonly relativeError: number | undefined;
  /** Column of the wavelengths, or the wavelengths of all spectra [Angstrom, vacuum]; undefined: the survey's own grid. */
  readonly wavelength: string | Float64Array | undefined;
  /** Of numbers in that column: [Angstrom, vacuum]. */
  toVacuum(this: void, stored: number): number;
}

/** Generic columns of spectra, as archives and their users name them. */
const usualColumns: SpectrumColumns = {
  value: ["FLUX", "FLAM", "F_LAMBDA"],
  error: ["IVAR", "FLUX_IVAR"],
  errorKind: "ivar",
  wavelength: ["WAVE", "WAVELENGTH", "LAMBDA", "LAM"],
  scale: "linear",
};

/** Tables with a spectrum in each row, whoever wrote them: for the first spectrum of a survey. */
export function spectrumLayouts(fields: readonly { readonly name: string; readonly kind: string }[]): Layout[] {
  const first = fields.find(({ kind }) => kind === "spectrum");
  if (first === undefined) return [];
  const of = (name: string, title: string, columns: SpectrumColumns): Layout => ({
    ...ownLayout,
    name,
    title,
    from: ownLayout.name, // no survey's: gives way to one that describes these columns
    objectId: "{OBJECT_ID|OBJID|TARGETID|ID|SPEC}",
    bands: [],
    properties: Object.fromEntries(
      fields
        .filter(({ name: field }) => field === "z")
        .map(({ name: field }) => [field, { ...plainProperty, value: ["Z", "REDSHIFT"] }]),
    ),
    spectra: { [first.name]: columns },
    ignored: [],
  });
  return [
    of("spectra", "a spectrum in each row: FLUX, IVAR, WAVE", usualColumns),
    of("spectra-loglam", "a spectrum in each row: FLUX, IVAR, LOGLAM", {
      ...usualColumns,
      wavelength: "LOGLAM",
      scale: "log10",
    }),
  ];
}

const plainProperty = {
  errorKind: "absolute",
  transform: "identity",
  factor: 1,
  offset: 0,
  flags: [],
} as const satisfies Partial<Layout["properties"][string]>;

/** What a layout says of a spectrum's columns; of Caleido's own tables, and where it says nothing, the field's name does. */
export function spectrumColumnsFor(layout: Layout, { name }: { readonly name: string }): SpectrumColumns {
  if (layout === cleanLayout) return { value: `true_${name}`, errorKind: "none", scale: "linear" };
  const own = { value: name, error: `${name}_ivar`, wavelength: `${name}_wavelength` } as const;
  return layout.spectra[name] ?? { ...own, errorKind: "ivar", scale: "linear", medium: "vacuum" };
}

/** Whether a table is told to be in air or in vacuum: of FITS files the keywords AIRORVAC and VACUUM. */
function statedMedium(metadata: Readonly<Record<string, string>>): SpectrumColumns["medium"] {
  const told = (metadata.AIRORVAC ?? "").trim().toLowerCase();
  if (told === "air") return "air";
  return told.startsWith("vac") || ["T", "true", "1"].includes(metadata.VACUUM) ? "vacuum" : undefined;
}

/** @throws UserError for columns that are not as long as each other. */
function checkLength({ path }: Context, value: ColumnSchema, other: ColumnSchema | undefined): void {
  for (const { name, type } of [value, ...(other ? [other] : [])]) {
    if (type === "string")
      throw new UserError(`${path}: column "${name}" holds text, expected the pixels of a spectrum`);
  }
  if (other === undefined || other.width === value.width) return;
  throw new UserError(
    `${path}: column "${other.name}" has ${other.width} elements, "${value.name}" has ${value.width}: expected as many`,
  );
}

/** From a stored wavelength to one in vacuum. @throws UserError for a unit that is none of length; where nothing says the medium. */
function wavelengthsIn(
  { path, layout, options }: Context,
  told: SpectrumColumns,
  column: ColumnSchema | undefined,
  field: SpectrumField,
  metadata: Readonly<Record<string, string>>,
): (stored: number) => number {
  const { scale, wavelengthUnit } = told;
  const written = scale === "linear" && isStated(column?.unit) ? column.unit : undefined;
  const unit = written ?? wavelengthUnit ?? "Angstrom";
  const where = column === undefined ? `layout "${layout.name}"` : `column "${column.name}"`;
  const conversion = convertUnit(unit, "Angstrom");
  if (conversion?.kind !== "factor") {
    throw new UserError(`${path}: ${where}: unit "${unit}" is none of wavelengths, expected Angstrom, nm or um`);
  }
  const medium = told.medium ?? statedMedium(metadata) ?? options.wavelengths;
  if (medium === undefined) {
    throw new UserError(
      `${path}: ${where}: nothing says whether the wavelengths of ${field.name} are in air or in vacuum; ` +
        `expected --wavelengths air or vacuum, or medium in the layout`,
    );
  }
  const { factor } = conversion;
  const plain = (stored: number): number =>
    (scale === "linear" ? stored : scale === "ln" ? Math.exp(stored) : 10 ** stored) * factor;
  return medium === "air" ? (stored) => vacuumWavelength(plain(stored)) : plain;
}

/** @throws UserError for a spectrum without wavelengths that is not on the survey's grid. */
function checkGrid({ path, survey }: Context, value: ColumnSchema, field: SpectrumField): void {
  const { from, to, pixels } = field.grid;
  if (value.width === pixels) return;
  throw new UserError(
    `${path}: column "${value.name}" has ${value.width} pixels, expected the ${pixels} of ${field.name} in survey ` +
      `"${survey.name}" (${from} - ${to} A), a column of wavelengths (${field.name}_wavelength), or --survey of another grid`,
  );
}

/**
 * The columns of a spectrum; undefined where the table has none.
 * @throws UserError for columns of different lengths, without errors, without wavelengths and off the grid; for units.
 */
export function bindSpectrum(
  context: Context,
  index: number,
  field: SpectrumField,
  metadata: Readonly<Record<string, string>>,
): SpectrumBinding | undefined {
  const { path, find, layout, options } = context;
  const told = spectrumColumnsFor(layout, field);
  const value = find(told.value, field.name);
  if (value === undefined || value.width < 2) return undefined;
  const error = told.errorKind === "none" ? undefined : find(told.error, field.name);
  const mask = find(told.mask, field.name);
  const column = told.step === undefined ? find(told.wavelength, field.name) : undefined;
  for (const other of [error, mask, column]) checkLength(context, value, other);
  if (error === undefined && told.errorKind !== "none" && options.relativeError === undefined) {
    throw new UserError(
      `${path}: column "${value.name}" has no error column, expected ${[told.error ?? []].flat().join(" or ")}; ` +
        `--relative-error 0.05 would take 5 % of the median of each spectrum`,
    );
  }
  const isPlaced = column !== undefined || told.step !== undefined;
  if (!isPlaced && told.wavelength !== undefined && layout.spectra[field.name] !== undefined) {
    const wanted = [told.wavelength].flat().join(" or ");
    throw new UserError(`${path}: column "${value.name}" has no wavelengths, expected a column ${wanted}`);
  }
  if (!isPlaced) checkGrid(context, value, field);
  const toVacuum = isPlaced ? wavelengthsIn(context, told, column, field, metadata) : Number;
  const [first, step] = told.step ?? [0, 0];
  const { unit, conversion } = bindUnit(context, value, told, field);
  const scale = error === undefined ? 1 : errorScaleOf(context, value, unit, error, told.errorKind, told, field);
  return {
    field: index,
    value: value.name,
    error: error?.name,
    mask: mask?.name,
    errorKind: told.errorKind,
    factor: conversion.factor,
    errorFactor: scale * conversion.factor,
    relativeError: error === undefined && told.errorKind !== "none" ? options.relativeError : undefined,
    wavelength: told.step
      ? Float64Array.from({ length: value.width }, (_, i) => toVacuum(first + i * step))
      : column?.name,
    toVacuum,
  };
}
