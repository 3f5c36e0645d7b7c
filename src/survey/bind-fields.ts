/** Fits the columns of one table to the fields of a survey: places, units, errors, flags. */
import { UserError } from "../errors.ts";
import type { ColumnSchema } from "../io/table.ts";
import type { CategoryField, Field } from "./field.ts";
import type { Finder } from "./find.ts";
import { namesFor } from "./layout.ts";
import type { BandColumns, FlagRule, Layout, PropertyColumn } from "./layout.ts";
import type { Survey } from "./survey.ts";
import { convertUnit, parseUnit } from "./units.ts";
import type { Conversion } from "./units.ts";

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
  readonly errorKind: "absolute" | "relative" | "ivar" | "interval";
  /** An absolute error times this is in the unit of its value. */
  readonly errorScale: number;
  readonly state: Place | undefined;
  /** Value and error are multiplied by what stands here. */
  readonly times: Place | undefined;
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
}

function matches(pattern: string, name: string): boolean {
  const escaped = pattern.split("*").map((part) => part.replaceAll(/[\\^$.|?+()[\]{}]/g, String.raw`\$&`));
  return new RegExp(`^${escaped.join(".*")}$`).test(name);
}

/** The unit that `--unit` states for a column. */
function statedUnit(options: BindOptions, column: string, isBare: boolean): string | undefined {
  return options.units?.findLast((rule) => (rule.column === "*") === isBare && matches(rule.column, column))?.unit;
}

/** Pure numbers and logarithms need no unit. */
function needsUnit(field: Field): boolean {
  const unit = parseUnit(field.unit);
  return unit?.dimension !== "none" && unit?.dimension !== "dex";
}

function conversionOf(
  { path, options }: Context,
  column: ColumnSchema,
  layoutUnit: string | undefined,
  field: Field,
): Conversion {
  const stated = statedUnit(options, column.name, false);
  const told = column.unit?.trim() === "" ? undefined : column.unit;
  const candidates = [
    stated,
    ...(stated === undefined
      ? [told, layoutUnit, told === undefined ? statedUnit(options, column.name, true) : undefined]
      : []),
  ]
    .filter((unit) => unit !== undefined)
    .map((unit) => (unit === "survey" ? field.unit : unit));
  if (candidates.length === 0 && !needsUnit(field)) candidates.push(field.unit);
  for (const unit of candidates) {
    const conversion = convertUnit(unit, field.unit, field.band);
    if (conversion) return conversion;
  }
  if (candidates.length === 0) {
    throw new UserError(
      `${path}: column "${column.name}" has no unit, expected e.g. ${field.unit}: state it with ` +
        `--unit "${column.name}=${field.unit}", or --unit "*=survey" if all that have none are in the survey's own`,
    );
  }
  const wanted = field.band
    ? `${field.unit}, another flux per wavelength or frequency, or ABmag`
    : field.unit || "a pure number";
  throw new UserError(
    `${path}: column "${column.name}": unit "${candidates[0]}" does not convert to that of ${field.name}, expected ` +
      `${wanted}; state the right one with --unit "${column.name}=${field.unit || "1"}"`,
  );
}

/**
 * What turns an absolute error's unit into that of its value.
 * @throws UserError for units that differ by more than a factor: no error of magnitudes in nanojansky.
 */
function errorScaleOf({ path, options }: Context, value: ColumnSchema, error: ColumnSchema, field: Field): number {
  // What the user says of values holds for their errors.
  if (statedUnit(options, value.name, false) !== undefined) return 1;
  const stated = options.units?.findLast(({ column }) => column === error.name)?.unit;
  const [own, other] = [value.unit ?? "", stated === "survey" ? field.unit : (stated ?? error.unit ?? "")];
  if (other === "" || own === "" || own === other) return 1;
  const [of, like] = [own, other].map((unit) => convertUnit(unit, field.unit, field.band));
  if (!of) return 1; // the value's own unit is the trouble, and is told so
  if (like && of.kind === like.kind) {
    const ratio = like.factor / of.factor;
    if (of.kind === "factor" || Math.abs(ratio - 1) < 1e-6) return ratio;
  }
  throw new UserError(
    `${path}: column "${error.name}" is in "${other}", "${value.name}" in "${own}": expected an error in a unit that ` +
      `converts to that of its value; state the right one with --unit "${error.name}=${own}"`,
  );
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
  if (!error && options.relativeError === undefined) {
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
  const isPlain = error !== undefined && columns.errorKind === "absolute";
  const reference = find(columns.times, name);
  if (columns.times !== undefined && !reference) {
    throw new UserError(
      `${path}: column "${value.name}" is relative to a column that is missing: ${namesFor(columns.times, name).join(" or ")}`,
    );
  }
  const state = find(columns.state, name);
  return {
    field: index,
    value: [numeric(path, value, element)],
    error: error ? [numeric(path, error, element)] : [],
    errorKind: columns.errorKind,
    errorScale: isPlain ? errorScaleOf(context, value, error, field) : 1,
    state: state && numeric(path, state, state.width > 1 ? element : 0),
    times: reference && numeric(path, reference, 0),
    flags: bindFlags(context, columns.flags, name, element),
    conversion: conversionOf(context, value, columns.unit, field),
  };
}

/** The conversion with what the layout says of the number itself. */
function scaled(context: Context, column: ColumnSchema, told: PropertyColumn | undefined, field: Field): Conversion {
  const { transform = "identity", factor = 1, offset = 0 } = told ?? {};
  if (transform !== "identity") return { kind: transform, factor, offset };
  const conversion = conversionOf(context, column, told?.unit, field);
  return { ...conversion, factor: conversion.factor * factor, offset: conversion.offset + offset };
}

/** Columns of a property's errors; none where the table doesn't have them all. */
function errorPlaces({ path, find }: Context, told: PropertyColumn | undefined, field: Field): Place[] {
  const names = told?.interval ?? (told?.sum ? told.error : undefined);
  const columns = Array.isArray(names)
    ? names.map((name: string) => find(name, field.name))
    : [told ? find(told.error, field.name) : find(`${field.name}_err`, field.name)];
  const found = columns.flatMap((column) => (column ? [numeric(path, column, 0)] : []));
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

/** A property's column: the layout's, else one with the field's own name. */
export function bindProperty(context: Context, index: number): FieldBinding | undefined {
  const { path, find, layout, survey } = context;
  const field = survey.fields[index];
  const told = Object.hasOwn(layout.properties, field.name) ? layout.properties[field.name] : undefined;
  if (field.kind === "category") return bindCategory(context, index, field, told);
  const parts = told?.sum
    ? told.sum.map((name) => find(name, field.name))
    : [find(told ? told.value : field.name, field.name)];
  const values = parts.flatMap((column) => (column?.width === 1 ? [column] : []));
  if (values.length < parts.length || (!told && values[0].name !== field.name)) return undefined;
  const state = told ? undefined : find(`${field.name}_state`, field.name);
  const error = find(told ? (told.sum ? undefined : told.error) : `${field.name}_err`, field.name);
  const isPlain = (told?.transform ?? "identity") === "identity" && (told?.errorKind ?? "absolute") === "absolute";
  return {
    field: index,
    value: values.map((column) => numeric(path, column, 0)),
    error: errorPlaces(context, told, field),
    errorKind: told?.interval ? "interval" : (told?.errorKind ?? "absolute"),
    errorScale: error && isPlain ? errorScaleOf(context, values[0], error, field) : 1,
    state: state && numeric(path, state, 0),
    times: undefined,
    flags: told ? bindFlags(context, told.flags, field.name, 0) : [],
    conversion: scaled(context, values[0], told, field),
  };
}
