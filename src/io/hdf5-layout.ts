import { schemaOf, nameColumns } from "./columns.ts";
import { Hdf5Damage } from "./hdf5-file.ts";
import type { Hdf5Dataset, Hdf5File, Hdf5Type } from "./hdf5-file.ts";
import { ASTROPY_NOTES, joinAstropyNotes } from "./hdf5-astropy.ts";
import { readTexts } from "./hdf5-decode.ts";
import type { Hdf5Slot } from "./hdf5-decode.ts";
import type { ColumnSchema, ColumnType } from "./table.ts";

export interface Hdf5Layout {
  readonly slots: readonly Hdf5Slot[];
  readonly rowCount: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A set of columns of equal length: one data frame, or every dataset of that length. */
interface Candidate {
  readonly path: string;
  readonly rowCount: number;
  readonly slots: readonly Hdf5Slot[];
}

/** Integers that have a column type of their own; unsigned 64-bit ones become strings of digits, as in FITS. */
const INTEGERS: Readonly<Record<string, ColumnType>> = {
  int1: "int16",
  int2: "int16",
  int4: "int32",
  int8: "int64",
  uint1: "uint8",
  uint2: "int32",
  uint4: "int64",
  uint8: "string",
};

function columnType({ kind, bytes }: Hdf5Type): ColumnType {
  if (kind === "string" || kind === "text") return "string";
  if (kind === "logical") return "uint8";
  if (kind === "float") return bytes === 8 ? "float64" : "float32";
  return INTEGERS[`${kind}${bytes}`];
}

const UNIT_ATTRIBUTES = ["unit", "units", "UNIT", "UNITS", "Unit", "Units"];
const DESCRIPTION_ATTRIBUTES = ["description", "DESCRIPTION", "long_name", "comment"];

function makeSlot(dataset: Hdf5Dataset, name: string, offset: number, type: Hdf5Type, isOnly: boolean): Hdf5Slot {
  // Attributes of a table of records belong to no one column.
  const find = (keys: readonly string[]): string | undefined =>
    isOnly ? keys.map((key) => dataset.attributes[key]).find((text) => text) : undefined;
  const unit = find(UNIT_ATTRIBUTES);
  const description = find(DESCRIPTION_ATTRIBUTES);
  const schema: ColumnSchema = {
    name,
    type: columnType(type),
    width: type.count,
    ...(unit === undefined ? {} : { unit }),
    ...(description === undefined ? {} : { description }),
    ...(type.kind === "uint" && type.bytes === 8 ? { isDigits: true } : {}),
  };
  return { schema, dataset, offset, type };
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** Columns of a dataset: one, or one per member; names are full paths. */
function plainSlots(dataset: Hdf5Dataset): Hdf5Slot[] {
  const across = dataset.shape[1] ?? 1;
  return dataset.members.flatMap(({ name, offset, type }): Hdf5Slot[] => {
    const path = name === "" ? dataset.path : `${dataset.path}/${name}`;
    if (across === 1) return [makeSlot(dataset, path, offset, type, name === "")];
    // A matrix of records is no table.
    return name === "" ? [makeSlot(dataset, path, offset, { ...type, count: type.count * across }, true)] : [];
  });
}

/** Names such as pandas pickles them, protocol 0: `(lp0\nVJ0378\np1\na...`. */
function unpickleNames(text: string): string[] {
  return [...text.matchAll(/^(?:\(lp\d+\n)?a?V([^\n]*)$/gm)].map((match) => match[1]);
}

/** Columns of one block of a data frame: the elements of each row, side by side, named one by one. */
function splitBlock(dataset: Hdf5Dataset, offset: number, type: Hdf5Type, names: readonly string[]): Hdf5Slot[] {
  return names.map((name, j) => makeSlot(dataset, name, offset + j * type.bytes, { ...type, count: 1 }, false));
}

/** A data frame that pandas wrote in its "table" format: records with blocks of columns of one type. */
function frameTable(path: string, file: Hdf5File): Candidate | undefined {
  const dataset = file.datasets.find((one) => one.path === `${path}/table`);
  if (!dataset) return undefined;
  const slots = dataset.members.flatMap(({ name, offset, type }): Hdf5Slot[] => {
    const names = unpickleNames(dataset.attributes[`${name}_kind`] ?? "");
    if (name.startsWith("values_block_") && names.length === type.count)
      return splitBlock(dataset, offset, type, names);
    return [makeSlot(dataset, name, offset, type, false)];
  });
  return { path, rowCount: dataset.shape[0], slots };
}

/** A data frame that pandas wrote in its "fixed" format: a matrix per block, and its columns' names beside it. */
function frameFixed(path: string, file: Hdf5File): Candidate | undefined {
  const find = (name: string): Hdf5Dataset | undefined => file.datasets.find((one) => one.path === `${path}/${name}`);
  const index = find("axis1");
  const slots: Hdf5Slot[] =
    index?.shape.length === 1 ? [makeSlot(index, "index", 0, index.members[0].type, false)] : [];
  for (let block = 0; ; block++) {
    const items = find(`block${block}_items`);
    if (!items) break;
    const values = find(`block${block}_values`);
    // Blocks of Python objects are pickled, not tabulated.
    if (values?.shape.length !== 2) continue;
    const [rows, across] = values.shape;
    const names = readTexts(file, items);
    if (names.length !== across || (index && index.shape[0] !== rows)) {
      throw new Hdf5Damage(
        `data frame "${path}": block ${block} is ${rows} x ${across}, expected a row per index and ${names.length} columns`,
      );
    }
    slots.push(...splitBlock(values, 0, values.members[0].type, names));
  }
  if (slots.length === 0) return undefined;
  const axis = find("axis0");
  const order = new Map((axis ? readTexts(file, axis) : []).map((name, i) => [name, i]));
  const place = (slot: Hdf5Slot): number => order.get(slot.schema.name) ?? -1;
  return { path, rowCount: slots[0].dataset.shape[0], slots: slots.sort((a, b) => place(a) - place(b)) };
}

const FRAMES: Readonly<Record<string, typeof frameFixed>> = { frame: frameFixed, frame_table: frameTable };

/** Short names where they are unique, else the whole path. */
function nameSlots(slots: readonly Hdf5Slot[]): Hdf5Slot[] {
  const counts = new Map<string, number>();
  for (const { schema } of slots) {
    const short = lastPart(schema.name);
    counts.set(short, (counts.get(short) ?? 0) + 1);
  }
  const names = nameColumns(
    slots.map(({ schema }) => {
      const short = lastPart(schema.name);
      return counts.get(short) === 1 ? short : schema.name.replace(/^\//, "");
    }),
  );
  return slots.map((slot, i) => ({ ...slot, schema: { ...schemaOf(slot.schema), name: names[i] } }));
}

function findCandidates(file: Hdf5File): Candidate[] {
  const frames: Candidate[] = [];
  const hidden: string[] = [];
  for (const [path, attributes] of file.groups) {
    const kind = attributes["pandas_type"] ?? "";
    const isFrame = Object.hasOwn(FRAMES, kind);
    // Inside PyTables' indices are arrays that are nobody's columns.
    if (isFrame || attributes["CLASS"] === "TINDEX") hidden.push(`${path}/`);
    const frame = isFrame ? FRAMES[kind](path, file) : undefined;
    if (frame) frames.push(frame);
  }
  const plain = new Map<number, Hdf5Slot[]>();
  for (const dataset of file.datasets) {
    const isHidden = hidden.some((prefix) => dataset.path.startsWith(prefix)) || dataset.path.endsWith(ASTROPY_NOTES);
    if (isHidden) continue;
    const slots = joinAstropyNotes(file, dataset, plainSlots(dataset));
    plain.set(dataset.shape[0], [...(plain.get(dataset.shape[0]) ?? []), ...slots]);
  }
  const others = [...plain].map(([rowCount, slots]): Candidate => {
    const [first] = slots;
    return { path: slots.length === 1 ? first?.schema.name : "/", rowCount, slots: nameSlots(slots) };
  });
  return [...frames, ...others].filter(({ slots }) => slots.length > 0);
}

const cells = ({ rowCount, slots }: Candidate): number =>
  rowCount * slots.reduce((sum, { schema }) => sum + schema.width, 0);

/** Attributes that describe the layout to PyTables and pandas, of no use to anybody else. */
const STRUCTURE =
  /^(CLASS|TITLE|VERSION|PYTABLES_FORMAT_VERSION|FLAVOR|NROWS|FIELD_\d+_\w+|pandas_\w+|.*_variety|encoding|errors|nblocks|ndim|levels|nan_rep|table_type|info|data_columns|index_cols|non_index_axes|values_cols)$/;

/**
 * The table in a file: datasets of equal length anywhere in it (PATH/NAME, or NAME where that is unique), records as
 * one column per member, matrices as array columns, or a data frame of pandas. The largest such set counts; what is
 * left out is listed in the metadata.
 * @throws Hdf5Damage where the same column comes with several lengths, as in training and test sets in one file.
 */
export function findTable(file: Hdf5File): Hdf5Layout {
  const candidates = findCandidates(file).sort((a, b) => cells(b) - cells(a));
  const [best] = candidates;
  if (!best) throw new Hdf5Damage("no table: expected datasets of one or two axes, or records");
  const names = new Set(best.slots.map(({ schema }) => lastPart(schema.name)));
  const rivals = candidates.filter(({ slots }) => slots.some(({ schema }) => names.has(lastPart(schema.name))));
  if (rivals.length > 1) {
    const list = rivals.map(({ slots, rowCount }) => `${rowCount} rows in ${slots[0].dataset.path}`).join(", ");
    throw new Hdf5Damage(`several tables with the same columns (${list}), expected one; copy it to a file of its own`);
  }
  const used = new Set(best.slots.map(({ dataset }) => dataset.path));
  const leftOut = [
    ...file.leftOut,
    ...candidates.slice(1).flatMap(({ slots }) => slots.map(({ dataset }) => dataset.path)),
    ...file.datasets.flatMap(({ path, leftOut: members }) =>
      used.has(path) ? members.map((name) => `${path}/${name}`) : [],
    ),
  ];
  const attributes = { ...file.groups.get("/"), ...file.groups.get(best.path) };
  const metadata = Object.fromEntries(Object.entries(attributes).filter(([key]) => !STRUCTURE.test(key)));
  if (leftOut.length > 0) metadata["left out"] = [...new Set(leftOut)].slice(0, 20).join(", ");
  return { slots: best.slots, rowCount: best.rowCount, metadata };
}
