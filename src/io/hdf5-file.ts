import { Dataset, File, Group, ready } from "h5wasm/node";
import type { Attribute, Metadata } from "h5wasm/node";

/** What can be wrong with a file, without its path: the caller puts it in front. */
export class Hdf5Damage extends Error {}

/** One element of a dataset, or one member of its records. */
export interface Hdf5Type {
  /** `text` is a string of any length: the record holds the place of its characters in the library's memory. */
  readonly kind: "int" | "uint" | "float" | "logical" | "string" | "text";
  readonly bytes: number;
  readonly isLittleEndian: boolean;
  /** Elements: more than one for an array inside a record. */
  readonly count: number;
}

/** A part of every record: the whole of it (name "") for a dataset of plain numbers or strings. */
interface Hdf5Member {
  readonly name: string;
  readonly offset: number;
  readonly type: Hdf5Type;
}

/** A dataset with rows: its first axis. */
export interface Hdf5Dataset {
  readonly path: string;
  readonly shape: readonly number[];
  /** Bytes of one row in memory. */
  readonly rowBytes: number;
  readonly members: readonly Hdf5Member[];
  /** Names of members that no column can hold (references, records in records). */
  readonly leftOut: readonly string[];
  readonly attributes: Readonly<Record<string, string>>;
  readonly hasText: boolean;
}

export interface Hdf5File {
  /** Attributes of groups by path; the root is "/". */
  readonly groups: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly datasets: readonly Hdf5Dataset[];
  /** Paths of datasets that are no columns: scalars, cubes, references, links to other files. */
  readonly leftOut: readonly string[];
  /** Hands rows `[start, end)` to `use`, as they lie in memory; `heap` is where texts are. Both are gone afterwards. */
  withRows<T>(dataset: Hdf5Dataset, start: number, end: number, use: (rows: DataView, heap: Uint8Array) => T): T;
  close(): void;
}

/** Nesting, objects and bytes beyond which a file is taken for damaged. */
const MAX_DEPTH = 16;
const MAX_OBJECTS = 50_000;
const MAX_ATTRIBUTE = 2 ** 20;
const MAX_READ = 2 ** 28;
/** Deflate makes data at most 1,032 times smaller: a dataset that promises more than that was never written whole. */
const MAX_COMPRESSION = 1032;

const FILTERS: Readonly<Record<number, string>> = {
  1: "deflate",
  2: "shuffle",
  3: "fletcher32",
  5: "nbit",
  6: "scaleoffset",
};

const CLASS = { integer: 0, float: 1, string: 3, bits: 4, compound: 6, enumeration: 8, array: 10 };

/** The library's messages are call stacks; what went wrong is the text after the last function's name. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const reasons = [...text.matchAll(/in H5\w+\(\): (.*)/g)].map((match) => match[1].trim());
  const telling = reasons.filter(
    (reason) => !/^can't open directory|encountered an error$|can't find plugin/.test(reason),
  );
  return telling.at(-1) ?? reasons.at(-1) ?? text.split("\n")[0];
}

/** Runs library code; whatever it throws means that the file is damaged. */
function guarded<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Hdf5Damage) throw error;
    throw new Hdf5Damage(`${what}: ${reasonOf(error)}`);
  }
}

function elementType(metadata: Metadata, isSwapped: boolean): Hdf5Type | undefined {
  const { type, size, vlen, signed, array_type, enum_type } = metadata;
  const isLittleEndian = isSwapped || metadata.littleEndian;
  const plain = { bytes: size, isLittleEndian, count: 1 };
  if (type === CLASS.array && array_type !== undefined) {
    const inner = elementType(array_type, isSwapped);
    const count = (array_type.shape ?? []).reduce((product, n) => product * n, 1);
    return inner && inner.count === 1 && count > 0 ? { ...inner, count } : undefined;
  }
  if (type === CLASS.string) return { ...plain, kind: vlen ? "text" : "string" };
  if (type === CLASS.float) return [2, 4, 8].includes(size) ? { ...plain, kind: "float" } : undefined;
  // PyTables' booleans.
  if (type === CLASS.bits && size === 1) return { ...plain, kind: "logical" };
  if (type === CLASS.enumeration && enum_type !== undefined) {
    const { members } = enum_type;
    // What h5py writes for numpy's bool.
    if (size === 1 && members["FALSE"] === 0 && members["TRUE"] === 1) return { ...plain, kind: "logical" };
  } else if (type !== CLASS.integer) return undefined;
  return [1, 2, 4, 8].includes(size) ? { ...plain, kind: signed ? "int" : "uint" } : undefined;
}

/** Byte orders of the numbers inside a type; the library turns big-endian data round only where all of it is. */
function byteOrders(metadata: Metadata): boolean[] {
  if (metadata.compound_type) return metadata.compound_type.members.flatMap(byteOrders);
  if (metadata.array_type) return byteOrders(metadata.array_type);
  return metadata.type === CLASS.string && !metadata.vlen ? [] : [metadata.littleEndian];
}

function describeMembers(metadata: Metadata): Pick<Hdf5Dataset, "members" | "leftOut"> {
  const isSwapped = !byteOrders(metadata).includes(true);
  if (metadata.type !== CLASS.compound || metadata.compound_type === undefined) {
    const type = elementType(metadata, true);
    return { members: type ? [{ name: "", offset: 0, type }] : [], leftOut: [] };
  }
  const members: Hdf5Member[] = [];
  const leftOut: string[] = [];
  for (const member of metadata.compound_type.members) {
    const type = elementType(member, isSwapped);
    if (!type) leftOut.push(member.name);
    else if (member.offset + type.bytes * type.count > metadata.size)
      throw new Hdf5Damage(`member "${member.name}" lies outside its record`);
    else members.push({ name: member.name, offset: member.offset, type });
  }
  return { members, leftOut };
}

/** Attributes that are one short text or number; others are of no use here. */
function readAttributes(owner: { attrs: Record<string, Attribute> }): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, attribute] of Object.entries(owner.attrs)) {
    const { metadata } = attribute;
    if (metadata.shape === null || metadata.size * metadata.total_size > MAX_ATTRIBUTE) continue;
    if (metadata.total_size !== 1 || ![CLASS.integer, CLASS.float, CLASS.string].includes(metadata.type)) continue;
    if (metadata.type === CLASS.float && metadata.size !== 4 && metadata.size !== 8) continue;
    const value: unknown = attribute.json_value;
    const first: unknown = Array.isArray(value) ? value[0] : value;
    if (typeof first === "string" || typeof first === "number") result[name] = String(first);
  }
  return result;
}

function describeDataset(path: string, dataset: Dataset, fileSize: number): Hdf5Dataset | undefined {
  const { metadata } = dataset;
  const { shape, size, chunks, virtual_sources } = metadata;
  if (shape === null || shape.length === 0 || shape.length > 2 || (virtual_sources?.length ?? 0) > 0) return undefined;
  const { members, leftOut } = describeMembers(metadata);
  if (members.length === 0) return undefined;
  const [rows, across = 1] = shape;
  const rowBytes = size * across;
  if (!(rows >= 0 && across >= 1 && size >= 1 && rowBytes <= MAX_READ)) return undefined;
  const chunkBytes = size * (chunks ?? []).reduce((product, n) => product * n, 1);
  if (chunkBytes > MAX_READ) throw new Hdf5Damage(`dataset "${path}" has chunks of ${chunkBytes} bytes`);
  const filter = dataset.filters.find(({ id }) => !(id in FILTERS));
  if (filter) {
    throw new Hdf5Damage(
      `dataset "${path}" is compressed with ${filter.name || `filter ${filter.id}`}, which is not read; save it again with gzip (pandas: complib="zlib")`,
    );
  }
  const most = (chunks === null ? 1 : MAX_COMPRESSION) * fileSize;
  if (rows * rowBytes > most) {
    throw new Hdf5Damage(`dataset "${path}" promises ${rows} rows of ${rowBytes} bytes in a file of ${fileSize} bytes`);
  }
  const hasText = members.some(({ type }) => type.kind === "text");
  return { path, shape, rowBytes, members, leftOut, attributes: readAttributes(dataset), hasText };
}

type Library = Awaited<typeof ready>;

/** Loads the library, which takes longer than anything it does. */
export async function loadLibrary(): Promise<Library> {
  const library = await ready;
  // Without this errors go to the terminal and reading returns whatever was in memory.
  library.activate_throwing_error_handler();
  return library;
}

/** Opens a file; its structure is read, its data are not. @throws Hdf5Damage */
export async function openHdf5File(path: string, fileSize: number): Promise<Hdf5File> {
  const library = await loadLibrary();
  const file = guarded("cannot be opened", () => new File(path, "r"));
  const groups = new Map<string, Record<string, string>>();
  const datasets: Hdf5Dataset[] = [];
  const leftOut: string[] = [];
  let count = 0;
  const visit = (group: Group, place: string, depth: number): void => {
    if (depth > MAX_DEPTH) throw new Hdf5Damage(`groups nest deeper than ${MAX_DEPTH}`);
    groups.set(place, readAttributes(group));
    for (const name of group.keys()) {
      if (++count > MAX_OBJECTS) throw new Hdf5Damage(`more than ${MAX_OBJECTS} objects`);
      const inner = `${place === "/" ? "" : place}/${name}`;
      const entity = guarded(`object "${inner}"`, () => group.get(name));
      if (entity instanceof Group) visit(entity, inner, depth + 1);
      else if (entity instanceof Dataset) {
        const dataset = guarded(`dataset "${inner}"`, () => describeDataset(inner, entity, fileSize));
        if (dataset) datasets.push(dataset);
        else leftOut.push(inner);
      } else if (entity !== null) leftOut.push(inner);
    }
  };
  try {
    guarded("cannot be listed", () => visit(file, "/", 0));
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    groups,
    datasets,
    leftOut,
    withRows(dataset, start, end, use) {
      const bytes = (end - start) * dataset.rowBytes;
      if (bytes > MAX_READ) throw new Hdf5Damage(`rows of ${dataset.rowBytes} bytes are too large`);
      const offset = dataset.shape.map((_, axis) => BigInt(axis === 0 ? start : 0));
      const counts = dataset.shape.map((length, axis) => BigInt(axis === 0 ? end - start : length));
      const strides = dataset.shape.map(() => 1n);
      /* oxlint-disable no-underscore-dangle -- the library's own names for its memory */
      return guarded(`dataset "${dataset.path}", rows ${start + 1} to ${end}`, () => {
        const place = library._malloc(Math.max(1, bytes));
        if (place === 0) throw new Hdf5Damage("out of memory");
        try {
          const status = library.get_dataset_data(file.file_id, dataset.path, counts, offset, strides, BigInt(place));
          if (status < 0) throw new Hdf5Damage("cannot be read");
          const heap = library.HEAPU8;
          try {
            return use(new DataView(heap.buffer, place, bytes), heap);
          } finally {
            if (dataset.hasText) {
              library.reclaim_vlen_memory_count(file.file_id, dataset.path, "", BigInt(place), counts);
            }
          }
        } finally {
          library._free(place);
        }
      });
    },
    close: () => void file.close(),
  };
}
