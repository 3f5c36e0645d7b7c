/** Which unit a column is in: what the user, the file and the layout say of it, and that of its error. */
import { UserError } from "../errors.ts";
import type { ColumnSchema } from "../io/table.ts";
import type { BindOptions, Context, FieldBinding } from "./bind-fields.ts";
import type { Field } from "./field.ts";
import { bandValue, type UnitRule } from "./layout.ts";
import { convertUnit, isStated, isUnitless, parseUnit, type Unit, unitOfSigma } from "./units.ts";
import type { Conversion } from "./units.ts";

/** Whether a name is one that a pattern means, `*` standing for any characters. */
export function matches(pattern: string, name: string): boolean {
  const escaped = pattern.split("*").map((part) => part.replaceAll(/[\\^$.|?+()[\]{}]/g, String.raw`\$&`));
  return new RegExp(`^${escaped.join(".*")}$`).test(name);
}

/** The unit that `--unit` states for a column. */
function statedUnit(options: BindOptions, column: string, isBare: boolean): string | undefined {
  return options.units?.findLast((rule) => (rule.column === "*") === isBare && matches(rule.column, column))?.unit;
}

/** What the file says, but for spellings that the layout knows to be wrong. */
function fileUnit({ unit }: ColumnSchema, rule: UnitRule | undefined): string | undefined {
  return isStated(unit) && !rule?.insteadOf?.includes(unit.trim()) ? unit.trim() : undefined;
}

/** The unit that the user, the file or the layout (`told`) says; undefined where none does. */
export const saidUnit = ({ options }: Context, column: ColumnSchema, told: string | undefined): string | undefined =>
  statedUnit(options, column.name, false) ?? fileUnit(column, undefined) ?? told;

/** What a unit of `field` may be, for messages. */
function expected(field: Field): string {
  if (field.band) return `${field.unit}, another flux per wavelength or frequency, or ABmag`;
  return field.unit || "a pure number";
}

const remedy = (column: string, unit: string): string => `state the right one with --unit "${column}=${unit || "1"}"`;

/** @throws UserError for a unit that is not understood. */
function understood(path: string, column: string, unit: string, wanted: string, right: string): Unit {
  const parsed = parseUnit(unit);
  if (parsed) return parsed;
  throw new UserError(
    `${path}: column "${column}": unit "${unit}" is not understood, expected ${wanted}; ${remedy(column, right)}`,
  );
}

/**
 * A unit as stated or written, in the layout's magnitude system where it is magnitudes and names none.
 * @throws UserError where the file and the layout name different systems.
 */
function withSystem({ path, layout }: Context, column: string, own: string, isFile: boolean, told?: string): string {
  const [unit, other] = [parseUnit(own), told === undefined ? undefined : parseUnit(told)];
  if (told === undefined || unit?.dimension !== "mag" || other?.dimension !== "mag") return own;
  if (other.system === undefined || unit.factor !== other.factor) return own;
  if (unit.system === undefined) return told;
  if (unit.system === other.system || !isFile) return own;
  throw new UserError(
    `${path}: column "${column}": the file says "${own}", layout "${layout.name}" ${told}, expected one system; ` +
      remedy(column, own),
  );
}

/**
 * The unit that a column's values are in: the user's word, then the file's, then the layout's.
 * @throws UserError where none of them says, or two magnitude systems are named.
 */
function unitOf(context: Context, column: ColumnSchema, rule: UnitRule | undefined, field: Field): string {
  const { path, options } = context;
  const stated = statedUnit(options, column.name, false);
  const written = fileUnit(column, rule);
  const meant = (unit: string | undefined): string | undefined => (unit === "survey" ? field.unit : unit);
  const [own, told] = [meant(stated ?? written), meant(rule?.unit)];
  if (own !== undefined) return withSystem(context, column.name, own, stated === undefined, told);
  const unit =
    told ?? meant(statedUnit(options, column.name, true)) ?? (isUnitless(field.unit) ? field.unit : undefined);
  if (unit !== undefined) return unit;
  throw new UserError(
    `${path}: column "${column.name}" has no unit, expected e.g. ${field.unit}: state it with ` +
      `--unit "${column.name}=${field.unit}", or --unit "*=survey" if all that have none are in the survey's own`,
  );
}

/** A column's unit, and how its numbers become those of a field. */
export interface UnitBinding {
  readonly unit: string;
  readonly conversion: Conversion;
}

/** @throws UserError for a unit that is missing, not understood, or does not convert. */
export function bindUnit(
  context: Context,
  column: ColumnSchema,
  rule: UnitRule | undefined,
  field: Field,
): UnitBinding {
  const { path } = context;
  const unit = unitOf(context, column, rule, field);
  const softening = bandValue(rule?.softening, field.name);
  const conversion = convertUnit(unit, field.unit, field.band && { ...field.band, softening });
  if (conversion) return { unit, conversion };
  const parsed = understood(path, column.name, unit, expected(field), field.unit);
  if (parsed.dimension === "mag" && parsed.system === "Vega" && field.band) {
    throw new UserError(
      `${path}: column "${column.name}" is in "${unit}", but the survey doesn't say which AB magnitude Vega has in ` +
        `${field.name}, expected vegaAB in its row; or ${remedy(column.name, "ABmag")}`,
    );
  }
  if (parsed.dimension === "mag" && parsed.system === "asinh" && field.band) {
    throw new UserError(
      `${path}: column "${column.name}" is in "${unit}", but layout "${context.layout.name}" doesn't say the softening b ` +
        `of ${field.name}, expected e.g. softening: { ${field.name}: 1.2e-10 }; or ${remedy(column.name, "ABmag")}`,
    );
  }
  throw new UserError(
    `${path}: column "${column.name}": unit "${unit}" does not convert to that of ${field.name}, expected ` +
      `${expected(field)}; ${remedy(column.name, field.unit)}`,
  );
}

/**
 * The same for fluxes that are multiplied by a reference's: a pure number times its unit.
 * @throws UserError also for a column that has a unit of its own, for it is no ratio then.
 */
export function bindRatio(
  context: Context,
  column: ColumnSchema,
  reference: ColumnSchema,
  rule: UnitRule | undefined,
  field: Field,
): UnitBinding {
  const { path, options } = context;
  const written = fileUnit(column, rule);
  if (statedUnit(options, column.name, false) === undefined && written !== undefined && !isUnitless(written)) {
    throw new UserError(
      `${path}: column "${column.name}" is in "${written}", expected a pure number: layout "${context.layout.name}" ` +
        `multiplies it by "${reference.name}"; choose another with --layout, or ${remedy(column.name, field.unit)}`,
    );
  }
  // What the user says of the ratio is the unit of the product.
  const isProduct = statedUnit(options, column.name, false) !== undefined;
  const { unit, conversion } = bindUnit(context, isProduct ? column : reference, rule, field);
  if (conversion.kind === "factor") return { unit: "", conversion };
  throw new UserError(
    `${path}: column "${reference.name}" is in "${unit}", expected a flux: layout "${context.layout.name}" multiplies ` +
      `"${column.name}" by it; ${remedy(reference.name, field.unit)}`,
  );
}

/**
 * What a transformed number is to be multiplied by: from its unit to the one that the layout's formula is for.
 * @throws UserError for a unit that is not understood or does not convert to that.
 */
export function factorBefore(context: Context, column: ColumnSchema, rule: UnitRule | undefined): number {
  const own = statedUnit(context.options, column.name, false) ?? fileUnit(column, rule);
  const wanted = rule?.unit;
  if (own === undefined || own === "survey" || wanted === undefined) return 1;
  const conversion = convertUnit(own, wanted);
  if (conversion?.kind === "factor" && conversion.offset === 0) return conversion.factor;
  understood(context.path, column.name, own, wanted, wanted);
  throw new UserError(
    `${context.path}: column "${column.name}": unit "${own}" does not convert to ${wanted}, which layout ` +
      `"${context.layout.name}" takes it for; ${remedy(column.name, wanted)}`,
  );
}

/** The unit of 1 sigma that an error column says, where it says any. */
function unitOfError(
  { options }: Context,
  value: ColumnSchema,
  error: ColumnSchema,
  rule: UnitRule | undefined,
  field: Field,
): string | undefined {
  const stated = options.units?.findLast(({ column }) => column === error.name)?.unit;
  if (stated !== undefined) return stated === "survey" ? field.unit : stated;
  // What the user says of values holds for their errors.
  return statedUnit(options, value.name, false) === undefined ? fileUnit(error, rule) : undefined;
}

/** From one unit of sigma to that of the value; undefined where there is no factor. */
function ratioOf(sigma: Unit, unit: string, field: Field, text: string): number | undefined {
  const own = parseUnit(unit);
  if (own?.dimension === "mag") return sigma.dimension === "mag" ? sigma.factor / own.factor : undefined;
  const isPure = sigma.dimension === "linear" && sigma.signature === "" && sigma.factor === 1;
  if (own?.dimension === "dex") return sigma.dimension === "dex" || isPure ? 1 : undefined;
  if (sigma.dimension !== "linear" || own === undefined) return undefined;
  if (own.signature === sigma.signature) return sigma.factor / own.factor;
  const [of, like] = [unit, text].map((one) => convertUnit(one, field.unit, field.band));
  return of?.kind === "factor" && like?.kind === "factor" ? like.factor / of.factor : undefined;
}

/**
 * What turns 1 sigma, as an error column gives it, into the unit of its value; `unit` is that.
 * @throws UserError for units that differ by more than a factor: no error of magnitudes in nanojansky.
 */
export function errorScaleOf(
  context: Context,
  value: ColumnSchema,
  unit: string,
  error: ColumnSchema,
  kind: FieldBinding["errorKind"],
  rule: UnitRule | undefined,
  field: Field,
): number {
  const { path } = context;
  const text = unitOfError(context, value, error, rule, field);
  if (text === undefined) return 1;
  const wanted = { absolute: unit, interval: unit, none: unit, relative: "1", ivar: `(${unit})-2` }[kind];
  const sigma = kind === "ivar" ? unitOfSigma(text) : text;
  const parsed = understood(path, error.name, kind === "ivar" && parseUnit(text) ? sigma : text, wanted, wanted);
  if (kind === "relative") {
    if (parsed.dimension === "linear" && parsed.signature === "") return parsed.factor;
  } else {
    const ratio = ratioOf(parsed, unit, field, sigma);
    if (ratio !== undefined) return ratio;
  }
  const what = {
    absolute: "an error",
    none: "no error",
    interval: "quantiles",
    relative: "a relative error",
    ivar: "an inverse variance",
  };
  throw new UserError(
    `${path}: column "${error.name}" is in "${text}", "${value.name}" in "${unit}": expected ${what[kind]} in a unit ` +
      `that converts to ${kind === "absolute" ? "that of its value" : wanted}; ${remedy(error.name, wanted)}`,
  );
}
