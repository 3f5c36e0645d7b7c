/** Typed columns in memory, and the two seams every file format implements. No survey knowledge in this room. */

export type ColumnData = Float32Array | Float64Array | Uint8Array | Int16Array | Int32Array | BigInt64Array | string[];

export type ColumnType = "float32" | "float64" | "uint8" | "int16" | "int32" | "int64" | "string";

export interface ColumnSchema {
  readonly name: string;
  readonly type: ColumnType;
  /** Elements per row: 1 for a scalar column, 60 for a 60-band array column. */
  readonly width: number;
  /** Unit as the file spells it (FITS TUNITn, VOTable unit, Parquet/Arrow field metadata `unit`). */
  readonly unit?: string;
  readonly description?: string;
  /** The type has no NaN, yet rows may be missing: writers that must decide in advance make room for it. */
  readonly nullable?: boolean;
  /** Texts that are the digits of whole numbers without sign, of 64 bits: too many for any other type here. */
  readonly isDigits?: boolean;
}

export interface Column extends ColumnSchema {
  /** Row i is `data[i * width .. (i + 1) * width)`. Missing floats are NaN; other types use `isValid`. */
  readonly data: ColumnData;
  /** One entry per row, 1 = present. Absent when every row is present. */
  readonly isValid?: Uint8Array;
}

export interface Table {
  readonly rowCount: number;
  readonly columns: readonly Column[];
  /** Key-value metadata of the file (FITS keywords, Parquet key-value pairs). */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ReadOptions {
  /** Columns wanted, in this order; all when absent. */
  readonly columns?: readonly string[];
  /**
   * Those of them that are identifiers: a format whose cells are text hands them out as they are written (`0012`, `1E5`)
   * unless the file states their type; other formats know it and ignore this.
   */
  readonly texts?: readonly string[];
  /** Most rows per batch (a format may yield fewer). Default 65,536. */
  readonly batchRows?: number;
}

/** An open file. Rows stream in batches, so that memory is bounded by `batchRows`, not by the file. */
export interface TableSource {
  /** In messages; with the table in brackets where the file holds several. */
  readonly path: string;
  readonly format: string;
  readonly schema: readonly ColumnSchema[];
  /** Undefined where the format does not say without reading to the end (CSV). */
  readonly rowCount: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** What is in the file and was not read, in lines for a person: complete once the rows were read. */
  notes?(this: void): readonly string[];
  batches(options?: ReadOptions): AsyncIterable<Table>;
  close(): Promise<void>;
}

export interface TableHeader {
  readonly schema: readonly ColumnSchema[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Known in advance where the caller knows it; formats that need it in their header patch it otherwise. */
  readonly rowCount?: number;
  /** CSV: nothing but the header line and the rows, so that any program opens it; units are then lost. */
  readonly isPlain?: boolean;
}

/** Which of the tables of a file is wanted. */
export interface TablePick {
  /** Its name (FITS: EXTNAME; VOTable: name or ID) or number. */
  readonly name?: string;
  /** How well a table's columns serve: without a name the highest is read; the first numbers that differ decide. */
  readonly score?: (schema: readonly ColumnSchema[]) => readonly number[];
}

/** One file format: a row of the table in formats.ts. `write` gets a temporary path; the caller renames. */
export interface Format {
  readonly name: string;
  readonly extensions: readonly string[];
  /** Whether a file that begins with these bytes (after decompression) can be of this format. */
  isLike(head: Uint8Array): boolean;
  open(path: string, pick?: TablePick): Promise<TableSource>;
  /** A file can hold several tables, of which `pick` chooses. */
  readonly hasTables?: boolean;
  readonly write?: (path: string, header: TableHeader, batches: AsyncIterable<Table>) => Promise<void>;
}
