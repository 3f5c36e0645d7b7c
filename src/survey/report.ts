import { counted } from "../text.ts";
import { LABEL_KEPT } from "./cells.ts";
import { mixedLines } from "./sources.ts";

/** Why values of a table were not used. */
export interface Reason {
  count: number;
  /** The first few: `row 17, J0378: 99`. */
  readonly examples: string[];
}

/** What reading a table left out, and why. */
export interface ReadReport {
  /** Of several tables: all that were met. */
  layout: string;
  rowCount: number;
  /** Values that were used, of any field. */
  usedCount: number;
  /** Rows without a single value. */
  emptyRows: number;
  readonly reasons: Map<string, Reason>;
  /** Columns of the table that nothing was taken from, but for those that its layout has for people. */
  readonly unusedColumns: readonly string[];
  readonly ignoredColumns: readonly string[];
  /** What ids are made of, where the table doesn't have it: rows are numbered then. */
  missingId?: string;
  /** What was done to values that were used (extinction, error floors), and to how many. */
  readonly treated: Map<string, number>;
  /** Rows whose id is missing; they are named by their number. */
  unnamedRows: number;
  /** Star formation rates so low that they became upper limits. */
  limitCount: number;
  /** Who measured each property, by its name. */
  readonly sources: Map<string, readonly string[]>;
  /** What the files hold that was not read, one list a table: complete when its last row has been read. */
  readonly notes: (readonly string[])[];
}

const EXAMPLES = 3;

export function createReport(
  layout: string,
  columns: {
    readonly unused: readonly string[];
    readonly ignored: readonly string[];
    readonly sources: Readonly<Record<string, string>>;
  },
  missingId?: string,
): ReadReport {
  const id = missingId === undefined ? {} : { missingId };
  const sources = Object.entries(columns.sources).map(([field, source]) => [field, [source]] as const);
  const of = {
    unusedColumns: columns.unused,
    ignoredColumns: columns.ignored,
    unnamedRows: 0,
    limitCount: 0,
    sources: new Map(sources),
    treated: new Map<string, number>(),
    notes: [],
  };
  return { layout, rowCount: 0, usedCount: 0, emptyRows: 0, reasons: new Map(), ...of, ...id };
}

export function countReason(report: ReadReport, reason: string, example: () => string): void {
  const known = report.reasons.get(reason);
  if (!known) report.reasons.set(reason, { count: 1, examples: [example()] });
  else if (++known.count <= EXAMPLES) known.examples.push(example());
}

/** Adds the counts of a later batch, of the same table or another. */
export function addReport(total: ReadReport, part: ReadReport): void {
  if (!total.layout.split(", ").includes(part.layout)) total.layout += `, ${part.layout}`;
  if (part.missingId !== undefined) total.missingId ??= part.missingId;
  total.rowCount += part.rowCount;
  total.usedCount += part.usedCount;
  total.emptyRows += part.emptyRows;
  total.unnamedRows += part.unnamedRows;
  total.limitCount += part.limitCount;
  for (const [field, sources] of part.sources) {
    total.sources.set(field, [...new Set([...(total.sources.get(field) ?? []), ...sources])]);
  }
  for (const [what, count] of part.treated) total.treated.set(what, (total.treated.get(what) ?? 0) + count);
  for (const notes of part.notes) if (!total.notes.includes(notes)) total.notes.push(notes);
  for (const [reason, { count, examples }] of part.reasons) {
    const known = total.reasons.get(reason);
    if (known) {
      known.count += count;
      known.examples.push(...examples.slice(0, EXAMPLES - known.examples.length));
    } else total.reasons.set(reason, { count, examples: [...examples] });
  }
}

/** The report as lines for a person. */
export function formatReport(report: ReadReport): string[] {
  const lines = [
    `${counted(report.rowCount, "row")}, ${counted(report.usedCount, "value")} (layout${report.layout.includes(",") ? "s" : ""} ${report.layout})`,
  ];
  if (report.missingId !== undefined) lines.push(`no ids (${report.missingId}): rows are numbered in their place`);
  if (report.unnamedRows > 0) {
    lines.push(`${counted(report.unnamedRows, "row")} without an id, named by number in its place: "row 17"`);
  }
  lines.push(...report.notes.flat());
  lines.push(...mixedLines(report.sources));
  if (report.limitCount > 0) {
    lines.push(`${counted(report.limitCount, "star formation rate")} below 1e-12/yr of the mass: upper limits there`);
  }
  for (const [what, count] of report.treated) lines.push(`${counted(count, "value")} ${what}`);
  if (report.emptyRows > 0) lines.push(`${counted(report.emptyRows, "row")} empty in the table`);
  for (const [reason, { count, examples }] of [...report.reasons].sort((a, b) => b[1].count - a[1].count)) {
    const what = reason.startsWith(LABEL_KEPT)
      ? `${counted(count, "label")} kept without ${count === 1 ? "its error" : "their errors"}: ${reason.slice(LABEL_KEPT.length)}`
      : `${counted(count, "value")} not used: ${reason}`;
    lines.push(`${what} (${examples.join("; ")}${count > examples.length ? "; ..." : ""})`);
  }
  return lines;
}

/** Columns named in a line. */
const NAMED = 8;

/** Names in a line: the first few, and how many there are where those are not all. */
export function shortList(names: readonly string[]): string {
  return names.length > NAMED ? `${names.slice(0, NAMED).join(", ")}, ... (${names.length})` : names.join(", ");
}

/** A line on the columns that nothing was taken from; none where all were used. */
export function unusedLines({ unusedColumns }: Pick<ReadReport, "unusedColumns">): string[] {
  const count = unusedColumns.length;
  if (count === 0) return [];
  const more = count > NAMED ? ", ..." : "";
  return [`${counted(count, "column")} not used: ${unusedColumns.slice(0, NAMED).join(", ")}${more}`];
}
