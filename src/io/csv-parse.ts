import Papa from "papaparse";
import { UserError } from "../errors.ts";
import { readNotes } from "./csv-notes.ts";
import type { Notes } from "./csv-notes.ts";
import { readText } from "./text.ts";

/** Characters of one record at most: an unclosed quote must not swallow the file into memory. */
const MAX_RECORD = 16 * 2 ** 20;

/** Characters gathered before records are cut off and parsed. */
const PIECE = 2 ** 19;

/** Records of one piece of a file, each a list of cells, and the number of the first one's line. */
export interface Piece {
  readonly records: string[][];
  /** Line of the file (from 1) on which each record begins. */
  readonly lines: number[];
}

function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count++;
  return count;
}

/** End of the last line break that is outside quotes; 0 when there is none. */
function lastRecordEnd(text: string): number {
  let end = text.lastIndexOf("\n") + 1;
  while (end > 0 && countQuotes(text.slice(0, end)) % 2 === 1) end = text.lastIndexOf("\n", end - 2) + 1;
  return end;
}

function parsePiece(path: string, text: string, delimiter: string, firstLine: number): Piece {
  const { data, errors } = Papa.parse<string[]>(text, { delimiter, newline: text.includes("\r\n") ? "\r\n" : "\n" });
  const quotes = errors.find((error) => error.type === "Quotes");
  if (quotes) {
    throw new UserError(
      `${path}:${firstLine + (quotes.row ?? 0)}: ${quotes.message.toLowerCase()}, expected quotes around whole cells`,
    );
  }
  const records: string[][] = [];
  const lines: number[] = [];
  let line = firstLine;
  for (const record of data) {
    const isBlank = record.length === 1 && record[0].trim() === "";
    if (!isBlank && !record[0].startsWith("#")) {
      records.push(record);
      lines.push(line);
    }
    line += 1;
    for (const cell of record) for (let at = cell.indexOf("\n"); at >= 0; at = cell.indexOf("\n", at + 1)) line++;
  }
  return { records, lines };
}

export interface CsvStart {
  /** What the comments before the header line say. */
  readonly notes: Notes;
  readonly delimiter: string;
}

/** What the comments say and the delimiter, from the beginning of the text, and how many characters come before the header line. */
function readStart(path: string, text: string): CsvStart & { readonly length: number } {
  const comments: string[] = [];
  let length = 0;
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) comments.push(line.slice(1).replace(/^ |\r$/g, ""));
    else if (line.trim() !== "") {
      const notes = readNotes(path, comments);
      if (notes.delimiter !== undefined) return { notes, delimiter: notes.delimiter, length };
      const delimiters = [",", "\t", ";", "|"];
      const counts = delimiters.map((delimiter) => line.split(delimiter).length);
      const most = Math.max(...counts);
      return { notes, delimiter: most === 1 ? "," : delimiters[counts.indexOf(most)], length };
    }
    length += line.length + 1;
  }
  throw new UserError(`${path}: empty, expected a header line with column names`);
}

/**
 * Streams the records of a CSV file (`.gz` too) in pieces of about a megabyte: whole records, quotes respected,
 * comments (#) and blank lines left out. The first record is the header.
 * @throws UserError with file:line for an unclosed quote, an unreadable or a binary file.
 */
export async function* readRecords(path: string): AsyncGenerator<Piece & { readonly start: CsvStart }> {
  let rest = "";
  let line = 1;
  let start: CsvStart | undefined;
  const emit = function* (text: string): Generator<Piece & { readonly start: CsvStart }> {
    let rows = text;
    if (start === undefined) {
      const { length, ...found } = readStart(path, text);
      start = found;
      rows = text.slice(length);
      line += text.slice(0, length).split("\n").length - 1;
    }
    const piece = parsePiece(path, rows.replace(/\r?\n$/, ""), start.delimiter, line);
    line += rows.split("\n").length - 1;
    if (piece.records.length > 0) yield { ...piece, start };
  };
  for await (const text of readText(path, "CSV")) {
    rest = rest === "" && line === 1 ? text.replace(/^\uFEFF/, "") : rest + text;
    if (rest.length < PIECE) continue;
    const end = lastRecordEnd(rest);
    const isHeaderWhole = start !== undefined || /^[^#\r\n][^\n]*\n/m.test(rest.slice(0, end));
    if (end > 0 && isHeaderWhole) {
      yield* emit(rest.slice(0, end));
      rest = rest.slice(end);
    }
    if (rest.length > MAX_RECORD) {
      throw new UserError(`${path}:${line}: a record longer than ${MAX_RECORD} characters, probably an unclosed quote`);
    }
  }
  if (rest !== "" || start === undefined) yield* emit(rest);
}
