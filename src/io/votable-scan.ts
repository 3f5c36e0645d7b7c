import sax from "sax";
import { UserError } from "../errors.ts";
import { readText } from "./text.ts";
import { describeField } from "./votable-fields.ts";
import type { VoField } from "./votable-fields.ts";

export type Serialization = "TABLEDATA" | "BINARY" | "BINARY2";

/** What comes before the rows of a table. */
export interface VoTable {
  /** Place among the TABLEs of the file, from 0. */
  readonly index: number;
  /** Its name, else its ID, else "". */
  readonly name: string;
  readonly fields: readonly VoField[];
  readonly rowCount: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly serialization: Serialization;
}

/** What a reader wants to hear; rows of all tables are told. */
export interface VoListener {
  /** Before the first row or byte of a table that has any. */
  begin(table: VoTable): void;
  /** One row of TABLEDATA. */
  row(table: VoTable, cells: readonly string[]): void;
  /** A piece of the stream of BINARY or BINARY2. */
  bytes(table: VoTable, bytes: Buffer): void;
  /** After the last row. */
  end(table: VoTable): void;
}

const MAX_DEPTH = 64;
const MAX_FIELDS = 100_000;

/** Decodes base64 that comes in pieces of any length. */
class Base64 {
  private rest = "";
  private isOver = false;

  decode(text: string): Buffer {
    const plain = this.rest + text.replace(/\s+/g, "");
    const end = plain.length - (plain.length % 4);
    this.rest = plain.slice(end);
    const whole = plain.slice(0, end);
    if (this.isOver && plain !== "") throw new Error("base64 data go on after their end");
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(whole)) throw new Error("the stream is not base64");
    this.isOver = whole.endsWith("=");
    return Buffer.from(whole, "base64");
  }

  finish(): void {
    if (this.rest !== "") throw new Error("base64 data end in the middle of a group of four characters");
  }
}

type Attributes = Readonly<Record<string, string | undefined>>;

/** Turns the tags of a VOTable into tables and their rows. */
class VoScanner {
  private readonly path: string;
  private readonly listener: VoListener;
  private readonly parser = sax.parser(true, { trim: false, normalize: false });
  private readonly open: string[] = [];
  private readonly metadata: Record<string, string> = {};
  private tables = 0;
  private fields: VoField[] = [];
  private tableAttributes: Attributes = {};
  private field: { attributes: Attributes; description: string; null: string | undefined } | undefined;
  private table: VoTable | undefined;
  private serialization: Serialization | undefined;
  private cells: string[] = [];
  private cell: string | undefined;
  private base64: Base64 | undefined;
  /** TABLEs seen so far that have columns. */
  readonly empty: VoTable[] = [];

  constructor(path: string, listener: VoListener) {
    this.path = path;
    this.listener = listener;
    const handlers: Partial<sax.SAXParser> = {
      onerror: (error) => {
        throw this.wrong(error.message.split("\n")[0]);
      },
      onopentag: ({ name, attributes }) => this.onOpen(name, attributes as Record<string, string>),
      onclosetag: (name) => this.onClose(name),
      ontext: (text) => this.onText(text),
      oncdata: (text) => this.onText(text),
    };
    Object.assign(this.parser, handlers);
  }

  private wrong(what: string): UserError {
    return new UserError(`${this.path}: line ${this.parser.line + 1}: damaged VOTable: ${what}`);
  }

  /** Base64 between tags passes by the parser, which looks at every character. */
  write(text: string): void {
    let rest = text;
    if (this.base64) {
      const tag = rest.indexOf("<");
      this.onText(tag < 0 ? rest : rest.slice(0, tag));
      rest = tag < 0 ? "" : rest.slice(tag);
    }
    if (rest === "") return;
    this.parser.write(rest);
    if (this.base64) this.parser.flush();
  }

  finish(): void {
    this.parser.close();
    if (this.open.length > 0 || this.tables === 0) throw this.wrong("no TABLE, or no end");
  }

  private onOpen(fullName: string, attributes: Attributes): void {
    const name = fullName.slice(fullName.indexOf(":") + 1);
    if (this.open.length === 0 && name !== "VOTABLE")
      throw this.wrong(`the document is <${fullName}>, expected <VOTABLE>`);
    this.open.push(name);
    if (this.open.length > MAX_DEPTH) throw this.wrong(`elements nest deeper than ${MAX_DEPTH}`);
    if (name === "TABLE") {
      this.tables++;
      this.fields = [];
      this.table = undefined;
      this.tableAttributes = attributes;
    } else if (name === "FIELD") this.field = { attributes, description: "", null: undefined };
    else if (name === "VALUES" && this.field) this.field.null = attributes["null"];
    else if (name === "INFO" || name === "PARAM") this.addMetadata(attributes);
    else if (name === "TABLEDATA" || name === "BINARY" || name === "BINARY2") {
      this.serialization = name;
      this.empty.push(this.describe(name));
    } else if (name === "FITS") throw this.wrong("a table inside a FITS stream is not read; save it as BINARY2");
    else if (name === "STREAM") this.openStream(attributes);
    else if (name === "TR") this.cells = [];
    else if (name === "TD") {
      if ((attributes["encoding"] ?? "") !== "") throw this.wrong("encoded TD elements are not read");
      this.cell = "";
    }
  }

  private addMetadata(attributes: Attributes): void {
    const { name, value } = attributes;
    if (name && value !== undefined && !Object.hasOwn(this.metadata, name)) this.metadata[name] = value;
  }

  private openStream(attributes: Attributes): void {
    if (attributes["href"] !== undefined)
      throw this.wrong(`the rows are elsewhere (href "${attributes["href"]}"), expected them in the file`);
    const encoding = attributes["encoding"] ?? "";
    if (encoding !== "base64") throw this.wrong(`stream encoding "${encoding}", expected base64`);
    if (this.serialization === undefined) throw this.wrong("a STREAM outside BINARY and BINARY2");
    this.base64 = new Base64();
  }

  private onText(text: string): void {
    if (this.cell !== undefined) this.cell += text;
    else if (this.field && this.open.at(-1) === "DESCRIPTION") this.field.description += text;
    else if (this.base64) this.passBytes(this.base64, text);
  }

  private passBytes(base64: Base64, text: string): void {
    let bytes: Buffer;
    try {
      bytes = base64.decode(text);
    } catch (error) {
      throw this.wrong((error as Error).message);
    }
    if (bytes.length > 0) this.listener.bytes(this.begun(), bytes);
  }

  private onClose(fullName: string): void {
    const name = fullName.slice(fullName.indexOf(":") + 1);
    this.open.pop();
    if (name === "FIELD" && this.field) this.closeField(this.field);
    else if (name === "TD") {
      this.cells.push(this.cell ?? "");
      this.cell = undefined;
    } else if (name === "TR") this.listener.row(this.begun(), this.cells);
    else if (name === "STREAM") {
      try {
        this.base64?.finish();
      } catch (error) {
        throw this.wrong((error as Error).message);
      }
      this.base64 = undefined;
    } else if (name === "TABLE" && this.table) this.listener.end(this.table);
  }

  private closeField({ attributes, description, null: blank }: NonNullable<VoScanner["field"]>): void {
    if (this.fields.length >= MAX_FIELDS) throw this.wrong(`more than ${MAX_FIELDS} columns`);
    const name = attributes["name"] ?? attributes["ID"] ?? "";
    this.fields.push(describeField(this.path, attributes, { name, description, null: blank }));
    this.field = undefined;
  }

  private describe(serialization: Serialization): VoTable {
    const { nrows, name, ID } = this.tableAttributes;
    if (nrows !== undefined && !/^\d{1,15}$/.test(nrows.trim()))
      throw this.wrong(`nrows is "${nrows}", expected a number`);
    return {
      index: this.tables - 1,
      name: (name ?? ID ?? "").trim(),
      fields: this.fields,
      rowCount: nrows === undefined ? undefined : Number(nrows),
      metadata: this.metadata,
      serialization,
    };
  }

  private begun(): VoTable {
    if (this.table) return this.table;
    if (this.serialization === undefined || !this.open.includes("TABLE")) throw this.wrong("rows outside a TABLE");
    this.table = this.describe(this.serialization);
    this.listener.begin(this.table);
    return this.table;
  }
}

/** Whether a file has more than one TABLE, told by its text alone, which takes little beside reading rows. */
export async function hasSeveralTables(path: string): Promise<boolean> {
  let count = 0;
  let rest = "";
  for await (const text of readText(path, "a VOTable")) {
    const whole = rest + text;
    count += whole.match(/<(\w+:)?TABLE[\s>]/g)?.length ?? 0;
    if (count > 1) return true;
    // no tag is cut in two, and none is counted twice
    rest = whole.slice(Math.max(whole.lastIndexOf("<"), whole.length - 64)).replace(/^<(\w+:)?TABLE[\s>]/, "");
  }
  return false;
}

/**
 * Reads a VOTable from beginning to end and tells `listener` about its rows; yields after every piece, so that the
 * caller can hand on what has come, or stop. Returns the tables without rows, too.
 * @throws UserError with the line of what is damaged.
 */
export async function* scanVotable(path: string, listener: VoListener): AsyncGenerator<void, readonly VoTable[], void> {
  const scanner = new VoScanner(path, listener);
  for await (const text of readText(path, "a VOTable")) {
    // Pieces are short, so that one of them holds few rows.
    for (let at = 0; at < text.length; at += 2 ** 16) {
      scanner.write(text.slice(at, at + 2 ** 16));
      yield;
    }
  }
  scanner.finish();
  return scanner.empty;
}
