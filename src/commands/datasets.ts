import type { Field } from "../survey/field.ts";
import type { SpectrumColumns } from "../survey/layout-columns.ts";
import { type BandColumns, type FlagRule, type Layout, namesFor, type PropertyColumn } from "../survey/layout.ts";
import { draftSurvey } from "../survey/draft.ts";
import { surveyGrammar, surveyJsonSchema } from "../survey/grammar.ts";
import { listSurveys, loadSurvey, type Survey } from "../survey/survey.ts";
import { imfShift } from "../survey/imf.ts";
import { number } from "../text.ts";
import { depthFlux } from "../tokens/transform.ts";
import { defineCommand } from "./shared.ts";
import { printTable, terminal } from "./terminal.ts";

// What this verb says is its result: all of it goes to stdout.
const say = (text: string): void => console.log(text);
const heading = (text: string): void => say(`\n${text}`);

const listOf = (names: string | readonly string[]): string => (typeof names === "string" ? names : names.join(" or "));

const shown = (column: string | readonly string[]): string => listOf(namesFor(column, "<band>"));

const errorWords = {
  absolute: "1 sigma",
  relative: "relative: 1 sigma / |value|",
  ivar: "inverse variance",
  none: "exact",
} as const;

function listAll(): void {
  const surveys = listSurveys().map((name) => loadSurvey(name));
  const count = (isBand: boolean, fields: readonly Field[]): string =>
    String(fields.filter((field) => (field.band !== undefined) === isBand).length);
  printTable(
    ["survey", "title", "bands", "properties", "layouts"],
    surveys.map((s) => [s.name, s.title, count(true, s.fields), count(false, s.fields), String(s.layouts.length)]),
  );
}

function showFields({ fields }: Survey): void {
  const bands = fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
  if (bands.length > 0) {
    const range = (values: readonly number[]): string => {
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return low === high ? String(low) : `${low} - ${high}`;
    };
    printTable(
      [
        "band",
        "group",
        "pivot [A]",
        "half-peak range [A]",
        "5 sigma depth [AB mag]",
        "1 sigma [flux]",
        "Vega [AB mag]",
      ],
      bands.map(({ name, band }) => [
        name,
        band.group,
        String(band.pivot),
        band.edges.join(" - "),
        range(band.depth),
        number(depthFlux(band)),
        band.vegaAB === undefined ? "" : String(band.vegaAB),
      ]),
    );
  }
  printTable(
    ["property", "unit", "range", "meaning"],
    fields.flatMap((f) =>
      f.band === undefined && f.kind !== "spectrum" ? [[f.name, f.unit, f.range.join(" .. "), f.description]] : [],
    ),
  );
  const spectra = fields.flatMap((field) => (field.kind === "spectrum" ? [field] : []));
  if (spectra.length === 0) return;
  printTable(
    ["spectrum", "unit", "grid [vacuum A]", "arms: resolution", "meaning"],
    spectra.map(({ name, unit, grid, arms = [], description }) => [
      name,
      unit,
      `${grid.from} - ${grid.to}, ${grid.pixels} pixels`,
      arms.map(({ name: arm, from, to, resolution }) => `${arm} ${from} - ${to}: ${resolution}`).join("; "),
      description,
    ]),
  );
}

/** One line on the columns of a spectrum. */
function spectrumLine(field: string, told: SpectrumColumns): string {
  const { value, error, errorKind, wavelength, step, scale, medium } = told;
  const of = scale === "linear" ? "" : ` (${scale})`;
  const parts = [
    `${field}: ${listOf(value)}`,
    error === undefined ? "without errors" : `error ${listOf(error)} (${errorWords[errorKind]})`,
    ...(wavelength === undefined ? [] : [`wavelength ${listOf(wavelength)}${of}`]),
    ...(step === undefined ? [] : [`wavelengths from ${step[0]} by ${step[1]}${of}`]),
    ...(medium === undefined ? [] : [`in ${medium}`]),
  ];
  return parts.join("; ");
}

/** One line on the columns of bands: `FLUX_AUTO, 60 elements; error FLUX_RELERR_AUTO (relative ...)`. */
function bandLine(columns: BandColumns): string {
  const { only, value, error, errorKind, unit, times, order } = columns;
  const parts = [
    `${only === undefined ? "bands" : only.join(", ")}: ${shown(value)}`,
    ...(order === undefined ? [] : [`${order.length} elements a row`]),
    ...(unit === undefined ? [] : [`in ${unit}`]),
    ...(times === undefined ? [] : [`times the column ${listOf(times)}`]),
    error === undefined ? "without errors" : `error ${shown(error)} (${errorWords[errorKind]})`,
  ];
  const aliases = Object.entries(columns.aliases).map(([field, name]) => `${field} is ${name}`);
  return [...parts, ...(aliases.length > 0 ? [`<band> of ${aliases.join(", ")}`] : [])].join("; ");
}

function propertyRow(name: string, told: PropertyColumn, source: string): string[] {
  const { value, sum, per, perError, error, interval, errorKind, unit, transform, factor, offset } = told;
  const whole = sum === undefined ? listOf(value ?? "") : `(${sum.join(" + ")})`;
  const column = per === undefined ? whole : `${whole} / ${listOf(per)}`;
  const scaled = factor === 1 ? column : factor === -1 ? `-${column}` : `${factor} x ${column}`;
  const shift = offset === 0 ? "" : ` ${offset > 0 ? "+" : "-"} ${Math.abs(offset)}`;
  const formula = { identity: `${scaled}${shift}`, log10: `log10(${scaled})${shift}`, pow10: `10^(${scaled}${shift})` };
  const ofValue = sum === undefined ? listOf(error ?? "") : (error as readonly string[]).join(", ");
  const errors = interval
    ? `(${interval[1]} - ${interval[0]}) / 2`
    : error === undefined
      ? ""
      : `${[ofValue, ...(perError === undefined ? [] : [listOf(perError)])].join(", ")} (${errorWords[errorKind]})`;
  return [name, formula[transform], unit ?? "", errors, told.source ?? source];
}

function flagRows(rules: readonly FlagRule[]): string[][] {
  return rules.flatMap(({ column, bits, values, harmless }) => [
    ...Object.entries(bits).map(([bit, meaning]) => [shown(column), `bit ${bit}`, meaning, "not used"]),
    ...Object.entries(values).map(([value, meaning]) => [shown(column), value, meaning, "not used"]),
    ...Object.entries(harmless).map(([bit, meaning]) => [shown(column), `bit ${bit}`, meaning, "used"]),
  ]);
}

/** What a layout's masses, rates and equivalent widths mean, and what becomes of them. */
function conventionLines(layout: Layout, { fields, file: { imf } }: Survey): string[] {
  const told = fields.filter(({ name }) => Object.hasOwn(layout.properties, name));
  const from = layout.imf ?? imf;
  const shifts = told.flatMap((field) => {
    const of = field.kind === "log" ? field.counts : undefined;
    const shift = of === undefined ? 0 : imfShift(from, imf, of);
    return shift === 0 ? [] : [`${field.name} ${shift > 0 ? "+" : "-"}${Math.abs(shift).toFixed(3)}`];
  });
  const isCounted = told.some((field) => field.kind === "log" && field.counts !== undefined);
  const converted = shifts.length === 0 ? "" : `, converted to ${imf}: ${shifts.join(", ")} dex`;
  const widths =
    layout.widths === "net"
      ? "equivalent widths net of stellar absorption: not converted, a warning when they are read"
      : "equivalent widths of the emission, without stellar absorption";
  return [
    ...(isCounted ? [`IMF ${from}${converted}`] : []),
    ...(told.some(({ kind }) => kind === "ew") ? [widths] : []),
  ];
}

function showLayout(layout: Layout, survey: Survey): void {
  const { name, title, from, bands, properties, magic, objectId, tile, notes, onRequest } = layout;
  heading(
    `layout ${name}: ${title}${from === undefined ? "" : `, of ${from}`}${onRequest ? " (only with --layout)" : ""}`,
  );
  say(`  object ${objectId}${tile === undefined ? "" : `, tile ${tile}`}`);
  for (const columns of bands) say(`  ${bandLine(columns)}`);
  if (magic.length > 0) say(`  no value: ${magic.join(", ")}`);
  for (const note of notes) say(`  ${note}`);
  for (const line of conventionLines(layout, survey)) say(`  ${line}`);
  for (const [field, told] of Object.entries(layout.spectra)) say(`  ${spectrumLine(field, told)}`);
  const rows = Object.entries(properties).map(([field, told]) => propertyRow(field, told, layout.source ?? name));
  if (rows.length > 0) printTable(["property", "columns", "unit unless the file says", "error", "measured by"], rows);
  const all = [...layout.flags, ...bands.flatMap(({ flags }) => flags)];
  const flags = flagRows(
    all.filter((rule, i) => all.findIndex((other) => listOf(other.column) === listOf(rule.column)) === i),
  );
  if (flags.length > 0) printTable(["flag", "set", "meaning", "values are"], flags);
}

interface Arguments {
  name: string | undefined;
  new: string | undefined;
  hdu: string | undefined;
  grammar: boolean;
  schema: boolean;
}

/** What stands in for the list of surveys, on stdout as it goes into a file; undefined where nothing does. */
async function textOf({ new: table, hdu, grammar, schema }: Arguments): Promise<string | undefined> {
  if (grammar) return surveyGrammar();
  if (schema) return `${JSON.stringify(surveyJsonSchema(), null, 2)}\n`;
  if (table === undefined) return undefined;
  const { text, hints } = await draftSurvey(table, hdu === undefined ? {} : { hdu });
  for (const line of hints) terminal.say(line);
  return text;
}

export const datasetsCommand = defineCommand<Arguments>({
  command: "datasets [name]",
  describe: "list the known surveys, or show one: source, bands, properties, columns, errors, flags, licence",
  builder: (yargs) =>
    yargs
      .positional("name", { type: "string", describe: "survey to show, or a path to a survey file" })
      .option("new", { type: "string", describe: "draft a survey file, with a layout, from a table's columns" })
      .option("hdu", { type: "string", describe: "table of a file that holds several, by name or number" })
      .option("grammar", { type: "boolean", default: false, describe: "what can stand in a survey file, as Markdown" })
      .option("schema", { type: "boolean", default: false, describe: "the same as a JSON Schema, for editors" })
      .example("$0 datasets --new cat.fits > mine.yaml", "a survey file for one's own catalogue, to be looked through")
      .example("$0 datasets minijpas", "what miniJPAS has, and how its exports are read"),
  handler: async (args) => {
    const text = await textOf(args);
    if (text !== undefined) return void process.stdout.write(text);
    const { name } = args;
    if (name === undefined) return listAll();
    const survey = loadSurvey(name);
    say(
      `${survey.title} (${survey.path})\nfluxes in ${survey.fluxUnit}; masses and star formation rates for the IMF of ${survey.file.imf}`,
    );
    showFields(survey);
    for (const layout of survey.layouts) showLayout(layout, survey);
    const asked = survey.questions.map(({ title, given, want }) => `${title}: ${given} -> ${want}`);
    const lists = {
      "questions of evaluate": asked,
      source: survey.source,
      licence: [survey.licence],
      citation: survey.citation,
      notes: survey.notes,
    };
    for (const [title, lines] of Object.entries(lists)) {
      if (lines.length === 0) continue;
      heading(title);
      for (const line of lines) say(`  ${line}`);
    }
  },
});
