/** A draft survey file as YAML, with what was guessed and what is to be filled in said beside it. */
import { type DraftColumns, FLUX_UNIT } from "./draft-bands.ts";
import type { DraftIds, DraftProperty } from "./draft-properties.ts";
import type { SurveyFile } from "./survey-schema.ts";

export interface Draft {
  readonly name: string;
  readonly path: string;
  readonly schemaPath: string;
  /** Rows that were looked at. */
  readonly rows: number;
  readonly columns: readonly DraftColumns[];
  readonly properties: readonly DraftProperty[];
  readonly ids: DraftIds;
  /** Numbers that seem to stand for none, and how often each does. */
  readonly magic: ReadonlyMap<number, number>;
  /** A column of extinction, as a layout's `extinction` takes it. */
  readonly extinction: string | undefined;
  readonly unused: readonly string[];
  /** Known properties, by name: kinds, units, ranges. */
  readonly known: ReadonlyMap<string, SurveyFile["properties"][number]>;
}

/** A text as YAML takes it: in quotes where it could mean something else. */
function quoted(text: string): string {
  const isPlain =
    /^[A-Za-z_][\w./+-]*(?: [\w./+()-]+)*$/.test(text) && !/^(?:y|n|yes|no|on|off|true|false|null)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}

const list = (texts: readonly string[]): string => `[${texts.map(quoted).join(", ")}]`;
const record = (entries: readonly (readonly [string, string | number])[]): string =>
  `{ ${entries.map(([key, value]) => `${quoted(key)}: ${typeof value === "number" ? value : quoted(value)}`).join(", ")} }`;
const noted = (line: string, ...notes: readonly (string | undefined)[]): string => {
  const some = notes.filter((note) => note !== undefined);
  return some.length === 0 ? line : `${line} # ${some.join("; ")}`;
};

function bandRows({ columns }: Draft): string[] {
  return columns.flatMap(({ bands, error }) =>
    bands.map(({ name, token, filter, depth }) => {
      const row = filter?.row ?? { group: "broad", pivot: 5000, edges: [4500, 5500], rise: [100, 100] };
      const vega = "vegaAB" in row && row.vegaAB !== undefined ? `, vegaAB: ${row.vegaAB}` : "";
      const text =
        `  - { name: ${quoted(name)}, group: ${row.group}, pivot: ${row.pivot}, edges: [${row.edges.join(", ")}], ` +
        `rise: [${row.rise.join(", ")}]${vega}, depth: [${depth ?? 24}] }`;
      const from = filter?.survey === undefined ? "the digits of its name" : `${filter.name} of ${filter.survey}`;
      return noted(
        text,
        filter === undefined ? "FILL IN: which filter is this?" : undefined,
        filter === undefined || (filter.name === name && token !== undefined && token.length > 1 && filter.survey)
          ? undefined
          : `guessed: passband of ${from}`,
        depth === undefined ? "FILL IN: depth" : error === undefined ? "guessed: depth from the faint end" : undefined,
      );
    }),
  );
}

function propertyRows({ properties, known }: Draft): string[] {
  return properties.map(({ field, column, classes }) => {
    const row = known.get(field);
    if (classes !== undefined || row === undefined) {
      const of =
        classes === undefined ? "kind: linear, range: [-1.0e+9, 1.0e+9]" : `kind: category, classes: ${list(classes)}`;
      return `  - { name: ${quoted(field)}, ${of}, description: ${JSON.stringify(`column ${column}`)} }`;
    }
    const unit = row.unit === "" ? "" : `unit: ${quoted(row.unit)}, `;
    return (
      `  - { name: ${quoted(field)}, kind: ${row.kind}, ${unit}description: ${JSON.stringify(row.description)}, ` +
      `range: [${(row.range ?? []).join(", ")}] }`
    );
  });
}

/** One description of bands' columns. */
function columnRows({ value, error, state, unit, unitNote, softening, bands }: DraftColumns): string[] {
  const aliases = bands.flatMap(({ name, token }) =>
    token === undefined || token === name ? [] : [[name, token] as const],
  );
  const soft = bands.flatMap(({ name, token }) =>
    softening === undefined || token === undefined ? [] : [[name, softening[token]] as const],
  );
  const isArray = bands[0].token === undefined;
  return [
    `      - only: ${list(bands.map(({ name }) => name))}`,
    `        value: ${quoted(value)}`,
    ...(error === undefined
      ? ["        # FILL IN: error; no column of errors was recognised: without one, read with --relative-error 0.05"]
      : [`        error: ${quoted(error.template)}`]),
    ...(error === undefined || error.kind === "absolute"
      ? []
      : [noted(`        errorKind: ${error.kind}`, "guessed: by its name")]),
    ...(state === undefined ? [] : [`        state: ${quoted(state)}`]),
    ...(unit === undefined ? [] : [noted(`        unit: ${quoted(unit)}`, unitNote)]),
    ...(soft.length === 0 ? [] : [`        softening: ${record(soft)}`]),
    ...(isArray ? [noted(`        order: ${list(bands.map(({ name }) => name))}`, "guessed: in this order")] : []),
    ...(aliases.length === 0 ? [] : [`        aliases: ${record(aliases)}`]),
  ];
}

function layoutRows(draft: Draft): string[] {
  const { name, columns, properties, ids, magic, extinction, unused } = draft;
  const { id, tile, isRepeated, places } = ids;
  const template = isRepeated && tile !== undefined ? `{${tile}}-{${id}}` : `{${id ?? "FILL_IN"}}`;
  const idNote =
    id === undefined
      ? "FILL IN: no column of ids was recognised; rows are numbered until you name one"
      : isRepeated
        ? tile === undefined
          ? "FILL IN: ids repeat; rows of one id are taken for one galaxy's"
          : "guessed: ids repeat from tile to tile"
        : undefined;
  const told = properties.map(({ field, column, error, unit, transform, guess }) => {
    const parts: (readonly [string, string])[] = [["value", column]];
    if (error) parts.push(["error", error.column]);
    if (error && error.kind !== "absolute") parts.push(["errorKind", error.kind]);
    if (unit !== undefined) parts.push(["unit", unit]);
    if (transform !== undefined) parts.push(["transform", transform]);
    return noted(`      ${quoted(field)}: ${record(parts)}`, `guessed: ${guess}`);
  });
  const numbers = [...magic].map(([x, count]) => `${x} ${count} times`);
  return [
    "layouts:",
    `  - name: ${quoted(name)}`,
    `    title: ${JSON.stringify(`columns of ${draft.path}`)}`,
    noted(`    objectId: ${JSON.stringify(template)}`, idNote),
    ...(ids.parent === undefined ? [] : [`    parentId: ${JSON.stringify(`{${ids.parent}}`)}`]),
    ...(tile === undefined ? [] : [noted(`    tile: ${JSON.stringify(`{${tile}}`)}`, "guessed: by its name")]),
    ...(columns.length === 0 ? [] : ["    bands:", ...columns.flatMap(columnRows)]),
    ...(told.length === 0 ? [] : ["    properties:", ...told]),
    ...(magic.size === 0
      ? []
      : [noted(`    magic: [${[...magic.keys()].join(", ")}]`, `guessed: ${numbers.join(", ")}`)]),
    ...(extinction === undefined
      ? []
      : [`    # extinction: ${quoted(extinction)} # FILL IN: are fluxes still dusty? then without the first #`]),
    ...(places.length === 0 ? [] : [`    ignored: ${list(places)}`]),
    ...(unused.length === 0 ? [] : [`    # not recognised: ${unused.join(", ")}`]),
  ];
}

/** The draft as a YAML file. */
export function draftText(draft: Draft): string {
  const brightest = Math.max(1e6, ...draft.columns.map((one) => one.brightest));
  const highest = 10 ** Math.min(30, Math.ceil(Math.log10(brightest) + 3));
  const bands = bandRows(draft);
  const properties = propertyRows(draft);
  const section = (key: string, rows: readonly string[]): string[] =>
    rows.length === 0 ? [`${key}: []`] : [`${key}:`, ...rows];
  const number = (x: number): string => x.toExponential(1);
  return `${[
    `# yaml-language-server: $schema=${draft.schemaPath}`,
    `# Drafted from ${draft.path} (${draft.rows.toLocaleString("en-US")} rows looked at). To be looked through: what follows "guessed:" may be wrong,`,
    '# what follows "FILL IN:" nobody but you can know. Keys: docs/surveys.md, or caleido datasets --grammar.',
    `name: ${quoted(draft.name)}`,
    `title: ${JSON.stringify(draft.path)} # FILL IN: what it is`,
    `fluxUnit: ${FLUX_UNIT}`,
    `fluxRange: [${number(-highest / 1000)}, ${number(highest)}] # guessed: possible fluxes`,
    "tiles: [sky]",
    "zeroPointError: 0.02 # guessed: 1 sigma [mag]",
    "# depth: 5 sigma [AB mag], guessed from the errors of the fainter half of these rows. group: narrow, broad, uv, infrared, ...",
    ...section("bands", bands),
    ...section("properties", properties),
    ...layoutRows(draft),
  ].join("\n")}\n`;
}
