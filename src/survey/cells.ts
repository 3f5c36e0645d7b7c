/** From the columns of a batch to one field's values, errors and states: the loops that every value passes. */
import type { Column } from "../io/table.ts";
import type { DustBinding } from "./bind-corrections.ts";
import { classKey, type FieldBinding, type FlagPlace, type Place } from "./bind-fields.ts";
import { State } from "./field.ts";
import type { Field } from "./field.ts";
import { largestError, saysNothing } from "./information.ts";
import { convertError, convertValue } from "./units.ts";

export type Columns = ReadonlyMap<string, Column>;

function columnAt(columns: Columns, { column }: Place): Column {
  const found = columns.get(column);
  if (!found) throw new Error(`column "${column}" was bound but not read`);
  return found;
}

/** Steps of single precision, relative to the number. */
const SINGLE = 2 ** -23;

/** A number as it was meant: a `magic` one that went through single precision is that number again. */
export function meant(x: number, magic: readonly number[]): number {
  for (const m of magic) if (Math.abs(x - m) <= Math.abs(m) * SINGLE) return m;
  return x;
}

/**
 * [rowCount] The numbers at a place of a table; NaN where missing. A `magic` number that went through single precision
 * (99.999 becomes 99.9990005) is that number again.
 */
function numbersAt(columns: Columns, place: Place, rowCount: number, magic: readonly number[]): Float64Array {
  const { data, width, isValid } = columnAt(columns, place);
  const out = new Float64Array(rowCount);
  if (data instanceof Float32Array || data instanceof Float64Array) {
    for (let row = 0, at = place.element; row < rowCount; row++, at += width) {
      out[row] = meant(data[at], magic);
    }
  } else {
    for (let row = 0, at = place.element; row < rowCount; row++, at += width) out[row] = Number(data[at]);
  }
  if (isValid) for (let row = 0; row < rowCount; row++) if (isValid[row] === 0) out[row] = NaN;
  return out;
}

/** Adds up columns; where one of them has no number, or a magic one, that is the sum. */
function sumOf(parts: readonly Float64Array[], isMagic: (x: number) => boolean): Float64Array {
  const [sum, ...rest] = parts;
  for (const part of rest) {
    for (let row = 0; row < sum.length; row++) {
      if (!isMagic(sum[row])) sum[row] = isMagic(part[row]) ? part[row] : sum[row] + part[row];
    }
  }
  return sum;
}

/** One error column from several, of values that are added up (in quadrature) or of quantiles (half the distance). */
function errorsOf(
  parts: readonly Float64Array[],
  kind: FieldBinding["errorKind"],
  isMagic: (x: number) => boolean,
): Float64Array | undefined {
  if (parts.length < 2) return parts[0];
  return parts[0].map((_, row) => {
    const own = parts.map((part) => part[row]);
    const odd = own.find((x) => isMagic(x) || !Number.isFinite(x) || (kind !== "interval" && x <= 0));
    if (odd !== undefined) return odd;
    if (kind === "interval") return (own[1] - own[0]) / 2;
    const variance = own.reduce((sum, x) => sum + (kind === "ivar" ? 1 / x : x * x), 0);
    return kind === "ivar" ? 1 / variance : Math.sqrt(variance);
  });
}

/** [rowCount] Why a row is not to be used, by its flags; undefined where it is. */
export function readFlags(columns: Columns, places: readonly FlagPlace[], rowCount: number): (string | undefined)[] {
  const reasons = new Array<string | undefined>(rowCount);
  for (const place of places) {
    const { bits, values } = place;
    const { data, width, isValid } = columnAt(columns, place);
    for (let row = 0, at = place.element; row < rowCount; row++, at += width) {
      if (isValid && isValid[row] === 0) continue;
      const set = data[at];
      if (set === 0 && values.size === 0) continue;
      const number = Number(set);
      // Flags beyond 32 bits come as floats: test the bit by division.
      const hit = number > 0 ? bits.find(([bit]) => Math.floor(number / bit) % 2 === 1) : undefined;
      const meaning = values.get(typeof set === "string" ? set.trim() : String(set));
      if (hit) reasons[row] ??= `flag ${hit[0]}: ${hit[1]}`;
      else if (meaning !== undefined) reasons[row] ??= `${place.column} ${String(set).trim()}: ${meaning}`;
    }
  }
  return reasons;
}

/**
 * Why the error column gives no 1 sigma, or undefined where it does. A relative error may carry the sign of its flux
 * (error / flux) or not: |flux| x |relative error| either way, but negative beside a positive flux is none.
 */
function errorProblem(kind: FieldBinding["errorKind"], x: number, e: number, isMagic: boolean): string | undefined {
  if (Number.isNaN(e)) return "error missing";
  if (!Number.isFinite(e)) return "error infinite";
  if (isMagic) return "error is a magic value";
  if (e < 0 && (kind !== "relative" || x > 0)) return "error negative";
  return e === 0 || (kind === "relative" && x === 0) ? "error zero" : undefined;
}

function sigmaOf(kind: FieldBinding["errorKind"], x: number, e: number): number {
  if (kind === "relative") return Math.abs(x * e);
  return kind === "ivar" ? 1 / Math.sqrt(e) : e;
}

/** Where the readings of a batch go; entry (row, field) is at `row * fieldCount + field`. */
export interface Sink {
  readonly fieldCount: number;
  readonly value: Float32Array;
  readonly error: Float32Array;
  readonly state: Uint8Array;
  /** A value that was there and is not used, or a label whose error isn't. */
  reject(row: number, reason: string, stored: number, error: number | undefined): void;
}

export interface CellOptions {
  readonly magic: readonly number[];
  /** Magnitudes, and their errors, that are none: of this size and beyond. */
  readonly noMagnitude: number;
  readonly relativeError: number;
  /** [rowCount] Rows that their flags rule out, and why. */
  readonly rowFlags: readonly (string | undefined)[] | undefined;
}

/** Labels stay without a usable error: it is unknown then. */
export const LABEL_KEPT = "label kept without its error: ";

/** What an error, or an upper limit, beyond `largestError` makes of a value. */
const NO_INFORMATION = "error so large that the value says nothing";

/** Why the number of a cell is none; undefined where it is one. `told`: the state that the table gives. */
function valueProblem(x: number, told: number | undefined, isMagic: (x: number) => boolean): string | undefined {
  if (told !== undefined && told !== 1 && told !== 2 && told !== 3) return "unknown state code";
  if (Number.isNaN(x)) return "value missing";
  if (!Number.isFinite(x)) return "value infinite";
  return isMagic(x) ? "magic value" : undefined;
}

/** What fluxes are multiplied by to lose the Milky Way's dust; NaN where the table doesn't say. */
const gainsOf = (numbers: Float64Array, { gain }: DustBinding, isMagic: (x: number) => boolean): Float64Array =>
  numbers.map((x) => (isMagic(x) ? NaN : gain(x)));

/** Columns of one field, as numbers. */
function gather(columns: Columns, rowCount: number, binding: FieldBinding, magic: readonly number[]) {
  const isMagic = (x: number): boolean => magic.includes(x);
  const at = (place: Place): Float64Array => numbersAt(columns, place, rowCount, magic);
  const values = sumOf(binding.value.map(at), isMagic);
  const errors = errorsOf(binding.error.map(at), binding.errorKind, isMagic);
  const { per } = binding;
  const references = binding.times ? at(binding.times) : per && at(per.value).map((x) => (isMagic(x) ? NaN : 1 / x));
  if (per?.error !== undefined && errors !== undefined && references !== undefined) {
    const ofDivisor = at(per.error);
    for (let row = 0; row < rowCount; row++) {
      // sigma of a / b, times b: error of a and ratio times error of b in quadrature; odd errors stay as they are
      const more = values[row] * references[row] * ofDivisor[row];
      if (errors[row] > 0 && !isMagic(errors[row]) && ofDivisor[row] > 0) errors[row] = Math.hypot(errors[row], more);
    }
  }
  return {
    values,
    errors,
    references,
    states: binding.state && at(binding.state),
    gains: binding.dust && gainsOf(at(binding.dust.place), binding.dust, isMagic),
    flags: binding.flags.length > 0 ? readFlags(columns, binding.flags, rowCount) : undefined,
  };
}

/** Reads a category of every row: texts that stand for a class; empty ones are no observation. */
function readClasses(
  columns: Columns,
  rowCount: number,
  binding: FieldBinding,
  classes: ReadonlyMap<string, number>,
  { rowFlags }: CellOptions,
  sink: Sink,
): number {
  const { data, isValid } = columnAt(columns, binding.value[0]);
  const flags = binding.flags.length > 0 ? readFlags(columns, binding.flags, rowCount) : undefined;
  let used = 0;
  for (let row = 0; row < rowCount; row++) {
    const text = isValid?.[row] === 0 ? "" : classKey(data[row] ?? "");
    if (text === "" || text === "nan") continue;
    const index = classes.get(text);
    const problem = flags?.[row] ?? rowFlags?.[row] ?? (index === undefined ? `unknown class "${text}"` : undefined);
    if (problem !== undefined) {
      sink.reject(row, problem, Number(text), undefined);
      continue;
    }
    const out = row * sink.fieldCount + binding.field;
    sink.value[out] = index!;
    sink.state[out] = State.measured;
    used++;
  }
  return used;
}

/** How the values of a field were used. */
export interface Usage {
  /** Values used. */
  readonly used: number;
  /** Of these, how many lost the Milky Way's dust, had none to lose for want of a number, and got an error floor. */
  readonly corrected: number;
  readonly uncorrected: number;
  readonly floored: number;
}

/** What a value that is multiplied or divided by a column lacks. */
const lacking = ({ per }: FieldBinding): string =>
  per === undefined ? "no reference flux" : "nothing above zero to divide by";

/** 1 sigma of a cell in the field's unit, and why the table has none; a table without errors has a fraction of the value. */
function readSigma(
  { conversion, errorKind, errorScale }: FieldBinding,
  { value, x, reference }: { readonly value: number; readonly x: number; readonly reference: number },
  e: number | undefined,
  relativeError: number,
  isMagic: (x: number) => boolean,
): { readonly sigma: number; readonly wrong: string | undefined } {
  if (errorKind === "none") return { sigma: 0, wrong: undefined };
  if (e === undefined) {
    const sigma = Math.abs(value) * relativeError;
    return { sigma, wrong: sigma === 0 ? "error zero" : undefined };
  }
  const wrong = errorProblem(errorKind, x, e, isMagic(e));
  if (wrong !== undefined) return { sigma: 0, wrong };
  const sigma = convertError(conversion, x * reference, sigmaOf(errorKind, x, e) * errorScale * reference);
  return { sigma, wrong };
}

/** Reads one field of every row into `sink`. */
export function readField(
  columns: Columns,
  rowCount: number,
  binding: FieldBinding,
  field: Field,
  options: CellOptions,
  sink: Sink,
): Usage {
  const counts = { used: 0, corrected: 0, uncorrected: 0, floored: 0 };
  if (binding.classes !== undefined) {
    return { ...counts, used: readClasses(columns, rowCount, binding, binding.classes, options, sink) };
  }
  const { magic, rowFlags, relativeError } = options;
  const { values, errors, states, references, gains, flags } = gather(columns, rowCount, binding, magic);
  const { conversion, floor = 0 } = binding;
  const noSize = ["magAB", "asinh"].includes(conversion.kind) ? options.noMagnitude : Infinity;
  const isMagic = (x: number): boolean => magic.includes(x) || Math.abs(x) >= noSize;
  const largest = largestError(field);
  const [low, high] = field.range;
  const isBand = field.band !== undefined;
  for (let row = 0, out = binding.field; row < rowCount; row++, out += sink.fieldCount) {
    const x = values[row];
    const told = states === undefined || Number.isNaN(states[row]) ? undefined : states[row];
    if (told === State.notObserved || (Number.isNaN(x) && told === undefined)) continue;
    const reference = references === undefined ? 1 : references[row];
    const gain = gains === undefined || Number.isNaN(gains[row]) ? 1 : gains[row];
    const value = convertValue(conversion, x * reference) * gain;
    const problem =
      valueProblem(x, told, isMagic) ??
      flags?.[row] ??
      rowFlags?.[row] ??
      (reference > 0 && reference < Infinity && !isMagic(reference) ? undefined : lacking(binding)) ??
      (value >= low && value <= high ? undefined : `outside the possible range of ${field.name}`);
    if (problem !== undefined) {
      sink.reject(row, problem, x, errors?.[row]);
      continue;
    }
    const e = errors?.[row];
    const { sigma: own, wrong } = readSigma(binding, { value: value / gain, x, reference }, e, relativeError, isMagic);
    const state = (told ?? State.measured) as State;
    // An upper limit has no error to begin with.
    const isFloored = floor > 0 && own > 0 && state !== State.upperLimit;
    const sigma = isFloored ? Math.hypot(own * gain, floor * value) : own * gain;
    const error = Math.fround(sigma);
    const isUsable = error > 0 && error < Infinity;
    if (saysNothing(field, largest, value, sigma, state)) {
      sink.reject(row, NO_INFORMATION, x, e);
      continue;
    }
    // An inverse variance of zero says that nothing was measured: a label beside it is filler, not a zero.
    const isFiller = binding.errorKind === "ivar" && e === 0;
    if (((isBand && binding.errorKind !== "none") || isFiller) && !isUsable && state !== State.upperLimit) {
      sink.reject(row, isBand ? (wrong ?? "error zero") : "inverse variance zero", x, e);
      continue;
    }
    // A label without a stated error is as it should be; one with an odd error is counted.
    if (!isBand && e !== undefined && wrong !== undefined && !Number.isNaN(e)) {
      sink.reject(row, LABEL_KEPT + wrong, x, e);
    }
    sink.value[out] = value;
    sink.error[out] = isUsable ? error : 0;
    sink.state[out] = state;
    counts.used++;
    if (isFloored) counts.floored++;
    if (gains !== undefined) counts[Number.isNaN(gains[row]) ? "uncorrected" : "corrected"]++;
  }
  return counts;
}
