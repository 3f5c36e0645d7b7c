import { UserError } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";

/** Nesting of record types, and columns, beyond which a schema is taken for damaged. */
const MAX_DEPTH = 16;
const MAX_FIELDS = 100_000;

/** Slots of the FlatBuffers tables of the Arrow format (Message.fbs, Schema.fbs) that size things. */
const MESSAGE = { headerType: 1, header: 2, bodyLength: 3 };
const SCHEMA = { fields: 1, metadata: 2 };
const FIELD = { name: 0, children: 5, metadata: 6 };
const BATCH = { length: 0, nodes: 1, buffers: 2, compression: 3 };
const DICTIONARY = { data: 1 };
const HEADER_TYPES = { schema: 1, dictionary: 2, batch: 3 };

class Damage extends Error {}
class Compressed extends Error {}

/** Place of a slot of the table at `table`; 0 when the slot is absent. Reads past the end throw a RangeError. */
function slot(view: DataView, table: number, index: number): number {
  const vtable = table - view.getInt32(table, true);
  if (4 + index * 2 >= view.getUint16(vtable, true)) return 0;
  const offset = view.getUint16(vtable + 4 + index * 2, true);
  return offset === 0 ? 0 : table + offset;
}

function follow(view: DataView, place: number): number {
  return place + view.getUint32(place, true);
}

/** First element and count of a vector whose elements take `size` bytes, checked to lie inside the message. */
function vector(view: DataView, table: number, index: number, size: number): { start: number; count: number } {
  const place = slot(view, table, index);
  if (place === 0) return { start: 0, count: 0 };
  const start = follow(view, place);
  const count = view.getUint32(start, true);
  if (start + 4 + count * size > view.byteLength) throw new Damage(`a list of ${count} exceeds its message`);
  return { start: start + 4, count };
}

function checkFields(view: DataView, table: number, index: number, depth: number, seen: { count: number }): void {
  const { start, count } = vector(view, table, index, 4);
  seen.count += count;
  if (depth > MAX_DEPTH || seen.count > MAX_FIELDS)
    throw new Damage(`its schema nests ${depth} deep with ${seen.count} fields`);
  for (let i = 0; i < count; i++) {
    const field = follow(view, start + i * 4);
    vector(view, field, FIELD.name, 1);
    vector(view, field, FIELD.metadata, 4);
    checkFields(view, field, FIELD.children, depth + 1, seen);
  }
}

function checkBatch(view: DataView, table: number, bodyLength: number): void {
  const place = slot(view, table, BATCH.length);
  if (slot(view, table, BATCH.compression) !== 0) throw new Compressed();
  const rows = place === 0 ? 0 : Number(view.getBigInt64(place, true));
  const nodes = vector(view, table, BATCH.nodes, 16);
  const buffers = vector(view, table, BATCH.buffers, 16);
  // A bit a row is the least that a column takes.
  const most = 8 * bodyLength + 64;
  if (!(rows >= 0 && rows <= most)) throw new Damage(`a batch promises ${rows} rows in ${bodyLength} bytes`);
  for (let i = 0; i < nodes.count; i++) {
    const length = Number(view.getBigInt64(nodes.start + i * 16, true));
    if (!(length >= 0 && length <= most)) throw new Damage(`a column promises ${length} values in ${bodyLength} bytes`);
  }
  for (let i = 0; i < buffers.count; i++) {
    const offset = Number(view.getBigInt64(buffers.start + i * 16, true));
    const length = Number(view.getBigInt64(buffers.start + i * 16 + 8, true));
    if (!(offset >= 0 && length >= 0 && offset + length <= bodyLength)) {
      throw new Damage(`a buffer at ${offset} of ${length} bytes lies outside its ${bodyLength} bytes`);
    }
  }
}

/** Body length that a message announces, after checking every count in it. */
function checkMessage(view: DataView): number {
  const table = view.getUint32(0, true);
  const typePlace = slot(view, table, MESSAGE.headerType);
  const type = typePlace === 0 ? 0 : view.getUint8(typePlace);
  const headerPlace = slot(view, table, MESSAGE.header);
  if (headerPlace === 0) throw new Damage("a message without content");
  const header = follow(view, headerPlace);
  const bodyPlace = slot(view, table, MESSAGE.bodyLength);
  const bodyLength = bodyPlace === 0 ? 0 : Number(view.getBigInt64(bodyPlace, true));
  if (type === HEADER_TYPES.schema) {
    checkFields(view, header, SCHEMA.fields, 0, { count: 0 });
    vector(view, header, SCHEMA.metadata, 4);
  } else if (type === HEADER_TYPES.batch) checkBatch(view, header, bodyLength);
  else if (type === HEADER_TYPES.dictionary) {
    const data = slot(view, header, DICTIONARY.data);
    if (data === 0) throw new Damage("a dictionary without content");
    checkBatch(view, follow(view, data), bodyLength);
  } else throw new Damage(`a message of unknown type ${type}`);
  return bodyLength;
}

/** Whether bytes are one whole message with its prefix whose counts can be trusted. */
export function isSoundMessage(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 16 || view.getInt32(0, true) !== -1) return false;
  const length = view.getInt32(4, true);
  if (length <= 0 || 8 + length > bytes.length) return false;
  try {
    return checkMessage(new DataView(bytes.buffer, bytes.byteOffset + 8, length)) >= 0;
  } catch {
    return false;
  }
}

/**
 * The messages of the stream inside an Arrow file, one at a time, from byte `start` to the end-of-stream mark. What
 * their headers promise is checked against the bytes that are there, so that a decoder can trust it.
 * @throws UserError with the byte of a damaged message.
 */
export async function* readMessages(source: ByteSource, start: number): AsyncGenerator<Uint8Array> {
  for (let at = start; ;) {
    const prefix = await source.read(at, 8, "Arrow message");
    const view = new DataView(prefix.buffer);
    const length = view.getInt32(4, true);
    const damaged = (what: string): UserError =>
      new UserError(`${source.path}: damaged Arrow file: byte ${at}: ${what}`);
    if (view.getInt32(0, true) !== -1 || length < 0) throw damaged("expected the beginning of a message");
    if (length === 0) {
      yield prefix;
      return;
    }
    const header = await source.read(at + 8, length, "header of an Arrow message");
    let bodyLength: number;
    try {
      bodyLength = checkMessage(new DataView(header.buffer));
    } catch (error) {
      if (error instanceof Compressed) {
        throw new UserError(
          `${source.path}: compressed Arrow data are not read; save it uncompressed (pyarrow: compression="uncompressed") or as Parquet`,
        );
      }
      if (error instanceof Damage || error instanceof RangeError) throw damaged(error.message);
      throw error;
    }
    const message = await source.read(at, 8 + length + bodyLength, "Arrow message with its data");
    yield message;
    at += message.length;
  }
}
