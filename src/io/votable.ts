import { UserError } from "../errors.ts";
import { type ChosenTable, chooseTable } from "./choose-table.ts";
import { nameColumns } from "./columns.ts";
import { DEFAULT_BATCH_ROWS, chooseColumns } from "./select.ts";
import type { ReadOptions, Table, TablePick, TableSource } from "./table.ts";
import { CellError, VoColumn } from "./votable-cells.ts";
import { hasOpenWidth, streamBytes, VO_TYPES, widenField } from "./votable-fields.ts";
import type { VoField } from "./votable-fields.ts";
import { hasSeveralTables, scanVotable } from "./votable-scan.ts";
import type { VoListener, VoTable } from "./votable-scan.ts";

/** Bytes of one row beyond which a stream is taken for damaged. */
const MAX_ROW = 2 ** 28;
const BATCH_BYTES = 64 * 2 ** 20;
/** Rows of the first batch: a small table need not wait for room for a large one. */
const FIRST_ROWS = 1024;

/** Takes the cells of a row one by one; `missing` for a null flag. */
interface CellSink {
  cell(j: number, view: DataView, at: number, count: number): void;
  missing(j: number): void;
  endRow(): void;
}

/** Cuts the stream of BINARY or BINARY2 into rows and cells. */
class RowCutter {
  private readonly fields: readonly VoField[];
  private readonly flagBytes: number;
  private readonly wrong: (what: string) => UserError;
  private waiting: Buffer = Buffer.alloc(0);
  /** Bytes needed before it is worth looking again. */
  private needed = 0;

  constructor({ fields, serialization }: VoTable, wrong: (what: string) => UserError) {
    this.fields = fields;
    this.flagBytes = serialization === "BINARY2" ? Math.ceil(fields.length / 8) : 0;
    this.wrong = wrong;
  }

  feed(bytes: Buffer, sink: CellSink): void {
    this.waiting = this.waiting.length === 0 ? bytes : Buffer.concat([this.waiting, bytes]);
    if (this.waiting.length < this.needed) return;
    const view = new DataView(this.waiting.buffer, this.waiting.byteOffset, this.waiting.length);
    let at = 0;
    for (let end = this.rowEnd(view, at); end !== undefined; end = this.rowEnd(view, at)) {
      this.cutRow(view, at, sink);
      at = end;
    }
    this.needed -= at;
    this.waiting = this.waiting.subarray(at);
  }

  finish(): void {
    if (this.waiting.length > 0) throw this.wrong(`the stream ends ${this.waiting.length} bytes into a row`);
  }

  /** Elements of a cell at `at`, and where they begin; undefined when its count has not come yet. */
  private measure(field: VoField, view: DataView, at: number): { count: number; at: number } | undefined {
    if (field.count !== undefined) return { count: field.count, at };
    if (at + 4 > view.byteLength) return undefined;
    const count = view.getUint32(at);
    if (streamBytes(field, count) > MAX_ROW || (field.most !== undefined && count > field.most)) {
      throw this.wrong(`column "${field.schema.name}" has a cell of ${count} elements`);
    }
    return { count, at: at + 4 };
  }

  /** End of the row that begins at `start`; undefined when it has not come whole. */
  private rowEnd(view: DataView, start: number): number | undefined {
    let at = start + this.flagBytes;
    for (const field of this.fields) {
      const cell = this.measure(field, view, at);
      if (!cell) at += 4;
      else at = cell.at + streamBytes(field, cell.count);
      if (at > view.byteLength) {
        this.needed = at;
        return undefined;
      }
    }
    return at > start ? at : undefined;
  }

  private cutRow(view: DataView, start: number, sink: CellSink): void {
    let at = start + this.flagBytes;
    for (const [j, field] of this.fields.entries()) {
      const cell = this.measure(field, view, at);
      if (!cell) return;
      const isNull = this.flagBytes > 0 && (view.getUint8(start + (j >> 3)) & (128 >> (j & 7))) !== 0;
      if (isNull) sink.missing(j);
      else sink.cell(j, view, cell.at, cell.count);
      at = cell.at + streamBytes(field, cell.count);
    }
    sink.endRow();
  }
}

/** The tables of a file, and which of them have rows. Where there is but one, reading stops at its first row. */
async function listTables(path: string): Promise<{ readonly table: VoTable; readonly isEmpty: boolean }[]> {
  const isOne = !(await hasSeveralTables(path));
  const filled = new Map<number, VoTable>();
  const begin = (table: VoTable): void => void filled.set(table.index, table);
  const ignore = (): void => {};
  const scan = scanVotable(path, { begin, row: ignore, bytes: ignore, end: ignore });
  for (let step = await scan.next(); ; step = await scan.next()) {
    const [first] = filled.values();
    if (isOne && first) {
      await scan.return([]);
      return [{ table: first, isEmpty: false }];
    }
    if (step.done) return step.value.map((table) => ({ table, isEmpty: !filled.has(table.index) }));
  }
}

/** The table that `pick` says, and what the others are. */
async function findTable(path: string, pick: TablePick | undefined): Promise<{ table: VoTable } & ChosenTable> {
  const tables = await listTables(path);
  if (tables.length === 0) throw new UserError(`${path}: a VOTable without a table`);
  const choices = tables.map(({ table, isEmpty }) => ({
    index: table.index,
    name: table.name,
    schema: table.fields.map(({ schema }) => schema),
    rowCount: isEmpty ? 0 : table.rowCount,
  }));
  const chosen = chooseTable(path, choices, pick);
  return { ...chosen, table: tables[choices.indexOf(chosen.choice as (typeof choices)[number])].table };
}

/** Longest cell of every column that doesn't say how long its cells get: this takes a reading of its own. */
async function measureCells(path: string, table: VoTable): Promise<VoField[]> {
  const longest = table.fields.map(() => 0);
  if (!table.fields.some(hasOpenWidth)) return [...table.fields];
  const note = (j: number, count: number): void => void (longest[j] = Math.max(longest[j], count));
  const sink: CellSink = { cell: (j, _view, _at, count) => note(j, count), missing: () => {}, endRow: () => {} };
  const cutter = new RowCutter(table, (what) => new UserError(`${path}: damaged VOTable: ${what}`));
  const isWanted = (one: VoTable): boolean => one.index === table.index;
  const scan = scanVotable(path, {
    begin: () => {},
    row: (one, cells) => {
      if (!isWanted(one)) return;
      for (const [j, field] of table.fields.entries()) {
        const text = cells[j] ?? "";
        if (field.schema.type === "string") note(j, text.length);
        else if (text.trim() !== "") note(j, text.trim().split(/\s+/).length);
      }
    },
    bytes: (one, bytes) => isWanted(one) && cutter.feed(bytes, sink),
    end: () => {},
  });
  while (!(await scan.next()).done);
  return table.fields.map((field, j) => widenField(field, longest[j]));
}

/** Gathers the wanted columns of a table and hands them out in batches. */
class BatchReader implements VoListener {
  private readonly path: string;
  private readonly table: VoTable;
  private readonly wanted: readonly number[];
  private readonly most: number;
  private readonly cutter: RowCutter;
  private columns: VoColumn[] = [];
  /** Column of each field; undefined for those not wanted. */
  private places: (VoColumn | undefined)[] = [];
  private rows = 0;
  private capacity = 0;
  private done = 0;
  readonly ready: Table[] = [];

  constructor(path: string, table: VoTable, fields: readonly VoField[], wanted: readonly number[], most: number) {
    this.path = path;
    this.table = { ...table, fields };
    this.wanted = wanted;
    this.most = most;
    this.cutter = new RowCutter(this.table, (what) => this.wrong(what));
    this.renew();
  }

  private renew(): void {
    const { fields } = this.table;
    this.capacity = this.done === 0 ? Math.min(this.most, FIRST_ROWS) : this.most;
    this.columns = this.wanted.map((j) => new VoColumn(fields[j], this.capacity));
    this.places = fields.map((_, j) => this.columns[this.wanted.indexOf(j)]);
    this.rows = 0;
  }

  private wrong(what: string): UserError {
    return new UserError(`${this.path}: damaged VOTable: row ${this.done + this.rows + 1}: ${what}`);
  }

  private isOurs(table: VoTable): boolean {
    return table.index === this.table.index;
  }

  private attempt(j: number, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof CellError)) throw error;
      throw this.wrong(`column "${this.table.fields[j].schema.name}": ${error.message}`);
    }
  }

  private readonly sink: CellSink = {
    cell: (j, view, at, count) => {
      const column = this.places[j];
      if (column) this.attempt(j, () => column.binary(this.rows, view, at, count));
    },
    missing: (j) => this.places[j]?.missing(this.rows),
    endRow: () => this.endRow(),
  };

  private endRow(): void {
    this.rows++;
    if (this.rows === this.capacity) this.flush();
  }

  private flush(): void {
    if (this.rows === 0) return;
    const columns = this.columns.map((column) => column.take(this.rows));
    this.ready.push({ rowCount: this.rows, columns, metadata: this.table.metadata });
    this.done += this.rows;
    this.renew();
  }

  begin(): void {}

  row(table: VoTable, cells: readonly string[]): void {
    if (!this.isOurs(table)) return;
    const { fields } = this.table;
    if (cells.length !== fields.length) throw this.wrong(`${cells.length} cells, expected ${fields.length}`);
    for (const j of this.wanted) this.attempt(j, () => this.places[j]?.text(this.rows, cells[j]));
    this.endRow();
  }

  bytes(table: VoTable, bytes: Buffer): void {
    if (this.isOurs(table)) this.cutter.feed(bytes, this.sink);
  }

  end(table: VoTable): void {
    if (!this.isOurs(table)) return;
    this.cutter.finish();
    this.flush();
  }
}

/** @throws UserError for a column of unknown datatype in a binary table: nobody knows where its cells end. */
function checkTypes(path: string, { fields, serialization }: VoTable): void {
  const unknown = fields.find(({ unknownType }) => unknownType !== undefined);
  if (serialization === "TABLEDATA" || unknown === undefined) return;
  const { unknownType, schema } = unknown;
  throw new UserError(
    `${path}: column "${schema.name}": datatype "${unknownType}", expected one of ${Object.keys(VO_TYPES).join(", ")}`,
  );
}

/**
 * Opens a VOTable (`.gz` too): TABLEDATA, BINARY or BINARY2, the table that `pick` says.
 * INFO and PARAM become metadata. @throws UserError with line or row for what is damaged.
 */
export async function openVotable(path: string, pick?: TablePick): Promise<TableSource> {
  const { table, shown, notes } = await findTable(path, pick);
  checkTypes(path, table);
  const measured = await measureCells(path, table);
  const names = nameColumns(measured.map(({ schema }) => schema.name));
  const fields = measured.map((field, j) => ({ ...field, schema: { ...field.schema, name: names[j] } }));
  const places = fields.flatMap(({ schema }, j) => (schema.width > 0 ? [j] : []));
  const schema = places.map((j) => fields[j].schema);
  async function* batches(options: ReadOptions = {}): AsyncGenerator<Table> {
    const wanted = chooseColumns(path, schema, options.columns).map((i) => places[i]);
    const rowBytes = wanted.reduce((sum, j) => sum + 8 * fields[j].schema.width, 1);
    const most = Math.min(options.batchRows ?? DEFAULT_BATCH_ROWS, Math.max(1, Math.floor(BATCH_BYTES / rowBytes)));
    const reader = new BatchReader(path, table, fields, wanted, most);
    const scan = scanVotable(path, reader);
    for (let step = await scan.next(); ; step = await scan.next()) {
      yield* reader.ready.splice(0);
      if (step.done) break;
    }
  }
  const { rowCount, metadata } = table;
  const told = (): readonly string[] => notes;
  return { path: shown, format: "votable", schema, rowCount, metadata, notes: told, batches, close: async () => {} };
}
