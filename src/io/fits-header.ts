import { UserError } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";

/** FITS Standard 4.0 (2016): headers and data units come in blocks of 2,880 bytes, headers in cards of 80. */
export const BLOCK = 2880;
export const CARD = 80;

export type FitsValue = string | number | bigint | boolean | undefined;

export interface FitsHeader {
  /** Keywords in order of appearance; the first of a repeated keyword counts. */
  readonly values: ReadonlyMap<string, FitsValue>;
  /** Bytes that the header takes in the file. */
  readonly byteLength: number;
  get(this: void, key: string): FitsValue;
  /** A whole number at least `low`. @throws UserError when absent (without `fallback`) or anything else. */
  integer(this: void, key: string, low: number, fallback?: number): number;
  /** @throws UserError when present but not a number. */
  number(this: void, key: string, fallback: number): number;
  text(this: void, key: string): string | undefined;
}

/** Splits `'it''s ' / comment` into the string and what follows it. */
function parseQuoted(field: string): string {
  let text = "";
  for (let i = 1; i < field.length; i++) {
    if (field[i] !== "'") text += field[i];
    else if (field[i + 1] === "'") text += field[i++];
    else break;
  }
  return text.trimEnd();
}

function parseValue(raw: string): FitsValue {
  const field = raw.trim();
  if (field.startsWith("'")) return parseQuoted(field);
  const token = field.split("/", 1)[0].trim();
  if (token === "") return undefined;
  if (token === "T") return true;
  if (token === "F") return false;
  if (/^[+-]?\d+$/.test(token)) {
    const whole = Number(token);
    return Number.isSafeInteger(whole) ? whole : BigInt(token);
  }
  const real = Number(token.replace(/[dD]/, "E"));
  return Number.isNaN(real) ? token : real;
}

/** One card as `[keyword, value]`; undefined for comments and blanks. */
function parseCard(card: string): [string, FitsValue] | undefined {
  if (card.startsWith("HIERARCH ")) {
    const equals = card.indexOf("=");
    return equals < 0 ? undefined : [card.slice(9, equals).trim(), parseValue(card.slice(equals + 1))];
  }
  if (!card.startsWith("= ", 8)) return undefined;
  return [card.slice(0, 8).trimEnd(), parseValue(card.slice(10))];
}

function makeHeader(path: string, values: Map<string, FitsValue>, byteLength: number): FitsHeader {
  const wrong = (key: string, wanted: string): UserError =>
    new UserError(`${path}: FITS keyword ${key} is ${JSON.stringify(String(values.get(key)))}, expected ${wanted}`);
  return {
    values,
    byteLength,
    get: (key) => values.get(key),
    integer(key, low, fallback) {
      const value = values.get(key) ?? fallback;
      if (typeof value !== "number" || !Number.isSafeInteger(value) || value < low) {
        throw wrong(key, `a whole number, at least ${low}`);
      }
      return value;
    },
    number(key, fallback) {
      const value = values.get(key) ?? fallback;
      if (typeof value === "bigint") return Number(value);
      if (typeof value !== "number") throw wrong(key, "a number");
      return value;
    },
    text(key) {
      const value = values.get(key);
      return typeof value === "string" ? value : undefined;
    },
  };
}

/**
 * Reads the header that starts at `offset`.
 * @throws UserError when no END card comes before the end of the file, or a card is not ASCII text.
 */
export async function readHeader(source: ByteSource, offset: number): Promise<FitsHeader> {
  const values = new Map<string, FitsValue>();
  let continued: string | undefined;
  for (let at = offset; ; at += BLOCK) {
    const block = await source.read(at, BLOCK, `FITS header that starts at byte ${offset} and has no END so far`);
    const text = Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString("latin1");
    for (let i = 0; i < BLOCK; i += CARD) {
      const card = text.slice(i, i + CARD);
      if (/[^\x20-\x7e]/.test(card)) {
        throw new UserError(`${source.path}: byte ${at + i}: FITS header card is not ASCII text`);
      }
      if (card.startsWith("END") && card.trimEnd() === "END") {
        return makeHeader(source.path, values, at + BLOCK - offset);
      }
      if (card.startsWith("CONTINUE") && continued !== undefined) {
        const sofar = values.get(continued);
        const more = parseValue(card.slice(8));
        if (typeof sofar === "string" && typeof more === "string")
          values.set(continued, sofar.replace(/&$/, "") + more);
        continue;
      }
      const parsed = parseCard(card);
      continued = parsed?.[0];
      if (parsed && !values.has(parsed[0])) values.set(parsed[0], parsed[1]);
    }
  }
}

const STRUCTURE =
  /^(SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|EXTEND|TFIELDS|THEAP|LONGSTRN|CHECKSUM|DATASUM|CALKV\d+|T(TYPE|FORM|UNIT|NULL|SCAL|ZERO|DIM|DISP|COMM|DESC|BCOL|LMIN|LMAX|DMIN|DMAX)\d+)$/;

/** What the user put into a header, without what describes the layout. `CALKVn = 'key=value'` gives back long keys. */
export function headerMetadata(header: FitsHeader): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const [key, value] of header.values) {
    if (value === undefined) continue;
    const pair = /^CALKV\d+$/.test(key) ? /^([^=]+)=(.*)$/s.exec(String(value)) : null;
    if (pair) metadata[pair[1]] = pair[2];
    else if (!STRUCTURE.test(key)) metadata[key] = String(value);
  }
  return metadata;
}

/** What is said of column `n`: TOPCAT's keyword, else that of others. */
export const descriptionOf = (header: FitsHeader, n: number): string =>
  header.text(`TCOMM${n}`)?.trim() || header.text(`TDESC${n}`)?.trim() || "";

/** A card `KEY     = value`, 80 characters; numbers and logicals right-aligned as the fixed format asks. */
export function formatCard(key: string, value: string | number | bigint | boolean): string {
  const shown =
    typeof value === "string"
      ? `'${value.replaceAll("'", "''").padEnd(8)}'`
      : (typeof value === "boolean" ? (value ? "T" : "F") : String(value)).padStart(20);
  return `${key.padEnd(8)}= ${shown}`.padEnd(CARD).slice(0, CARD);
}

/** A string of any length as one card plus the CONTINUE cards it needs (Standard, section 4.2.1.2). */
export function formatLongString(key: string, value: string): string[] {
  const ascii = value.replace(/[^\x20-\x7e]/g, "?");
  // 60 characters a card leave room for doubled quotes in most strings; count them exactly.
  const pieces: string[] = [];
  let piece = "";
  let length = 0;
  for (const character of ascii) {
    const cost = character === "'" ? 2 : 1;
    if (length + cost > 66) {
      pieces.push(piece);
      piece = "";
      length = 0;
    }
    piece += character;
    length += cost;
  }
  pieces.push(piece);
  return pieces.map((text, i) => {
    const quoted = (i < pieces.length - 1 ? `${text}&` : text).replaceAll("'", "''");
    return (i === 0 ? `${key.padEnd(8)}= '${quoted.padEnd(8)}'` : `CONTINUE  '${quoted}'`).padEnd(CARD);
  });
}

/** Joins cards, END and blanks to whole blocks; `reserve` blocks at least. */
export function formatHeader(cards: readonly string[], reserve = 0): Uint8Array {
  const text = [...cards, "END".padEnd(CARD)].join("");
  const length = Math.max(reserve, Math.ceil(text.length / BLOCK)) * BLOCK;
  return Buffer.from(text.padEnd(length), "latin1");
}
