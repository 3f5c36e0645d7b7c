/** A survey file, with a layout, drafted from a table: its columns' names and units, and its first rows. */

import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { readAll } from "../io/columns.ts";
import { openTable } from "../io/formats.ts";
import type { Column, ColumnSchema, Table, TableSource } from "../io/table.ts";
import { counted } from "../text.ts";
import { scoreColumns } from "./bind.ts";
import { draftArray, draftColumns, type DraftColumns } from "./draft-bands.ts";
import { filterIndex, type KnownFilter } from "./draft-filters.ts";
import { bandCandidates, bandGroups } from "./draft-names.ts";
import { draftIds, draftProperties, type DraftProperty } from "./draft-properties.ts";
import { type Draft, draftText } from "./draft-text.ts";
import { datasetsFolder, listSurveys, loadSurvey, type Survey } from "./survey.ts";
import type { SurveyFile } from "./survey-schema.ts";

export interface DraftOptions {
  /** Name or number of the table, of files that hold several; default: the one with most bands. */
  readonly hdu?: string;
  /** Rows that are looked at. Default 20,000. */
  readonly rows?: number;
}

export interface SurveyDraft {
  /** The survey file, YAML. */
  readonly text: string;
  /** What was found, guessed and left open, in lines for a person. */
  readonly hints: readonly string[];
}

const ROWS = 20_000;
/** Numbers that tables have for "none". */
const MAGIC = [-99, 99, -999, 999, -9999, 9999, -99.9, 99.9, 99.99, 99.999, -99.99];
const EXTINCTION = /^(?:mw_transmission_|extinction_|a_?mw_)/i;

/** A property of some surveys; of the others' tables all the same. */
const EBV: SurveyFile["properties"][number] = {
  name: "EBV",
  kind: "linear",
  unit: "mag",
  description: "E(B-V) of the Milky Way that the fluxes suffer from",
  range: [0, 10],
};

type Surveys = ReadonlyMap<string, Survey>;
type FilterOf = (token: string) => KnownFilter | undefined;

/** Batches of a table until there are enough rows. */
async function* upTo(source: TableSource, rows: number): AsyncGenerator<Table> {
  let count = 0;
  for await (const table of source.batches({ batchRows: rows })) {
    yield table;
    count += table.rowCount;
    if (count >= rows) return;
  }
}

/** The first rows of a table, and which of several it was. */
async function firstRows(
  path: string,
  { hdu, rows = ROWS }: DraftOptions,
  filterOf: FilterOf,
): Promise<{ readonly table: Table; readonly path: string }> {
  const score = (schema: readonly ColumnSchema[]): number[] => [bandCandidates(schema, filterOf).length, schema.length];
  const source = await openTable(path, hdu === undefined ? { score } : { name: hdu });
  try {
    const table = await readAll({ ...source, batches: () => upTo(source, rows) });
    if (table.rowCount > 0) return { table, path: source.path };
    throw new UserError(`${path}: a table without rows, expected at least one galaxy`);
  } finally {
    await source.close();
  }
}

/** How often each magic number stands in columns of values and errors. */
function magicIn(columns: readonly Column[]): Map<number, number> {
  const found = new Map<number, number>();
  for (const { data } of columns) {
    for (const cell of data) {
      const x = Number(cell);
      const magic = MAGIC.find((one) => Math.abs(x - one) <= Math.abs(one) * 2 ** -23);
      if (magic !== undefined) found.set(magic, (found.get(magic) ?? 0) + 1);
    }
  }
  return found;
}

/** Bands of scalar columns, each once: the fullest template first. */
function bandsOf(columns: readonly Column[], properties: readonly DraftProperty[], filterOf: FilterOf): DraftColumns[] {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const names = columns.map(({ name }) => name);
  const taken = new Set(properties.map(({ field }) => field));
  const used = new Set(properties.flatMap(({ column, error }) => [column, error?.column]));
  let isWithErrors = false;
  const candidates = bandCandidates(columns, filterOf).filter(({ column }) => !used.has(column.name));
  return bandGroups(candidates, names).flatMap((group) => {
    const found = draftColumns(group, byName, taken);
    // Beside bands with errors, those without would only keep the table from being read.
    if (found === undefined || (isWithErrors && found.error === undefined)) return [];
    isWithErrors ||= found.error !== undefined;
    for (const { name } of found.bands) taken.add(name);
    return [found];
  });
}

/** Columns that a template of bands takes. */
const columnsOf = ({ value, error, state, bands }: DraftColumns): string[] =>
  [value, error?.template, state].flatMap((template) =>
    template === undefined ? [] : bands.map(({ token }) => template.replace("{FIELD}", token ?? "")),
  );

/** E(B-V), or a template of per-band extinctions. */
function extinctionIn(
  columns: readonly Column[],
  properties: readonly DraftProperty[],
  filterOf: FilterOf,
): string | undefined {
  const name = columns.find((column) => EXTINCTION.test(column.name) && column.width === 1)?.name;
  const token = name?.split("_").at(-1);
  if (name !== undefined && token !== undefined && filterOf(token)) return `${name.slice(0, -token.length)}{FIELD}`;
  return properties.find(({ field }) => field === "EBV")?.column;
}

/** Filters of the array columns of the J-PAS archive. */
function archiveOrder({ layouts }: Survey, filterOf: FilterOf): (readonly [string, KnownFilter | undefined])[] {
  const order = layouts[0].bands[0].order ?? [];
  return order.flatMap((name) => (name === null ? [] : [[name, name === "u" ? undefined : filterOf(name)] as const]));
}

/** A line on the survey that comes with the package and reads the most of a table; none where the draft reads more. */
function knownLines(columns: readonly ColumnSchema[], draft: Draft, surveys: Surveys): string[] {
  const found = draft.columns.flatMap(({ bands }) => bands).length + draft.properties.length;
  const scores = [...surveys].map(([name, survey]) => ({ name, count: scoreColumns(columns, survey, {})[0] }));
  const best = scores.reduce((most, one) => (one.count > most.count ? one : most));
  return best.count >= Math.max(2, found)
    ? [`survey ${best.name} reads ${best.count} fields of this table as it is: --survey ${best.name}`]
    : [];
}

function hintsOf(draft: Draft, text: string, columns: readonly ColumnSchema[], surveys: Surveys): string[] {
  const bands = draft.columns.flatMap((one) => one.bands.map(({ name }) => name));
  const open = text.split("\n").filter((line) => line.includes("FILL IN: ")).length;
  const guesses = text.split("\n").filter((line) => line.includes("guessed: ")).length;
  const without = draft.columns.filter(({ error }) => error === undefined).length;
  return [
    `${counted(bands.length, "band")}: ${bands.join(", ") || "none recognised"}`,
    `${counted(draft.properties.length, "property", "properties")}: ${draft.properties.map(({ field, column }) => `${field} (${column})`).join(", ") || "none recognised"}`,
    ...knownLines(columns, draft, surveys),
    ...(without > 0 ? ["bands without errors: read with --relative-error 0.05, or name their columns"] : []),
    `${counted(guesses, "line")} guessed, ${counted(open, "line")} to fill in; then caleido datasets FILE.yaml shows it as it is read`,
  ];
}

/**
 * Drafts a survey file from a table: bands, whether fluxes or magnitudes, their errors; redshifts, masses and other
 * properties; ids and tiles. Passbands are those of filters of that name in the surveys that come with the package. What was
 * guessed, and what only its owner can know, stands in comments.
 * @throws UserError for a table that can't be read, or in which neither bands nor properties are recognised.
 */
export async function draftSurvey(path: string, options: DraftOptions = {}): Promise<SurveyDraft> {
  // The first of several that read a table as well is the one to name.
  const names = [...new Set(["minijpas", ...listSurveys()])];
  const surveys: Surveys = new Map(names.map((name) => [name, loadSurvey(name)]));
  const filterOf = filterIndex(surveys);
  const minijpas = surveys.get("minijpas")!;
  const { table, path: shown } = await firstRows(path, options, filterOf);
  const { columns } = table;
  const isBandZ = bandGroups(
    bandCandidates(columns, filterOf),
    columns.map(({ name }) => name),
  ).some(({ template, members }) => template === "{FIELD}" && members.some(({ token }) => token === "z"));
  const properties = draftProperties(columns.filter(({ name }) => !isBandZ || name !== "z"));
  const scalars = bandsOf(columns, properties, filterOf);
  const array = scalars.length > 0 ? undefined : draftArray(columns, archiveOrder(minijpas, filterOf));
  const bands = array === undefined ? scalars : [array];
  if (bands.length + properties.length === 0) {
    const some = columns.slice(0, 8).map(({ name }) => name);
    throw new UserError(
      `${path}: no column is recognised as a band or a property among its ${columns.length} (${some.join(", ")}, ...), ` +
        "expected names such as mag_g, FLUX_R, J0378, z_spec",
    );
  }
  const ids = draftIds(columns);
  const columnNames = columns.map(({ name }) => name);
  const used = new Set([
    ...bands.flatMap(columnsOf),
    ...properties.flatMap(({ column, error }) => [column, error?.column ?? ""]),
    ids.id ?? "",
    ids.tile ?? "",
    ids.parent ?? "",
    ...ids.places,
  ]);
  const file = basename(path).replace(/\[.*$/, "");
  const draft: Draft = {
    name: file.replace(/\..*$/, "").replaceAll(/[^\w-]+/g, "-") || "mine",
    path: basename(shown),
    schemaPath: join(datasetsFolder(), "survey.schema.json"),
    rows: table.rowCount,
    columns: bands,
    properties,
    ids,
    magic: magicIn(columns.filter(({ name, type }) => type !== "string" && used.has(name) && name !== ids.id)),
    extinction: extinctionIn(columns, properties, filterOf),
    unused: columnNames.filter((name) => !used.has(name)),
    known: new Map([EBV, ...minijpas.file.properties].map((row) => [row.name, row])),
  };
  const text = draftText(draft);
  return { text, hints: hintsOf(draft, text, columns, surveys) };
}
