import { decompressPage } from "hyparquet/src/datapage.js";
import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { readRleBitPackedHybrid } from "hyparquet/src/encoding.js";
import { readVarInt } from "hyparquet/src/thrift.js";
import type { CompressionCodec, SchemaTree } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from "hyparquet/src/schema.js";

/**
 * The decoder writes as many values as a run says, wherever that leads: runs are therefore walked here first. Page
 * encodings as in the Parquet format (Encodings.md): levels and dictionary indices are runs of (count, value).
 */

/** Numbers of the encodings in parquet.thrift. */
const ENCODING = { plainDictionary: 2, rle: 3, deltaPacked: 5, deltaLength: 6, deltaBytes: 7, rleDictionary: 8 };
/** Values by which a bit-packed run may exceed what is left: writers fill up their last group. */
const SLACK = 1024;
/** Largest block and number of miniblocks of a delta-encoded page. */
const MAX_BLOCK = 65_536;
const MAX_MINIBLOCKS = 512;
/** Most bytes that the strings of one page may unfold to: each can repeat the beginning of the one before. */
const MAX_STRINGS = 256 * 2 ** 20;

/** What a page header says about its data. */
export interface PagePromise {
  readonly values: number;
  /** Those of them that are null, where the header says (version 2). */
  readonly nulls: number | undefined;
  readonly encoding: number;
  readonly unpacked: number;
  /** Bytes of repetition and definition levels before the data, for a page of version 2. */
  readonly levels: readonly [number, number] | undefined;
  readonly isCompressed: boolean;
}

interface Cursor {
  readonly view: DataView;
  offset: number;
}

const bitsFor = (value: number): number => 32 - Math.clz32(value);

/** Walks runs of `width`-bit values up to `end`; throws when one promises more than `values`. */
function walkRuns(cursor: Cursor, width: number, values: number, end: number): void {
  if (width > 32) throw new Error(`values of ${width} bits`);
  let seen = 0;
  while (seen < values && cursor.offset < end) {
    const header = readVarInt(cursor);
    const isPacked = (header & 1) === 1;
    const count = isPacked ? (header >>> 1) * 8 : header >>> 1;
    if (count > values - seen + (isPacked ? SLACK : 0)) {
      throw new Error(`a run of ${count} values where ${values - seen} are left`);
    }
    cursor.offset += isPacked ? (count / 8) * width : (width + 7) >> 3;
    seen += count;
  }
}

/** Levels that carry their own length in front, as in pages of version 1. */
function walkSized(cursor: Cursor, width: number, values: number): void {
  const length = cursor.view.getUint32(cursor.offset, true);
  cursor.offset += 4;
  const end = cursor.offset + length;
  if (end > cursor.view.byteLength) throw new Error(`levels of ${length} bytes`);
  walkRuns(cursor, width, values, end);
  cursor.offset = end;
}

function walkValues(cursor: Cursor, encoding: number, values: number): void {
  if (encoding === ENCODING.plainDictionary || encoding === ENCODING.rleDictionary) {
    if (values === 0 || cursor.offset >= cursor.view.byteLength) return;
    const width = cursor.view.getUint8(cursor.offset++);
    walkRuns(cursor, width, values, cursor.view.byteLength);
  } else if (encoding === ENCODING.rle) walkSized(cursor, 1, values);
  else if (encoding === ENCODING.deltaPacked || encoding === ENCODING.deltaLength) {
    if (values > 0) walkDeltaHead(cursor);
  } else if (encoding === ENCODING.deltaBytes && values > 0) walkPrefixed(cursor, values);
}

function walkDeltaHead(cursor: Cursor): void {
  const block = readVarInt(cursor);
  const miniblocks = readVarInt(cursor);
  if (!(block > 0 && block <= MAX_BLOCK && miniblocks > 0 && miniblocks <= MAX_MINIBLOCKS)) {
    throw new Error(`delta blocks of ${block} values in ${miniblocks} parts`);
  }
}

/** Strings that begin as the one before: the lengths of what they share, the lengths of what follows, what follows. */
function walkPrefixed(cursor: Cursor, values: number): void {
  const lengths = [0, 1].map(() => {
    walkDeltaHead({ ...cursor });
    const some = new Int32Array(values);
    deltaBinaryUnpack(cursor, values, some);
    return some;
  });
  const [prefixes, suffixes] = lengths;
  let before = 0;
  let total = 0;
  for (let i = 0; i < values; i++) {
    if (!(prefixes[i] >= 0 && prefixes[i] <= before && suffixes[i] >= 0)) {
      throw new Error(`a string that shares ${prefixes[i]} bytes with one of ${before}`);
    }
    before = prefixes[i] + suffixes[i];
    total += before;
    if (total > MAX_STRINGS) throw new Error(`strings of more than ${MAX_STRINGS} bytes in a page`);
  }
}

/** How many of the `values` levels at `cursor`, which carry their length in front, say that a value is there. */
function countPresent(cursor: Cursor, most: number, values: number): number {
  const levels = new Uint8Array(values);
  readRleBitPackedHybrid({ ...cursor }, bitsFor(most), levels);
  return levels.reduce((count, level) => count + (level === most ? 1 : 0), 0);
}

/**
 * Checks that the runs of a data page stay within its promise.
 * @throws Error that says what is wrong.
 */
export function checkRuns(
  bytes: Uint8Array,
  page: PagePromise,
  path: readonly SchemaTree[],
  codec: CompressionCodec,
): void {
  const tree = [...path];
  const repetition = getMaxRepetitionLevel(tree);
  const definition = getMaxDefinitionLevel(tree);
  const isPlain = repetition === 0 && definition === 0 && page.encoding === 0;
  if (isPlain) return;
  const [repetitionBytes, definitionBytes] = page.levels ?? [0, 0];
  const levelBytes = repetitionBytes + definitionBytes;
  if (levelBytes > bytes.length) throw new Error(`levels of ${levelBytes} bytes`);
  const packed = bytes.subarray(levelBytes);
  const isPacked = page.isCompressed && codec !== "UNCOMPRESSED";
  const data = isPacked ? decompressPage(packed, page.unpacked - levelBytes, codec, compressors) : packed;
  const cursor: Cursor = { view: new DataView(data.buffer, data.byteOffset, data.byteLength), offset: 0 };
  let present = page.values - (page.nulls ?? 0);
  if (page.levels) {
    const levels: Cursor = { view: new DataView(bytes.buffer, bytes.byteOffset, levelBytes), offset: 0 };
    if (repetition > 0) walkRuns(levels, bitsFor(repetition), page.values, repetitionBytes);
    levels.offset = repetitionBytes;
    if (definition > 0) walkRuns(levels, bitsFor(definition), page.values, levelBytes);
  } else {
    if (repetition > 0) walkSized(cursor, bitsFor(repetition), page.values);
    const start = { ...cursor };
    if (definition > 0) walkSized(cursor, bitsFor(definition), page.values);
    if (definition > 0 && page.encoding === ENCODING.deltaBytes) present = countPresent(start, definition, page.values);
  }
  walkValues(cursor, page.encoding, page.encoding === ENCODING.deltaBytes ? present : page.values);
}
