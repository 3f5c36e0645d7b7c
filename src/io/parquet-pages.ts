import type { ColumnMetaData } from "hyparquet";
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";
import { UserError } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";

/** Most bytes that one page may unpack to, and most rows of a row group: a damaged count must not become memory. */
const MAX_PAGE_BYTES = 256 * 2 ** 20;
export const MAX_GROUP_ROWS = 2 ** 25;

/** Thrift page header of the Parquet format (parquet.thrift, PageHeader): the members that size things. */
interface PageSizes {
  readonly unpacked: number;
  readonly packed: number;
  readonly values: number;
}

function readPageSizes(header: Record<string, unknown>): PageSizes {
  const inner = (header.field_5 ?? header.field_7 ?? header.field_8) as Record<string, unknown> | undefined;
  return { unpacked: Number(header.field_2), packed: Number(header.field_3), values: Number(inner?.field_1) };
}

/** Where a column chunk lies in the file. */
export function chunkRange(meta: ColumnMetaData): { start: number; length: number } {
  const data = Number(meta.data_page_offset);
  const dictionary = Number(meta.dictionary_page_offset ?? 0n);
  return {
    start: dictionary > 0 && dictionary < data ? dictionary : data,
    length: Number(meta.total_compressed_size),
  };
}

/**
 * Reads a column chunk and checks what its page headers promise against the bytes that are there, before a decoder
 * asks for memory on their word.
 * @throws UserError naming the column and the byte.
 */
export async function readChecked(source: ByteSource, meta: ColumnMetaData, name: string): Promise<ArrayBuffer> {
  const { start, length } = chunkRange(meta);
  const bytes = await source.read(start, length, `column "${name}"`);
  const view = new DataView(bytes.buffer);
  const reader = { view, offset: 0 };
  let values = 0;
  while (reader.offset < length - 1) {
    const at = reader.offset;
    const damaged = (what: string): UserError =>
      new UserError(`${source.path}: damaged Parquet: column "${name}", page at byte ${start + at}: ${what}`);
    let sizes: PageSizes;
    let isDictionary: boolean;
    try {
      const header = deserializeTCompactProtocol(reader) as Record<string, unknown>;
      sizes = readPageSizes(header);
      isDictionary = header.field_7 !== undefined;
    } catch {
      throw damaged("no readable page header");
    }
    const { unpacked, packed } = sizes;
    if (!(packed >= 0 && reader.offset + packed <= length)) {
      throw damaged(`promises ${packed} bytes, its column has ${length - reader.offset} left`);
    }
    if (!(unpacked >= 0 && unpacked <= MAX_PAGE_BYTES)) {
      throw damaged(`promises to unpack to ${unpacked} bytes, at most ${MAX_PAGE_BYTES} are read`);
    }
    if (!(sizes.values >= 0) || (isDictionary ? sizes.values > unpacked + 1 : sizes.values > meta.num_values)) {
      throw damaged(`promises ${sizes.values} values, its column has ${meta.num_values}`);
    }
    if (!isDictionary) values += sizes.values;
    reader.offset += packed;
  }
  if (values !== Number(meta.num_values)) {
    throw new UserError(
      `${source.path}: damaged Parquet: column "${name}" has ${values} values in its pages, expected ${meta.num_values}`,
    );
  }
  return bytes.buffer;
}
