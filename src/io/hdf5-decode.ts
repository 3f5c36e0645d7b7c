import { allocate } from "./columns.ts";
import { Hdf5Damage } from "./hdf5-file.ts";
import type { Hdf5Dataset, Hdf5File, Hdf5Type } from "./hdf5-file.ts";
import type { Column, ColumnSchema } from "./table.ts";
import { untilZero } from "./text.ts";

/** Where the values of a column lie: `type.count` elements from `offset` on, in every row of a dataset. */
export interface Hdf5Slot {
  readonly schema: ColumnSchema;
  readonly dataset: Hdf5Dataset;
  readonly offset: number;
  readonly type: Hdf5Type;
  /** Bytes beside it that say which elements are missing: not 0. */
  readonly mask?: { readonly offset: number; readonly count: number };
}

const utf8 = new TextDecoder();

/** The string at an address of the library's memory, which ends with a zero; 0 is none. */
function readText(heap: Uint8Array, address: number): string {
  if (address === 0) return "";
  const end = heap.indexOf(0, address);
  if (end < 0) throw new Hdf5Damage("a string without an end");
  return utf8.decode(heap.subarray(address, end));
}

/** IEEE 754 half precision, which DataView does not know yet. */
function readHalf(view: DataView, at: number, isLittleEndian: boolean): number {
  const bits = view.getUint16(at, isLittleEndian);
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

type NumberReader = (view: DataView, at: number, isLittleEndian: boolean) => number;
const NUMBERS: Readonly<Record<string, NumberReader>> = {
  int1: (view, at) => view.getInt8(at),
  int2: (view, at, little) => view.getInt16(at, little),
  int4: (view, at, little) => view.getInt32(at, little),
  uint1: (view, at) => view.getUint8(at),
  uint2: (view, at, little) => view.getUint16(at, little),
  logical1: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
  float2: readHalf,
  float4: (view, at, little) => view.getFloat32(at, little),
  float8: (view, at, little) => view.getFloat64(at, little),
};

function readString(type: Hdf5Type, view: DataView, heap: Uint8Array, at: number): string {
  if (type.kind === "string") return untilZero(new Uint8Array(view.buffer, view.byteOffset + at, type.bytes));
  if (type.kind === "text") return readText(heap, view.getUint32(at, true));
  return String(view.getBigUint64(at, type.isLittleEndian));
}

/** Decodes one column from `rowCount` rows as they lie in memory. */
export function decodeSlot(slot: Hdf5Slot, view: DataView, heap: Uint8Array): Column {
  const { schema, dataset, offset, type } = slot;
  const stride = dataset.rowBytes;
  const rowCount = view.byteLength / stride;
  const { width } = schema;
  const data = allocate(schema.type, rowCount * width);
  const { bytes, isLittleEndian } = type;
  const readNumber = NUMBERS[`${type.kind}${bytes}`];
  for (let row = 0; row < rowCount; row++) {
    const at = row * stride + offset;
    if (Array.isArray(data)) {
      for (let k = 0; k < width; k++) data[row * width + k] = readString(type, view, heap, at + k * bytes);
    } else if (data instanceof BigInt64Array) {
      for (let k = 0; k < width; k++) {
        const place = at + k * bytes;
        if (bytes === 8) data[row * width + k] = view.getBigInt64(place, isLittleEndian);
        else data[row * width + k] = BigInt(view.getUint32(place, isLittleEndian));
      }
    } else {
      for (let k = 0; k < width; k++) data[row * width + k] = readNumber(view, at + k * bytes, isLittleEndian);
    }
  }
  return applyMask({ ...schema, data }, slot, view);
}

/** Marks what a mask beside the values says is missing. */
function applyMask(column: Column, { dataset, mask }: Hdf5Slot, view: DataView): Column {
  if (!mask) return column;
  const { data, width } = column;
  const rowCount = data.length / width;
  const isFloat = data instanceof Float32Array || data instanceof Float64Array;
  const isValid = new Uint8Array(rowCount).fill(1);
  for (let row = 0; row < rowCount; row++) {
    for (let k = 0; k < mask.count; k++) {
      if (view.getUint8(row * dataset.rowBytes + mask.offset + k) === 0) continue;
      if (isFloat && k < width) data[row * width + k] = NaN;
      else isValid[row] = 0;
    }
  }
  return isFloat ? column : { ...column, isValid };
}

/** A small dataset of strings (or whole numbers), such as the names of a data frame's columns. */
export function readTexts(file: Hdf5File, dataset: Hdf5Dataset): string[] {
  const [{ offset, type }] = dataset.members;
  if (type.kind === "float") throw new Hdf5Damage(`dataset "${dataset.path}" holds no names`);
  const slot = { dataset, offset, type, schema: { name: dataset.path, type: "string", width: 1 } } as const;
  return file.withRows(dataset, 0, dataset.shape[0], (view, heap) => {
    if (type.kind === "string" || type.kind === "text") return decodeSlot(slot, view, heap).data as string[];
    const rows = dataset.shape[0];
    const read = NUMBERS[`${type.kind}${type.bytes}`];
    return Array.from({ length: rows }, (_, row) => {
      const at = row * dataset.rowBytes;
      return type.bytes === 8
        ? String(view.getBigInt64(at, type.isLittleEndian))
        : String(read?.(view, at, type.isLittleEndian));
    });
  });
}
