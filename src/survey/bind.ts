import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import type { ColumnSchema } from "../io/table.ts";
import type { Field } from "./field.ts";
import { namesFor, ownLayout } from "./layout.ts";
import type { FlagRule, Layout } from "./layout.ts";
import type { Survey } from "./survey.ts";
import { convertUnit } from "./units.ts";
import type { Conversion } from "./units.ts";

/** Where a number stands: a column of the table, and an element of it. */
export interface Place {
  readonly column: string;
  readonly element: number;
}

export interface FlagPlace extends Place {
  readonly bits: readonly (readonly [bit: number, meaning: string])[];
}

/** Where one field's value, error, state and flags come from. */
export interface FieldBinding {
  /** Index in `survey.fields`. */
  readonly field: number;
  readonly value: Place;
  readonly error: Place | undefined;
  readonly errorKind: "absolute" | "relative" | "ivar";
  readonly state: Place | undefined;
  readonly flags: readonly FlagPlace[];
  readonly conversion: Conversion;
}

/** A layout fitted to the columns of one table. */
export interface Binding {
  readonly layout: Layout;
  readonly fields: readonly FieldBinding[];
  /** Template with the file's own column names; undefined: rows are numbered. */
  readonly objectId: string | undefined;
  readonly parentId: string | undefined;
  /** Columns that have to be read, and those that nothing is taken from. */
  readonly columns: readonly string[];
  readonly unused: readonly string[];
}

export interface BindOptions {
  /** Name of the layout, where several fit. */
  readonly layout?: string;
  /** 1 sigma error of a flux whose table has no error column, as a fraction of it. Without it that is an error. */
  readonly relativeError?: number;
}

type Finder = (template: string | readonly string[] | undefined, field: string) => ColumnSchema | undefined;

/** Finds columns by name: exactly, else whatever the case where only one column is meant. */
function makeFinder(path: string, schema: readonly ColumnSchema[], isExact: boolean): Finder {
  const byName = new Map(schema.map((column) => [column.name, column]));
  const byLower = new Map<string, ColumnSchema[]>();
  for (const column of isExact ? [] : schema) {
    const lower = column.name.toLowerCase();
    byLower.set(lower, [...(byLower.get(lower) ?? []), column]);
  }
  const one = (name: string): ColumnSchema | undefined => {
    const exact = byName.get(name);
    if (exact) return exact;
    const alike = byLower.get(name.toLowerCase()) ?? [];
    if (alike.length > 1) {
      throw new UserError(`${path}: column "${name}" may be any of ${alike.map((column) => column.name).join(", ")}`);
    }
    return alike[0];
  };
  return (template, field) => {
    if (template === undefined) return undefined;
    const found = namesFor(template, field).flatMap((name) => one(name) ?? []);
    if (found.length > 1) {
      const names = found.map((column) => column.name).join(", ");
      throw new UserError(`${path}: columns ${names} mean the same; keep one of them`);
    }
    return found[0];
  };
}

function conversionOf(path: string, column: ColumnSchema, fallback: string | undefined, field: Field): Conversion {
  const unit = column.unit ?? fallback ?? field.unit;
  const conversion = convertUnit(unit, field.unit, field.band?.pivot);
  if (conversion) return conversion;
  const wanted = field.band
    ? `${field.unit}, another flux per wavelength or frequency, or ABmag`
    : field.unit || "a pure number";
  throw new UserError(
    `${path}: column "${column.name}": unit "${unit}" does not convert to that of ${field.name}, expected ${wanted}; ` +
      `state it in the file (FITS TUNITn, a CSV comment "# unit ${column.name} = ${field.unit || "1"}")`,
  );
}

function numeric(path: string, column: ColumnSchema, element: number): Place {
  if (column.type === "string") {
    throw new UserError(`${path}: column "${column.name}" holds text, expected numbers`);
  }
  return { column: column.name, element };
}

function bindFlags(path: string, find: Finder, rules: readonly FlagRule[], name: string, element: number): FlagPlace[] {
  return rules.flatMap((rule) => {
    const column = find(rule.column, name);
    if (!column) return [];
    const bits = Object.entries(rule.bits).map(([bit, meaning]) => [Number(bit), meaning] as const);
    return [{ ...numeric(path, column, column.width > 1 ? element : 0), bits }];
  });
}

interface Context {
  readonly path: string;
  readonly find: Finder;
  readonly layout: Layout;
  readonly survey: Survey;
  readonly options: BindOptions;
}

/** Element of an array column for each field of the survey; undefined where it has none. */
function elementsOf({ path, layout, survey }: Context, column: ColumnSchema): Map<string, number> {
  const order = layout.bands?.order ?? survey.fields.flatMap((field) => (field.band ? [field.name] : []));
  if (column.width !== order.length) {
    throw new UserError(
      `${path}: column "${column.name}" has ${column.width} elements, layout "${layout.name}" expects ${order.length}`,
    );
  }
  return new Map(order.flatMap((name, i) => (name === null ? [] : [[name, i] as const])));
}

function bindBand(context: Context, index: number): FieldBinding | undefined {
  const { path, find, layout, survey, options } = context;
  const field = survey.fields[index];
  const columns = layout.bands;
  if (!columns) return undefined;
  const name = columns.aliases[field.name] ?? field.name;
  const value = find(columns.value, name);
  if (!value) return undefined;
  const isScalar = namesFor(columns.value, "").join() !== namesFor(columns.value, "x").join();
  if (isScalar && value.width !== 1) {
    throw new UserError(`${path}: column "${value.name}" has ${value.width} elements a row, expected 1`);
  }
  const element = isScalar ? 0 : elementsOf(context, value).get(field.name);
  if (element === undefined) return undefined;
  const error = find(columns.error, name);
  if (!error && options.relativeError === undefined) {
    const wanted = namesFor(columns.error ?? "", name).join(" or ");
    throw new UserError(`${path}: column "${value.name}" has no error column, expected ${wanted}`);
  }
  if (error && error.width !== value.width) {
    throw new UserError(
      `${path}: column "${error.name}" has ${error.width} elements, "${value.name}" has ${value.width}`,
    );
  }
  const state = find(columns.state, name);
  return {
    field: index,
    value: numeric(path, value, element),
    error: error && numeric(path, error, element),
    errorKind: columns.errorKind,
    state: state && numeric(path, state, state.width > 1 ? element : 0),
    flags: bindFlags(path, find, columns.flags, name, element),
    conversion: conversionOf(path, value, columns.unit, field),
  };
}

/** A property's column: the layout's, else one with the field's own name. */
function bindProperty({ path, find, layout, survey }: Context, index: number): FieldBinding | undefined {
  const field = survey.fields[index];
  const told = Object.hasOwn(layout.properties, field.name) ? layout.properties[field.name] : undefined;
  const value = told ? find(told.value, field.name) : find(field.name, field.name);
  if (!value || value.width !== 1 || (!told && value.name !== field.name)) return undefined;
  const error = told ? find(told.error, field.name) : find(`${field.name}_err`, field.name);
  const state = told ? undefined : find(`${field.name}_state`, field.name);
  return {
    field: index,
    value: numeric(path, value, 0),
    error: error && numeric(path, error, 0),
    errorKind: "absolute",
    state: state && numeric(path, state, 0),
    flags: told ? bindFlags(path, find, told.flags, field.name, 0) : [],
    conversion: conversionOf(path, value, told?.unit, field),
  };
}

/** Whether a table has what a layout is known by: bands with errors, or, lacking a bands part, a property. */
function fits({ find, layout, survey }: Omit<Context, "options">): "bands" | "properties" | undefined {
  const { bands } = layout;
  const hasBand = survey.fields.some((field) => {
    if (!bands || !field.band) return false;
    const name = bands.aliases[field.name] ?? field.name;
    const isNamed = find(bands.value, name) !== undefined;
    return isNamed && (layout === ownLayout || bands.error === undefined || find(bands.error, name) !== undefined);
  });
  if (hasBand) return "bands";
  const names = layout === ownLayout ? survey.fields.map((field) => field.name) : Object.keys(layout.properties);
  const hasProperty = names.some((name) => find(layout.properties[name]?.value ?? name, name) !== undefined);
  return hasProperty && (layout === ownLayout || !bands) ? "properties" : undefined;
}

function describeLayout(layout: Layout, survey: Survey): string {
  const first = survey.fields.find((field) => field.band)?.name ?? "";
  const value = layout.bands ? namesFor(layout.bands.value, first)[0] : Object.keys(layout.properties).join(", ");
  return `${layout.name} (${value}, ...)`;
}

function chooseLayout(path: string, schema: readonly ColumnSchema[], survey: Survey, wanted?: string): Layout {
  const layouts = [ownLayout, ...survey.layouts];
  if (wanted !== undefined) {
    const named = layouts.find((layout) => layout.name === wanted);
    if (named) return named;
    const names = layouts.map((layout) => layout.name);
    throw new UserError(`unknown layout "${wanted}"${didYouMean(wanted, names)}: expected one of ${names.join(", ")}`);
  }
  const fitting = layouts.flatMap((layout) => {
    const find = makeFinder(path, schema, layout === ownLayout);
    const by = fits({ path, find, layout, survey });
    return by ? [{ layout, by }] : [];
  });
  const byBands = fitting.filter(({ by }) => by === "bands");
  const candidates = byBands.length > 0 ? byBands : fitting;
  if (candidates.length === 1) return candidates[0].layout;
  const list = (some: readonly Layout[]): string => some.map((layout) => describeLayout(layout, survey)).join(", ");
  if (candidates.length > 1) {
    throw new UserError(
      `${path}: several layouts fit its columns: ${list(candidates.map(({ layout }) => layout))}; choose one`,
    );
  }
  const fieldNames = survey.fields.map((field) => field.name);
  const near = schema.map(({ name }) => ({ name, hint: didYouMean(name, fieldNames) })).find(({ hint }) => hint !== "");
  const shown = schema
    .slice(0, 8)
    .map((column) => column.name)
    .join(", ");
  throw new UserError(
    `${path}: no column of survey "${survey.name}" among its ${schema.length} (${shown}${schema.length > 8 ? ", ..." : ""})` +
      `${near ? `; "${near.name}"${near.hint}` : ""}; expected a layout of ${list(layouts)}`,
  );
}

/** The id template with the file's spelling of its columns; undefined when one of them is not there. */
function bindTemplate(find: Finder, template: string | undefined): string | undefined {
  if (template === undefined) return undefined;
  let isWhole = true;
  const bound = template.replace(/\{([^}]+)\}/g, (_, name: string) => {
    const column = find(name, name);
    if (!column || column.width !== 1) isWhole = false;
    return `{${column?.name ?? name}}`;
  });
  return isWhole ? bound : undefined;
}

/** Names in braces of an id template. */
export function templateColumns(template: string | undefined): string[] {
  return Array.from(template?.matchAll(/\{([^}]+)\}/g) ?? [], (match) => match[1]);
}

/**
 * Fits a survey's layout to the columns of a table.
 * @throws UserError when none or several fit, a unit does not convert, or an error column is missing.
 */
export function bindLayout(
  path: string,
  schema: readonly ColumnSchema[],
  survey: Survey,
  options: BindOptions = {},
): Binding {
  const layout = chooseLayout(path, schema, survey, options.layout);
  const find = makeFinder(path, schema, layout === ownLayout);
  const context: Context = { path, find, layout, survey, options };
  const fields = survey.fields.flatMap(
    (field, i) => (field.band ? bindBand(context, i) : bindProperty(context, i)) ?? [],
  );
  if (fields.length === 0) throw new UserError(`${path}: layout "${layout.name}" finds none of its columns`);
  const objectId = bindTemplate(find, layout.objectId);
  const parentId = bindTemplate(find, layout.parentId);
  const used = new Set([
    ...fields.flatMap(({ value, error, state, flags }) =>
      [value, error, state, ...flags].flatMap((place) => (place ? [place.column] : [])),
    ),
    ...templateColumns(objectId),
    ...templateColumns(parentId),
  ]);
  const names = schema.map((column) => column.name);
  return {
    layout,
    fields,
    objectId,
    parentId,
    columns: names.filter((name) => used.has(name)),
    unused: names.filter((name) => !used.has(name)),
  };
}
