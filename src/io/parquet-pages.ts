import type { ColumnMetaData, SchemaElement } from "hyparquet";
import { getSchemaPath } from "hyparquet/src/schema.js";
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";
import { UserError } from "../errors.ts";
import type { ByteSource } from "./bytes.ts";
import { checkRuns } from "./parquet-runs.ts";
import type { PagePromise } from "./parquet-runs.ts";

/** Most bytes that one page may unpack to, and most rows of a row group: a damaged count must not become memory. */
const MAX_PAGE_BYTES = 256 * 2 ** 20;
export const MAX_GROUP_ROWS = 2 ** 25;

type Struct = Readonly<Record<string, unknown>>;

/** What a page header promises (parquet.thrift, PageHeader); field numbers as there. */
interface PageHeader extends PagePromise {
  readonly packed: number;
  readonly isDictionary: boolean;
}

function readPageHeader(header: Struct): PageHeader {
  const [first, dictionary, second] = [header.field_5, header.field_7, header.field_8] as (Struct | undefined)[];
  const inner = first ?? dictionary ?? second ?? {};
  return {
    unpacked: Number(header.field_2),
    packed: Number(header.field_3),
    values: Number(inner.field_1),
    nulls: second && !first ? Number(second.field_2 ?? 0) : undefined,
    encoding: Number(first?.field_2 ?? second?.field_4 ?? 0),
    levels: second && !first ? [Number(second.field_6), Number(second.field_5)] : undefined,
    isCompressed: second?.field_7 !== false,
    isDictionary: dictionary !== undefined && first === undefined,
  };
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

function checkPage(page: PageHeader, left: number, most: number): string | undefined {
  const { unpacked, packed, values, nulls, isDictionary, levels } = page;
  if (!(packed >= 0 && packed <= left)) return `promises ${packed} bytes, its column has ${left} left`;
  if (!(unpacked >= 0 && unpacked <= MAX_PAGE_BYTES)) {
    return `promises to unpack to ${unpacked} bytes, at most ${MAX_PAGE_BYTES} are read`;
  }
  if (!(values >= 0) || values > (isDictionary ? unpacked + 1 : most)) {
    return `promises ${values} values, its column has ${most}`;
  }
  if (nulls !== undefined && !(nulls >= 0 && nulls <= values)) return `promises ${nulls} nulls among ${values} values`;
  return levels?.every((length) => length >= 0) === false ? "promises levels of a negative length" : undefined;
}

/**
 * Reads a column chunk and checks what its page headers and runs promise against the bytes that are there, before a
 * decoder asks for memory on their word.
 * @throws UserError naming the column and the byte.
 */
export async function readChecked(
  source: ByteSource,
  schema: SchemaElement[],
  meta: ColumnMetaData,
): Promise<ArrayBuffer> {
  const name = meta.path_in_schema.join(".");
  const { start, length } = chunkRange(meta);
  const bytes = await source.read(start, length, `column "${name}"`);
  const tree = getSchemaPath(schema, meta.path_in_schema);
  const reader = { view: new DataView(bytes.buffer), offset: 0 };
  const most = Number(meta.num_values);
  let values = 0;
  while (reader.offset < length - 1) {
    const at = start + reader.offset;
    const damaged = (what: string): UserError =>
      new UserError(`${source.path}: damaged Parquet: column "${name}", page at byte ${at}: ${what}`);
    let page: PageHeader;
    try {
      page = readPageHeader(deserializeTCompactProtocol(reader));
    } catch {
      throw damaged("no readable page header");
    }
    const wrong = checkPage(page, length - reader.offset, most - (page.isDictionary ? 0 : values));
    if (wrong !== undefined) throw damaged(wrong);
    if (!page.isDictionary) {
      const data = bytes.subarray(reader.offset, reader.offset + page.packed);
      try {
        checkRuns(data, page, tree, meta.codec);
      } catch (error) {
        throw damaged(error instanceof Error ? error.message : String(error));
      }
      values += page.values;
    }
    reader.offset += page.packed;
  }
  if (values !== most) {
    throw new UserError(
      `${source.path}: damaged Parquet: column "${name}" has ${values} values in its pages, expected ${most}`,
    );
  }
  return bytes.buffer;
}
