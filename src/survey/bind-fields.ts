/** Fits the columns of one table to the fields of a survey: places, units, errors, flags. */
import { UserError } from "../errors.ts";
import type { ColumnSchema } from "../io/table.ts";
import type { CategoryField, Field } from "./field.ts";
import type { Finder } from "./find.ts";
import { isIgnored, namesFor, usualProperties } from "./layout.ts";
import type { BandColumns, Extinction, FlagRule, Layout, PropertyColumn } from "./layout.ts";
import type { Survey } from "./survey.ts";
import { bindDust, type DustBinding, floorOf, isCorrectedAway } from "./bind-corrections.ts";
import { bindRatio, bindUnit, errorScaleOf, factorBefore } from "./bind-units.ts";
import type { UnitBinding } from "./bind-units.ts";
import { imfShift } from "./imf.ts";
import { type Conversion, isStated } from "./units.ts";

/** Where a number stands: a column of the table, and an element of it. */
export interface Place {
  readonly column: string;
  readonly element: number;
}

export interface FlagPlace extends Place {
  readonly bits: readonly (readonly [bit: number, meaning: string])[];
  readonly values: ReadonlyMap<string, string>;
}

/** Where one field's value, error, state and flags come from. */
export interface FieldBinding {
  /** Index in `survey.fields`. */
  readonly field: number;
  /** One place, or several that are added up. */
  readonly value: readonly Place[];
  /** As many as values, or the 16 and 84 % quantiles when `errorKind` is `interval`. */
  readonly error: readonly Place[];
  readonly errorKind: "absolute" | "relative" | "ivar" | "none" | "interval";
  /** An absolute error times this is in the unit of its value. */
  readonly errorScale: number;
  readonly state: Place | undefined;
  /** Value and error are multiplied by what stands here. */
  readonly times: Place | undefined;
  /** Value and error are divided by what stands here, whose own error adds to theirs. */
  readonly per?: { readonly value: Place; readonly error: Place | undefined };
  /** Of bands: what takes Galactic extinction away. */
  readonly dust?: DustBinding;
  /** Of bands: this fraction of the flux is added to its error in quadrature. */
  readonly floor?: number;
  readonly flags: readonly FlagPlace[];
  readonly conversion: Conversion;
  /** Of a category: the index of the class that a text, in lower case, stands for. */
  readonly classes?: ReadonlyMap<string, number>;
}

export interface BindOptions {
  /** Name of the layout, where several fit. */
  readonly layout?: string;
  /** Name or number of the table, of files that hold several; default: the one that has most of the survey's fields. */
  readonly hdu?: string;
  /** 1 sigma error of a flux whose table has no error column, as a fraction of it. Without it that is an error. */
  readonly relativeError?: number;
  /** Fractions of the flux that are added to its error in quadrature, by lists of bands or patterns; the last one holds. */
  readonly floors?: readonly { readonly bands: string; readonly fraction: number }[];
  /** What wavelengths of spectra are in, where neither the file nor the layout says. */
  readonly wavelengths?: "air" | "vacuum";
  /** What takes Galactic extinction away, in place of what the layout says; none: fluxes stay as they are. */
  readonly extinction?: Extinction | "none";
  /**
   * Units by column, `*` standing for any characters. They outdo what the file says, but for a bare `*`: that is for
   * columns whose unit nobody states. The unit `survey` is the field's own.
   */
  readonly units?: readonly { readonly column: string; readonly unit: string }[];
}

export interface Context {
  readonly path: string;
  readonly find: Finder;
  readonly layout: Layout;
  readonly survey: Survey;
  readonly options: BindOptions;
  /** Error floors that the user states, by band. */
  readonly floors: ReadonlyMap<string, number>;
}

function numeric(path: string, column: ColumnSchema, element: number): Place {
  if (column.type === "string" && column.isDigits !== true) {
    throw new UserError(`${path}: column "${column.name}" holds text, expected numbers`);
  }
  return { column: column.name, element };
}

export function bindFlags(
  { path, find }: Context,
  rules: readonly FlagRule[],
  name: string,
  element: number,
): FlagPlace[] {
  return rules.flatMap((rule) => {
    const column = find(rule.column, name);
    const bits = Object.entries(rule.bits).map(([bit, meaning]) => [Number(bit), meaning] as const);
    const values = new Map(Object.entries(rule.values));
    if (!column || bits.length + values.size === 0) return [];
    const at = column.width > 1 ? element : 0;
    const place = bits.length > 0 ? numeric(path, column, at) : { column: column.name, element: at };
    return [{ ...place, bits, values }];
  });
}

/** Element of an array column for each field of the survey; undefined where it has none. */
function elementsOf(
  { path, layout, survey }: Context,
  columns: BandColumns,
  column: ColumnSchema,
): Map<string, number> {
  const order = columns.order ?? survey.fields.flatMap((field) => (field.band ? [field.name] : []));
  if (column.width !== order.length) {
    throw new UserError(
      `${path}: column "${column.name}" has ${column.width} elements, layout "${layout.name}" expects ${order.length}`,
    );
  }
  return new Map(order.flatMap((name, i) => (name === null ? [] : [[name, i] as const])));
}

/** What a layout says of one band's columns. */
export function columnsFor(layout: Layout, { name, band }: Field): BandColumns | undefined {
  if (!band) return undefined;
  return layout.bands.find(({ only }) => !only || only.includes(name) || only.includes(band.group));
}

/** The name that a layout's templates have for a band. */
export const nameIn = (columns: BandColumns, field: Field): string => columns.aliases[field.name] ?? field.name;

export function bindBand(context: Context, index: number): FieldBinding | undefined {
  const { path, find, layout, survey, options } = context;
  const field = survey.fields[index];
  const columns = columnsFor(layout, field);
  if (!columns) return undefined;
  const name = nameIn(columns, field);
  const value = find(columns.value, name);
  if (!value) return undefined;
  const isScalar =
    namesFor(columns.value, "").join() !== namesFor(columns.value, "x").join() ||
    (columns.only?.length === 1 && value.width === 1);
  if (isScalar && value.width !== 1) {
    throw new UserError(`${path}: column "${value.name}" has ${value.width} elements a row, expected 1`);
  }
  const element = isScalar ? 0 : elementsOf(context, columns, value).get(field.name);
  if (element === undefined) return undefined;
  const error = find(columns.error, name);
  if (!error && columns.errorKind !== "none" && options.relativeError === undefined) {
    const wanted = namesFor(columns.error ?? "", name).join(" or ");
    throw new UserError(
      `${path}: column "${value.name}" has no error column, expected ${wanted}; ` +
        `--relative-error 0.05 would take 5 % of every flux that has none`,
    );
  }
  if (error && error.width !== value.width) {
    throw new UserError(
      `${path}: column "${error.name}" has ${error.width} elements, "${value.name}" has ${value.width}`,
    );
  }
  const reference = find(columns.times, name);
  if (columns.times !== undefined && !reference) {
    throw new UserError(
      `${path}: column "${value.name}" is relative to a column that is missing: ${namesFor(columns.times, name).join(" or ")}`,
    );
  }
  const state = find(columns.state, name);
  const dust = bindDust(context, field, name, element);
  const { unit, conversion } = reference
    ? bindRatio(context, value, reference, columns, field)
    : bindUnit(context, value, columns, field);
  return {
    field: index,
    value: [numeric(path, value, element)],
    error: error ? [numeric(path, error, element)] : [],
    errorKind: columns.errorKind,
    errorScale: error ? errorScaleOf(context, value, unit, error, columns.errorKind, columns, field) : 1,
    state: state && numeric(path, state, state.width > 1 ? element : 0),
    times: reference && numeric(path, reference, 0),
    floor: floorOf(context, columns, field),
    ...(dust === undefined ? {} : { dust }),
    flags: bindFlags(context, columns.flags, name, element),
    conversion,
  };
}

/** The conversion with what the layout says of the number itself; `unit` is undefined where that is no field's. */
function scaled(
  context: Context,
  column: ColumnSchema,
  told: PropertyColumn | undefined,
  field: Field,
): Partial<UnitBinding> & Pick<UnitBinding, "conversion"> {
  const { transform = "identity", factor = 1, offset = 0 } = told ?? {};
  if (transform !== "identity") {
    return { conversion: { kind: transform, factor: factor * factorBefore(context, column, told), offset } };
  }
  const { unit, conversion } = bindUnit(context, column, told, field);
  return {
    unit,
    conversion: { ...conversion, factor: conversion.factor * factor, offset: conversion.offset + offset },
  };
}

/** The conversion with the step to the survey's initial mass function, of the logarithm of a mass or rate. */
function withImf({ layout, survey }: Context, conversion: Conversion, field: Field): Conversion {
  if (field.kind !== "log" || field.counts === undefined) return conversion;
  const shift = imfShift(layout.imf ?? survey.file.imf, survey.file.imf, field.counts);
  return { ...conversion, offset: conversion.offset + shift };
}

/** A column of a ratio, in the unit of that where the file says both; errors are in the units of their numbers. */
function dividedBy(column: ColumnSchema, divisor: ColumnSchema): ColumnSchema {
  const { unit, ...rest } = column;
  const hasBoth = isStated(unit) && isStated(divisor.unit);
  return hasBoth ? { ...rest, unit: `(${unit})/(${divisor.unit})` } : rest;
}

/**
 * What holds for several columns that are added up or subtracted; `factorOf` is what must not differ.
 * @throws UserError for columns in different units.
 */
function sameFor<T>(
  path: string,
  columns: readonly ColumnSchema[],
  of: (column: ColumnSchema) => T,
  factorOf: (one: T) => number,
): T {
  const [first, ...rest] = columns.map(of);
  const other = rest.findIndex((one) => !(Math.abs(factorOf(one) / factorOf(first) - 1) < 1e-9));
  if (other < 0) return first;
  const [one, two] = [columns[0], columns[other + 1]].map(({ name, unit }) => `"${name}" (${unit ?? "no unit"})`);
  throw new UserError(`${path}: columns ${one} and ${two} are read together, expected the same unit`);
}

/** Columns of a property's errors; none where the table doesn't have them all. */
function errorColumns({ find }: Context, told: PropertyColumn | undefined, field: Field): ColumnSchema[] {
  const names = told?.interval ?? (told?.sum ? told.error : undefined);
  const columns = Array.isArray(names)
    ? names.map((name: string) => find(name, field.name))
    : [told ? find(told.error, field.name) : find(`${field.name}_err`, field.name)];
  const found = columns.flatMap((column) => column ?? []);
  return found.length === columns.length ? found : [];
}

/** The text of a cell as classes are told apart by. */
export const classKey = (text: unknown): string => String(text).trim().toLowerCase();

/** A category's column. @throws UserError for a layout that names a class which the field doesn't have. */
function bindCategory(
  context: Context,
  index: number,
  field: CategoryField,
  told: PropertyColumn | undefined,
): FieldBinding | undefined {
  const { path, layout, find } = context;
  const column = find(told?.value ?? field.name, field.name);
  if (column?.width !== 1) return undefined;
  const classes = new Map(field.classes.map((name, i) => [classKey(name), i]));
  for (const [text, name] of Object.entries(told?.classes ?? {})) {
    const i = field.classes.indexOf(name);
    if (i < 0) {
      throw new UserError(
        `${path}: layout "${layout.name}": ${field.name} has no class "${name}", expected one of ${field.classes.join(", ")}`,
      );
    }
    classes.set(classKey(text), i);
  }
  return {
    field: index,
    value: [{ column: column.name, element: 0 }],
    error: [],
    errorKind: "absolute",
    errorScale: 1,
    state: undefined,
    times: undefined,
    flags: told ? bindFlags(context, told.flags, field.name, 0) : [],
    conversion: { kind: "factor", factor: 1, offset: 0 },
    classes,
  };
}

/** A property's column: the layout's, else one with the field's own name, unless the layout knows it to be another thing. */
export function bindProperty(context: Context, index: number): FieldBinding | undefined {
  const { path, find, layout, survey } = context;
  const field = survey.fields[index];
  if (field.kind === "spectrum" || field.kind === "image") return undefined;
  if (isCorrectedAway(context, field)) return undefined;
  const told = [layout.properties, usualProperties].find((known) => Object.hasOwn(known, field.name))?.[field.name];
  if (!Object.hasOwn(layout.properties, field.name) && isIgnored(layout, field.name)) return undefined;
  if (field.kind === "category") return bindCategory(context, index, field, told);
  const parts = told?.sum
    ? told.sum.map((name) => find(name, field.name))
    : [find(told ? told.value : field.name, field.name)];
  const values = parts.flatMap((column) => (column?.width === 1 ? [column] : []));
  if (values.length < parts.length || (!told && values[0].name !== field.name)) return undefined;
  const state = told ? undefined : find(`${field.name}_state`, field.name);
  const errors = errorColumns(context, told, field);
  const errorKind = told?.interval ? "interval" : (told?.errorKind ?? "absolute");
  const divisor = told?.per === undefined ? undefined : find(told.per, field.name);
  if (told?.per !== undefined && divisor?.width !== 1) return undefined;
  const { unit, conversion } = sameFor(
    path,
    values,
    (column) => scaled(context, divisor === undefined ? column : dividedBy(column, divisor), told, field),
    (one) => one.conversion.factor,
  );
  const scaleOf = (error: ColumnSchema): number =>
    unit === undefined || divisor !== undefined
      ? 1
      : errorScaleOf(context, values[0], unit, error, errorKind, told, field);
  return {
    field: index,
    value: values.map((column) => numeric(path, column, 0)),
    error: errors.map((column) => numeric(path, column, 0)),
    errorKind,
    errorScale: errors.length > 0 ? sameFor(path, errors, scaleOf, Number) : 1,
    state: state && numeric(path, state, 0),
    times: undefined,
    ...(divisor === undefined ? {} : { per: bindDivisor(context, divisor, told, field) }),
    flags: told ? bindFlags(context, told.flags, field.name, 0) : [],
    conversion: withImf(context, conversion, field),
  };
}

function bindDivisor(
  { path, find }: Context,
  divisor: ColumnSchema,
  told: PropertyColumn | undefined,
  field: Field,
): NonNullable<FieldBinding["per"]> {
  const error = find(told?.perError, field.name);
  return { value: numeric(path, divisor, 0), error: error && numeric(path, error, 0) };
}
