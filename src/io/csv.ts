import { open } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { allocate, nameColumns, sliceTable } from "./columns.ts";
import { ecsvHead } from "./csv-notes.ts";
import type { Notes } from "./csv-notes.ts";
import { blankCells, readRecords } from "./csv-parse.ts";
import type { CsvStart, Piece } from "./csv-parse.ts";
import { DEFAULT_BATCH_ROWS, chooseColumns } from "./select.ts";
import type { Column, ColumnSchema, ColumnType, ReadOptions, Table, TableHeader, TableSource } from "./table.ts";

const MISSING = new Set(["", "nan", "null", "none", "na", "n/a", "--", "-", "masked"]);
const WHOLE = /^[+-]?\d+$/;
const REAL = /^[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?$|^[+-]?inf(inity)?$/i;
const LOGICAL: Readonly<Record<string, number>> = { true: 1, false: 0, t: 1, f: 0 };
/** Whole numbers from here on may not fit a double exactly: identifiers, kept as int64. */
const EXACT = 2 ** 53;

function isMissing(cell: string): boolean {
  return MISSING.has(cell.toLowerCase());
}

/** The numbers of an array cell: `1 2 3`, `[1, 2, 3]`, `{1;2;3}`. */
function splitArray(cell: string): string[] {
  return cell
    .replace(/^[[({]|[\])}]$/g, "")
    .split(/[\s,;]+/)
    .filter((token) => token !== "");
}

function isNumber(token: string): boolean {
  return REAL.test(token) || isMissing(token);
}

/** Type and width of a column from the cells of the first rows. */
function inferColumn(cells: readonly string[]): { type: ColumnType; width: number } {
  const present = cells.filter((cell) => !isMissing(cell));
  if (present.length === 0) return { type: "float64", width: 1 };
  if (present.every((cell) => WHOLE.test(cell))) {
    return { type: present.some((cell) => Math.abs(Number(cell)) >= EXACT) ? "int64" : "float64", width: 1 };
  }
  if (present.every((cell) => REAL.test(cell))) return { type: "float64", width: 1 };
  if (present.every((cell) => cell.toLowerCase() in LOGICAL)) return { type: "uint8", width: 1 };
  const arrays = present.map(splitArray);
  const width = arrays[0].length;
  // A few cells of another length are damage, to be told; many of them are lists that are no array column.
  const same = arrays.filter((tokens) => tokens.length === width).length;
  const isArray = width > 1 && same > 0.8 * arrays.length && arrays.every((tokens) => tokens.every(isNumber));
  return isArray ? { type: "float64", width } : { type: "string", width: 1 };
}

function parseNumber(cell: string): number {
  const lower = cell.toLowerCase();
  if (MISSING.has(lower)) return NaN;
  if (REAL.test(cell)) {
    if (lower.includes("inf")) return lower.startsWith("-") ? -Infinity : Infinity;
    return Number(lower.replace("d", "e"));
  }
  return lower in LOGICAL ? LOGICAL[lower] : NaN;
}

/** The common case, told by its first character and length: a decimal number short of the limits of a double. Else NaN. */
function plainNumber(cell: string): number {
  const first = cell.charCodeAt(0);
  const isDecimal = (first >= 48 && first <= 57) || first === 45 || first === 46;
  if (!isDecimal || cell.length > 15 || cell.charCodeAt(1) === 120) return NaN;
  const value = Number(cell);
  return Number.isFinite(value) ? value : NaN;
}

const INTEGER_LIMITS: Partial<Record<ColumnType, readonly [number, number]>> = {
  uint8: [0, 255],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

/** Parses one column of a piece. `where(i)` is file:line of record i. */
function parseColumn(schema: ColumnSchema, cells: readonly string[], where: (i: number) => string): Column {
  const { name, type, width } = schema;
  const rows = cells.length;
  const data = allocate(type, rows * width);
  const wrong = (i: number, cell: string, wanted: string): UserError =>
    new UserError(`${where(i)}: column "${name}": ${JSON.stringify(cell.slice(0, 40))} is not ${wanted}`);
  if (Array.isArray(data)) {
    for (let i = 0; i < rows; i++) data[i] = cells[i];
    return { ...schema, data };
  }
  let isValid: Uint8Array | undefined;
  const limits = INTEGER_LIMITS[type];
  for (let i = 0; i < rows; i++) {
    const cell = cells[i];
    const plain = limits || width > 1 || type === "int64" ? NaN : plainNumber(cell);
    if (!Number.isNaN(plain)) (data as Float64Array)[i] = plain;
    else if (width > 1) {
      if (isMissing(cell)) (data as Float64Array).fill(NaN, i * width, (i + 1) * width);
      else {
        const tokens = splitArray(cell);
        if (tokens.length !== width) throw wrong(i, cell, `${width} numbers (it has ${tokens.length})`);
        for (let k = 0; k < width; k++) {
          if (!isNumber(tokens[k])) throw wrong(i, tokens[k], "a number");
          (data as Float64Array)[i * width + k] = parseNumber(tokens[k]);
        }
      }
    } else if (type === "int64") {
      if (WHOLE.test(cell)) (data as BigInt64Array)[i] = BigInt(cell);
      else if (isMissing(cell)) (isValid ??= new Uint8Array(rows).fill(1))[i] = 0;
      else throw wrong(i, cell, "a whole number");
    } else {
      const isLogical = cell.toLowerCase() in LOGICAL;
      if (!isNumber(cell) && !(type === "uint8" && isLogical)) throw wrong(i, cell, "a number");
      const value = parseNumber(cell);
      if (!limits) {
        if (Math.abs(value) >= EXACT && WHOLE.test(cell) && type === "float64" && cell.length >= 16) {
          throw wrong(
            i,
            cell,
            `a number of at most 16 digits, as in the first rows; add "# type ${name} = int64" before the header`,
          );
        }
        (data as Float64Array)[i] = value;
      } else if (Number.isNaN(value)) (isValid ??= new Uint8Array(rows).fill(1))[i] = 0;
      else if (Number.isInteger(value) && value >= limits[0] && value <= limits[1]) (data as Int32Array)[i] = value;
      else throw wrong(i, cell, `a whole number from ${limits[0]} to ${limits[1]}`);
    }
  }
  return { ...schema, data, ...(isValid ? { isValid } : {}) };
}

/** Names and units of the columns, and how many records they take. */
interface CsvHead {
  readonly names: readonly string[];
  readonly units: readonly string[];
  readonly skip: number;
}

/** A line of dashes under the names, as VizieR draws it. */
const isRule = (record: readonly string[] | undefined): boolean =>
  record !== undefined && record.every((cell) => /^-+$/.test(cell.trim())) && record.some((cell) => cell.length > 1);

/**
 * The header: a line of names; with units and a rule of dashes below it (VizieR); or, where the first line holds numbers,
 * the comment before it (numpy's savetxt, TOPCAT). @throws UserError where no line has names.
 */
function findHead(path: string, { records, lines }: Piece, { delimiter, lastComment }: CsvStart): CsvHead {
  const [first, second, third] = records as readonly (string[] | undefined)[];
  if (first === undefined) throw new UserError(`${path}: empty, expected a header line with column names`);
  const names = first.map((name) => name.trim());
  if (isRule(second)) return { names, units: [], skip: 2 };
  if (isRule(third)) return { names, units: (second ?? []).map((unit) => unit.trim()), skip: 3 };
  if (!names.some((name) => REAL.test(name))) return { names, units: [], skip: 1 };
  const told = (delimiter === " " ? blankCells(lastComment) : lastComment.split(delimiter)).map((name) =>
    name.trim().replace(/^"(.*)"$/, "$1"),
  );
  const isNamed = told.length === names.length && !told.some((name) => name === "" || REAL.test(name));
  if (isNamed) return { names: told, units: [], skip: 0 };
  if (!names.every((name) => REAL.test(name))) return { names, units: [], skip: 1 };
  throw new UserError(`${path}:${lines[0]}: the first line holds numbers, expected a header line with column names`);
}

function makeSchema(names: readonly string[], first: readonly string[][], notes: Notes): ColumnSchema[] {
  return names.map((name, j): ColumnSchema => {
    const unit = notes.units.get(name);
    const told = notes.types.get(name);
    const { type, width } = told ?? inferColumn(first.map((record) => (record[j] ?? "").trim()));
    const isNullable = type === "uint8" && !told;
    const isDigits = told?.isDigits === true;
    const description = notes.descriptions.get(name);
    return {
      name,
      type,
      width,
      ...(unit ? { unit } : {}),
      ...(description ? { description } : {}),
      ...(isNullable ? { nullable: true } : {}),
      ...(isDigits ? { isDigits } : {}),
    };
  });
}

const isInk = (code: number): boolean => code > 32 && code < 127;

/** Cells of the wanted columns, column by column, without blanks around them. */
function turn(records: readonly string[][], skip: number, wanted: readonly number[]): string[][] {
  const cells = wanted.map(() => new Array<string>(records.length - skip));
  for (let i = skip; i < records.length; i++) {
    const record = records[i];
    for (let k = 0; k < wanted.length; k++) {
      const cell = record[wanted[k]];
      cells[k][i - skip] = isInk(cell.charCodeAt(0)) && isInk(cell.charCodeAt(cell.length - 1)) ? cell : cell.trim();
    }
  }
  return cells;
}

/** Every record has one cell per column; one empty cell too many (a trailing delimiter) is allowed. */
function checkCells(path: string, piece: Piece, count: number): void {
  for (const [i, record] of piece.records.entries()) {
    const isTrailing = record.length === count + 1 && record[count].trim() === "";
    if (record.length !== count && !isTrailing) {
      throw new UserError(`${path}:${piece.lines[i]}: ${record.length} cells, expected ${count} as in the header`);
    }
  }
}

/** Lines that were taken for comments, in words; none where there were none. */
function commentNote(count: number, first: Piece["comments"][number] | undefined): string[] {
  if (first === undefined) return [];
  const shown = first.text.length > 40 ? `${first.text.slice(0, 40)}...` : first.text;
  const what = count === 1 ? "1 line that begins" : `${count} lines that begin`;
  return [`${what} with # skipped as comments (line ${first.line}: ${shown}); a cell that begins so needs quotes`];
}

/**
 * Opens a CSV (or TSV, ECSV) file, plain or `.gz`. Column types come from the header's comments, else from the first megabyte.
 * Cells of space-separated numbers become array columns. @throws UserError with file:line.
 */
export async function openCsv(path: string): Promise<TableSource> {
  let head: CsvHead | undefined;
  let schema: ColumnSchema[] = [];
  let notes: Notes | undefined;
  for await (const { start, ...piece } of readRecords(path)) {
    head = findHead(path, piece, start);
    notes = { ...start.notes, units: new Map(start.notes.units) };
    const { units, names } = head;
    for (const [j, unit] of units.entries()) if (/[^-]/.test(unit)) notes.units.set(names[j], unit);
    schema = makeSchema(nameColumns(names), piece.records.slice(head.skip), notes);
    break;
  }
  if (head === undefined || notes === undefined) {
    throw new UserError(`${path}: empty, expected a header line with column names`);
  }
  const { skip: headRecords } = head;
  const { metadata, types } = notes;
  let skipped = 0;
  let firstSkipped: Piece["comments"][number] | undefined;
  async function* batches(options: ReadOptions = {}): AsyncGenerator<Table> {
    const wanted = chooseColumns(path, schema, options.columns);
    const texts = new Set(options.texts);
    const isText = ({ name }: ColumnSchema): boolean => texts.has(name) && !types.has(name);
    const columnsOf = wanted.map((j): ColumnSchema =>
      isText(schema[j]) ? { ...schema[j], type: "string", width: 1 } : schema[j],
    );
    const most = options.batchRows ?? DEFAULT_BATCH_ROWS;
    let isFirst = true;
    [skipped, firstSkipped] = [0, undefined];
    for await (const piece of readRecords(path)) {
      const skip = isFirst ? headRecords : 0;
      isFirst = false;
      skipped += piece.comments.length;
      firstSkipped ??= piece.comments[0];
      checkCells(path, piece, schema.length);
      const rows = piece.records.length - skip;
      const cells = turn(piece.records, skip, wanted);
      const columns = columnsOf.map((column, k) =>
        parseColumn(column, cells[k], (i) => `${path}:${piece.lines[i + skip]}`),
      );
      const table: Table = { rowCount: rows, columns, metadata };
      for (let row = 0; row < rows; row += most) yield sliceTable(table, row, Math.min(rows, row + most));
    }
  }
  const told = (): readonly string[] => commentNote(skipped, firstSkipped);
  return { path, format: "csv", schema, rowCount: undefined, metadata, notes: told, batches, close: async () => {} };
}

const POWERS = Array.from({ length: 15 }, (_, k) => 10 ** k);

/** A short decimal that reads back as the same single-precision number: 7 to 9 digits. */
function shortFloat(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e-5 && size < 1e6) {
    // A whole number over a power of ten is the double nearest to that decimal, so that its text is the decimal itself.
    const decade = 6 - Math.floor(Math.log10(size));
    for (let k = decade; k < decade + 3; k++) {
      const short = Math.round(value * POWERS[k]) / POWERS[k];
      if (Math.fround(short) === value) return String(short);
    }
  }
  const short = Number(value.toPrecision(7));
  return String(Math.fround(short) === value ? short : Number(value.toPrecision(9)));
}

function formatNumber(value: number | bigint, type: ColumnType, missing: string): string {
  if (typeof value === "bigint") return String(value);
  if (Number.isNaN(value)) return missing;
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return type === "float32" ? shortFloat(value) : String(value);
}

function quote(text: string): string {
  return /[",\r\n]|^#|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function formatCell(column: Column, row: number): string {
  const { data, width, type, isValid } = column;
  if (isValid && !isValid[row]) return "";
  if (Array.isArray(data)) return quote(data.slice(row * width, (row + 1) * width).join(" "));
  if (width === 1) return formatNumber(data[row], type, "");
  const cells: string[] = [];
  for (let k = 0; k < width; k++) cells.push(formatNumber(data[row * width + k], type, "NaN"));
  return `"[${cells.join(",")}]"`;
}

/**
 * Writes the header line and the rows, and before them, unless the table is to be plain, an ECSV header with units, types,
 * descriptions and metadata.
 */
export async function writeCsv(path: string, header: TableHeader, batches: AsyncIterable<Table>): Promise<void> {
  const head = [
    ...(header.isPlain === true ? [] : ecsvHead(header)),
    header.schema.map(({ name }) => quote(name)).join(","),
  ];
  const file = await open(path, "w");
  try {
    await file.appendFile(`${head.join("\n")}\n`);
    for await (const table of batches) {
      let text = "";
      for (let row = 0; row < table.rowCount; row++) {
        for (let j = 0; j < table.columns.length; j++) {
          if (j > 0) text += ",";
          text += formatCell(table.columns[j], row);
        }
        text += "\n";
        if (text.length > 2 ** 20) {
          await file.appendFile(text);
          text = "";
        }
      }
      await file.appendFile(text);
    }
  } finally {
    await file.close();
  }
}
