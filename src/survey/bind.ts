import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import type { ColumnSchema } from "../io/table.ts";
import { bindBand, bindFlags, bindProperty, columnsFor, nameIn } from "./bind-fields.ts";
import type { BindOptions, Context, FieldBinding, FlagPlace } from "./bind-fields.ts";
import { bindSpectrum, spectrumColumnsFor, type SpectrumBinding, spectrumLayouts } from "./bind-spectra.ts";
import { userFloors } from "./bind-corrections.ts";
import type { Field } from "./field.ts";
import { bindTemplate, makeFinder, templateColumns } from "./find.ts";
import { builtInLayouts, namesFor, ownLayout, isIgnored } from "./layout.ts";
import type { Layout } from "./layout.ts";
import { parseSources, SOURCES } from "./sources.ts";
import { isLayoutFile, loadLayout } from "./layout-file.ts";
import type { Survey } from "./survey.ts";
import { isStated } from "./units.ts";

/** A layout fitted to the columns of one table. */
export interface Binding {
  readonly layout: Layout;
  readonly fields: readonly FieldBinding[];
  readonly spectra: readonly SpectrumBinding[];
  /** Flags of whole rows. */
  readonly flags: readonly FlagPlace[];
  /** Template with the file's own column names; undefined: rows are numbered. */
  readonly objectId: string | undefined;
  readonly parentId: string | undefined;
  readonly tile: string | undefined;
  readonly instrument: string | undefined;
  /** Column of the rows' weights. */
  readonly weight: string | undefined;
  /** Who measured each property that is there, by its name. */
  readonly sources: Readonly<Record<string, string>>;
  /** Columns that have to be read, those that nothing is taken from, and of these those that are for people. */
  readonly columns: readonly string[];
  readonly unused: readonly string[];
  readonly ignored: readonly string[];
}

interface Fit {
  readonly layout: Layout;
  /** Fields whose columns are there, bands with their errors. */
  readonly bands: number;
  readonly properties: number;
  /** Fields that have a column at all, bands without errors among them. */
  readonly found: number;
  /** Columns of errors and flags that are there: of two layouts with as many fields the one that says more is meant. */
  readonly details: number;
  /** As `found`, of columns named as the layout has them, capitals and all. */
  readonly exact: number;
  /** As `details`, of such columns. */
  readonly exactDetails: number;
}

/** How much of a layout a table has. A layout that describes bands fits by them alone. */
function fitOf({
  find,
  layout,
  survey,
  options,
}: Omit<Context, "path" | "floors">): Omit<Fit, "exact" | "exactDetails"> {
  const isOwn = layout === ownLayout;
  const isThere = (template: string | readonly string[] | undefined, name: string): boolean =>
    find(template, name) !== undefined;
  const found = survey.fields.flatMap((field) => {
    const columns = columnsFor(layout, field);
    const name = columns && nameIn(columns, field);
    if (name === undefined || !isThere(columns?.value, name)) return [];
    return [isThere(columns?.error, name) ? "with error" : columns?.error === undefined ? "none wanted" : "without"];
  });
  const spectra = survey.fields.flatMap((field) => {
    if (field.kind !== "spectrum") return [];
    const { value, error, wavelength } = spectrumColumnsFor(layout, field);
    return isThere(value, field.name) ? [[error, wavelength].filter((one) => isThere(one, field.name)).length] : [];
  });
  const isLax = isOwn || options.relativeError !== undefined;
  const bands = found.filter((kind) => isLax || kind !== "without").length + spectra.length;
  const told = isOwn
    ? survey.fields.flatMap(({ name, band, kind }) =>
        band || kind === "spectrum" ? [] : [{ name, columns: [name], errors: [`${name}_err`] }],
      )
    : Object.entries(layout.properties).map(([name, { value, sum, error, interval }]) => ({
        name,
        columns: sum?.[0] ?? value,
        errors: interval?.[0] ?? (sum ? error?.[0] : error),
      }));
  const properties = told.filter(({ name, columns }) => isThere(columns, name));
  const details =
    found.filter((kind) => kind === "with error").length +
    spectra.reduce((sum, count) => sum + count, 0) +
    properties.filter(({ name, errors }) => isThere(errors, name)).length +
    layout.flags.filter(({ column }) => isThere(column, "")).length;
  const isByProperties = isOwn || layout.bands.length === 0;
  const counted = isByProperties ? properties.length : 0;
  return { layout, bands, properties: counted, found: found.length + spectra.length + properties.length, details };
}

/**
 * The layouts that fit best: by bands before properties, by more fields, details and names to the letter before fewer.
 * `hasUnits`: columns of the table state units.
 */
function bestFits(fits: readonly Fit[], hasUnits: boolean): Layout[] {
  const keep = (some: readonly Fit[], of: (fit: Fit) => number): Fit[] => {
    const most = Math.max(...some.map(of));
    return some.filter((fit) => of(fit) === most);
  };
  const some = fits.filter(({ bands, properties }) => bands + properties > 0);
  const fullest = keep(
    keep(some, (fit) => fit.bands),
    (fit) => (fit.bands > 0 ? 0 : fit.properties),
  );
  const best = keep(
    keep(fullest, (fit) => fit.details),
    (fit) => fit.found,
  );
  // Columns named exactly as the fields are our own, whatever else they resemble.
  const own = best.find(({ layout }) => layout === ownLayout);
  if (own) {
    // But where none says its unit, the survey's one layout of these very columns does.
    const told = best.filter((fit) => fit !== own && fit.layout.from === undefined);
    const same = told.filter((fit) => fit.exact === own.exact && fit.exactDetails === own.exactDetails);
    return same.length === 1 && !hasUnits ? [same[0].layout] : [ownLayout];
  }
  const meant = keep(best, (fit) => fit.exact).map(({ layout }) => layout);
  const ofSurvey = meant.filter(({ from }) => from === undefined);
  return ofSurvey.length > 0 ? ofSurvey : meant;
}

function describeLayout(layout: Layout, survey: Survey): string {
  const field = survey.fields.find((each) => columnsFor(layout, each));
  const columns = field && columnsFor(layout, field);
  const names = Object.entries(layout.properties).map(
    ([name, { value, sum }]) => sum?.[0] ?? namesFor(value ?? name, name)[0],
  );
  const value = columns && field ? namesFor(columns.value, nameIn(columns, field))[0] : names.slice(0, 3).join(", ");
  return `${layout.name} (${value || survey.fields[0].name}, ...)`;
}

/** Layouts that a table of the survey may have: the one in the file that `--layout` names, else our own and its. */
function layoutsOf(survey: Survey, { layout }: BindOptions): readonly Layout[] {
  const isFile = layout !== undefined && isLayoutFile(layout);
  return isFile
    ? [loadLayout(layout, survey)]
    : [...builtInLayouts, ...survey.layouts, ...spectrumLayouts(survey.fields)];
}

/** Whether a layout is to be tried: the stated one, else those that may be guessed. */
function isMeant({ name, onRequest }: Layout, { layout }: BindOptions): boolean {
  if (layout === undefined) return !onRequest;
  return name === layout || isLayoutFile(layout);
}

/** How many fields of a survey a table's columns can be: by layout as stated, else by the one that finds most. */
export function scoreColumns(schema: readonly ColumnSchema[], survey: Survey, options: BindOptions): number[] {
  const layouts = layoutsOf(survey, options).filter((layout) => isMeant(layout, options));
  let [most, details] = [0, 0];
  for (const layout of layouts) {
    try {
      const find = makeFinder("", schema, layout === ownLayout);
      const fit = fitOf({ find, layout, survey, options });
      if (fit.found > most || (fit.found === most && fit.details > details)) [most, details] = [fit.found, fit.details];
    } catch (error) {
      // Columns that could be either are told when the table is read, if it comes to that.
      if (!(error instanceof UserError)) throw error;
    }
  }
  return [most, details];
}

function chooseLayout(path: string, schema: readonly ColumnSchema[], survey: Survey, options: BindOptions): Layout {
  const wanted = options.layout;
  const layouts = layoutsOf(survey, options);
  if (wanted !== undefined) {
    const named = layouts.find((layout) => isMeant(layout, options));
    if (named) return named;
    const names = layouts.map((layout) => layout.name);
    throw new UserError(
      `unknown layout "${wanted}"${didYouMean(wanted, names)}: expected one of ${names.join(", ")}, or a path to a .yaml file`,
    );
  }
  const fitting = (told: BindOptions): Layout[] =>
    bestFits(
      layouts
        .filter(({ onRequest }) => !onRequest)
        .map((layout) => {
          const fit = (isExact: boolean) =>
            fitOf({ find: makeFinder(path, schema, isExact), layout, survey, options: told });
          const { found, details } = fit(true);
          return { ...fit(layout === ownLayout), exact: found, exactDetails: details };
        }),
      schema.some(({ unit }) => isStated(unit)),
    );
  const complete = fitting(options);
  // One that would fit but for its errors: binding it says which they are.
  const fits = complete.length > 0 ? complete : fitting({ ...options, relativeError: 1 });
  const candidates = fits.filter(({ versionOf }) => !fits.some((layout) => layout.name === versionOf));
  if (candidates.length === 1) return candidates[0];
  const list = (some: readonly Layout[]): string => some.map((layout) => describeLayout(layout, survey)).join(", ");
  if (candidates.length > 1) {
    throw new UserError(`${path}: several layouts fit its columns: ${list(candidates)}; choose one with --layout`);
  }
  const fieldNames = survey.fields.map((field) => field.name);
  const near = schema.map(({ name }) => ({ name, hint: didYouMean(name, fieldNames) })).find(({ hint }) => hint !== "");
  const shown = schema
    .slice(0, 8)
    .map((column) => column.name)
    .join(", ");
  throw new UserError(
    `${path}: no column of survey "${survey.name}" among its ${schema.length} (${shown}${schema.length > 8 ? ", ..." : ""})` +
      `${near ? `; "${near.name}"${near.hint}` : ""}; expected a layout of ${list(layouts)}; ` +
      `--layout with a .yaml file describes columns of other names`,
  );
}

/** Who measured the properties among these fields: as the layout says; of Caleido's own tables, as their metadata do. */
function sourcesOf(
  layout: Layout,
  fields: readonly Field[],
  metadata: Readonly<Record<string, string>>,
): Record<string, string> {
  const own = parseSources(metadata[SOURCES] ?? "");
  const sourceOf = ({ name }: Field): string | undefined =>
    builtInLayouts.includes(layout) ? own(name) : (layout.properties[name]?.source ?? layout.source ?? layout.name);
  const said = fields.flatMap((field) => {
    const source = field.band === undefined ? sourceOf(field) : undefined;
    return source === undefined ? [] : [[field.name, source] as const];
  });
  return Object.fromEntries(said);
}

const columnsOfSpectrum = ({ value, error, mask, wavelength }: SpectrumBinding): string[] =>
  [value, error, mask, wavelength].filter((name) => typeof name === "string");

/**
 * Fits a survey's layout to the columns of a table; `metadata` is what the file says beside them.
 * @throws UserError when none or several fit, a unit does not convert, or an error column is missing.
 */
export function bindLayout(
  path: string,
  schema: readonly ColumnSchema[],
  survey: Survey,
  options: BindOptions = {},
  metadata: Readonly<Record<string, string>> = {},
): Binding {
  const layout = chooseLayout(path, schema, survey, options);
  const find = makeFinder(path, schema, layout === ownLayout);
  const context: Context = { path, find, layout, survey, options, floors: userFloors(options, survey.fields) };
  const fields = survey.fields.flatMap(
    (field, i) => (field.band ? bindBand(context, i) : bindProperty(context, i)) ?? [],
  );
  const spectra = survey.fields.flatMap(
    (field, i) => (field.kind === "spectrum" ? bindSpectrum(context, i, field, metadata) : undefined) ?? [],
  );
  if (fields.length + spectra.length === 0)
    throw new UserError(`${path}: layout "${layout.name}" finds none of its columns`);
  const objectId = bindTemplate(find, layout.objectId);
  const parentId = bindTemplate(find, layout.parentId);
  const tile = bindTemplate(find, layout.tile);
  const instrument = bindTemplate(find, layout.instrument);
  const weight = find(layout.weight, "")?.name;
  const flags = bindFlags(context, layout.flags, "", 0);
  const places = fields.flatMap(({ value, error, state, times, per, dust, flags: own }) => [
    ...value,
    ...error,
    state,
    times,
    per?.value,
    per?.error,
    dust?.place,
    ...own,
  ]);
  const used = new Set([
    ...[...places, ...flags].flatMap((place) => (place ? [place.column] : [])),
    ...spectra.flatMap(columnsOfSpectrum),
    ...[objectId, parentId, tile, instrument].flatMap(templateColumns),
    ...(weight === undefined ? [] : [weight]),
  ]);
  const names = schema.map((column) => column.name);
  return {
    layout,
    fields,
    spectra,
    flags,
    objectId,
    parentId,
    tile,
    instrument,
    weight,
    sources: sourcesOf(
      layout,
      fields.map(({ field }) => survey.fields[field]),
      metadata,
    ),
    columns: names.filter((name) => used.has(name)),
    unused: names.filter((name) => !used.has(name) && !isIgnored(layout, name)),
    ignored: names.filter((name) => !used.has(name) && isIgnored(layout, name)),
  };
}
