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
  /** Lines that were left out as comments, those before the header line not among them. */
  readonly comments: readonly { readonly line: number; readonly text: string }[];
}

function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count++;
  return count;
}

/** Takes a # at the beginning of a line for a comment, unless the line goes on inside a quoted cell. */
function markComments(lines: readonly string[]): { readonly places: readonly number[]; readonly lastEnd: number } {
  const places: number[] = [];
  let lastEnd = 0;
  let end = 0;
  let isInside = false;
  for (const [i, line] of lines.entries()) {
    end += line.length + 1;
    // Quotes inside a comment are nobody's.
    if (!isInside && line.startsWith("#")) places.push(i);
    else if (countQuotes(line) % 2 === 1) isInside = !isInside;
    if (!isInside && i < lines.length - 1) lastEnd = end;
  }
  return { places, lastEnd };
}

/** End of the last line break that is outside quotes; 0 when there is none. */
function lastRecordEnd(text: string): number {
  if (/^#/m.test(text)) return markComments(text.split("\n")).lastEnd;
  let end = text.lastIndexOf("\n") + 1;
  while (end > 0 && countQuotes(text.slice(0, end)) % 2 === 1) end = text.lastIndexOf("\n", end - 2) + 1;
  return end;
}

/** Runs of blanks between cells become one blank, those around a line go; quoted cells stay as they are. */
function squeezeBlanks(text: string): string {
  return text
    .replace(/"(?:[^"]|"")*"|[ \t]+/g, (part) => (part.startsWith('"') ? part : " "))
    .replace(/^ | (?=\r?$)/gm, "");
}

/** VizieR puts the tables of a catalogue one after the other into a file, each with such lines before it. */
const VIZIER_TABLE = /^#(Table\t|RESOURCE=)/;

function parsePiece(path: string, whole: string, { delimiter, isVizier }: CsvStart, firstLine: number): Piece {
  let text = whole;
  const comments: { line: number; text: string }[] = [];
  if (/^#/m.test(text)) {
    const all = text.split("\n");
    for (const place of markComments(all).places) {
      const line = firstLine + place;
      if (isVizier && VIZIER_TABLE.test(all[place])) {
        throw new UserError(`${path}:${line}: a second table begins here, expected one; save it in a file of its own`);
      }
      comments.push({ line, text: all[place].trimEnd() });
      all[place] = all[place].endsWith("\r") ? "\r" : "";
    }
    text = all.join("\n");
  }
  if (delimiter === " ") text = squeezeBlanks(text);
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
    if (record.length > 1 || record[0].trim() !== "") {
      records.push(record);
      lines.push(line);
    }
    line += 1;
    for (const cell of record) for (let at = cell.indexOf("\n"); at >= 0; at = cell.indexOf("\n", at + 1)) line++;
  }
  return { records, lines, comments };
}

export interface CsvStart {
  /** What the comments before the header line say. */
  readonly notes: Notes;
  readonly delimiter: string;
  /** The comment right before the first line, which has the names where that line has none (numpy, TOPCAT). */
  readonly lastComment: string;
  readonly isVizier: boolean;
}

/** Cells between blanks. */
export const blankCells = (line: string): string[] => line.match(/"(?:[^"]|"")*"|[^\s"]+/g) ?? [];

/** The delimiter of the first two lines that are no comments: blanks where no other is there. */
function findDelimiter(line: string, next: string): string {
  const delimiters = [",", "\t", ";", "|"];
  const counts = delimiters.map((delimiter) => line.split(delimiter).length);
  const most = Math.max(...counts);
  if (most > 1) return delimiters[counts.indexOf(most)];
  const count = blankCells(line).length;
  return count > 1 && (next === "" || blankCells(next).length === count) ? " " : ",";
}

/** What the comments say and the delimiter, from the beginning of the text, and how many characters come before the header line. */
function readStart(path: string, text: string): CsvStart & { readonly length: number } {
  const comments: string[] = [];
  let length = 0;
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    if (line.startsWith("#")) comments.push(line.slice(1).replace(/^ |\r$/g, ""));
    else if (line.trim() !== "") {
      const notes = readNotes(path, comments);
      const isVizier = comments.some((comment) => VIZIER_TABLE.test(`#${comment}`));
      const next = lines.slice(i + 1).find((each) => each.trim() !== "" && !each.startsWith("#")) ?? "";
      const delimiter = notes.delimiter ?? findDelimiter(line, next);
      return { notes, delimiter, lastComment: lines[i - 1]?.startsWith("#") ? comments.at(-1)! : "", isVizier, length };
    }
    length += line.length + 1;
  }
  throw new UserError(`${path}: empty, expected a header line with column names`);
}

/**
 * Streams the records of a CSV file (`.gz` too) in pieces of about a megabyte: whole records, quotes respected,
 * comments (#) and blank lines left out; a quoted cell is never a comment. The first record is the header.
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
    const piece = parsePiece(path, rows.replace(/\r?\n$/, ""), start, line);
    line += rows.split("\n").length - 1;
    if (piece.records.length + piece.comments.length > 0) yield { ...piece, start };
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
