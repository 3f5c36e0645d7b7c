import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { makeFolder, writeFileAtomic } from "../io/atomic.ts";
import { renderReport, type ReportSection, type ReportTable } from "../report/html.ts";
import { type Figure, renderPng } from "../report/svg.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { openFor } from "../survey/read.ts";
import { outlineRows, readRows } from "../survey/reading.ts";
import { addReport, type ReadReport } from "../survey/report.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import { percent } from "../text.ts";
import { depthFigure, noiseFigure, photometryFigure, statesFigure } from "./bands.ts";
import { bptFigures, widthFigures } from "./lines.ts";
import {
  colourFigures,
  comparisonTable,
  type Limit,
  massRedshiftFigure,
  propertyFigures,
  propertyRows,
  redshiftFigure,
} from "./properties.ts";
import { createSampler, mechanismOf, type Sample } from "./sample.ts";

/** The page of a table: what `look` shows, and a simulation writes beside its table. */

export interface PageRequest {
  readonly title: string;
  /** Name and value: where the table comes from. */
  readonly facts: readonly (readonly [string, string])[];
  readonly sample: Sample;
  readonly others: readonly Sample[];
  /** Why values were not used, where the table was read. */
  readonly reading?: ReadReport;
  /** How the galaxies were chosen, in words and as a magnitude limit. */
  readonly selection?: string;
  readonly limit?: Limit;
  /** What stands before all else. */
  readonly first?: readonly Section[];
  /** HTML file to write, and folder for PNGs. */
  readonly out: string;
  readonly figures?: string;
}

/** Reads a table, or a prepared folder, into a sample; `lines` is what of it was left out. */
export async function readSample(
  path: string,
  survey: Survey,
  label: string,
  options: BindOptions,
): Promise<{ sample: Sample; reading: ReadReport; lines: readonly string[] }> {
  const reader = { survey, options };
  const { lines } = await outlineRows(path, reader);
  const sampler = createSampler(label, survey, path);
  let reading: ReadReport | undefined;
  for await (const { catalog, report } of readRows(path, reader)) {
    sampler.add(catalog);
    if (reading === undefined) reading = report;
    else addReport(reading, report);
  }
  if (reading === undefined) throw new UserError(`${path}: a table without rows, expected at least one galaxy`);
  const told = [...reading.unusedColumns, ...reading.ignoredColumns].filter(
    (column) => mechanismOf(column) !== undefined,
  );
  if (told.length > 0) {
    const source = await openFor(path, survey, options);
    for await (const table of source.batches({ columns: told })) sampler.addMechanisms(table);
    await source.close();
  }
  return { sample: sampler.finish(), reading, lines };
}

/** A table of real galaxies to show beside, and how it is to be read. */
export interface BesideTable {
  readonly path: string;
  /** A name in `datasets/`, or a path. */
  readonly survey: string;
  readonly reading?: BindOptions;
}

/** Samples of the tables beside one that is labelled `label`; each has the name of its survey where that tells it apart. */
export async function readBeside(tables: readonly BesideTable[], label: string, own: Survey): Promise<Sample[]> {
  const out: Sample[] = [];
  for (const { path, survey: name, reading = {} } of tables) {
    const survey = loadSurvey(name);
    const isTold = [label, own.name, ...out.map((one) => one.label)].includes(survey.name);
    out.push((await readSample(path, survey, isTold ? basename(path) : survey.name, reading)).sample);
  }
  return out;
}

type Named = readonly [name: string, figure: Figure];

export function named(name: string, figures: readonly Figure[]): Named[] {
  return figures.map((figure, i) => [i === 0 ? name : `${name}-${i + 1}`, figure]);
}

/** A part of the page, its figures by name. */
export interface Section extends ReportSection {
  readonly drawn: readonly Named[];
}

function sectionsOf({ sample, others, reading, selection = "", limit, first = [] }: PageRequest): Section[] {
  const tables = [...contentTables(sample, reading), ...others.flatMap((other) => comparisonTable(sample, other))];
  const all: Section[] = [
    ...first,
    { heading: "What is in the table", tables, drawn: named("states", statesFigure(sample)) },
    {
      heading: "Redshift and mass",
      drawn: [
        ...named("redshift", redshiftFigure(sample, others, selection)),
        ...named("mass-redshift", massRedshiftFigure(sample, others, limit)),
      ],
    },
    {
      heading: "Photometry",
      drawn: [
        ...named("photometry", photometryFigure(sample)),
        ...named("noise", [...noiseFigure(sample), ...others.flatMap((other) => noiseFigure(sample, other))]),
        ...named("depth", depthFigure(sample)),
      ],
    },
    { heading: "Colours", drawn: colourFigures(sample, others) },
    {
      heading: "Emission lines",
      drawn: [...named("widths", widthFigures(sample, others)), ...named("bpt", bptFigures(sample, others))],
    },
    { heading: "Properties of the galaxies", drawn: propertyFigures(sample, others) },
  ];
  return all.filter(({ drawn, tables: listed = [] }) => drawn.length + listed.length > 0);
}

function contentTables(sample: Sample, reading: ReadReport | undefined): ReportTable[] {
  const rows = propertyRows(sample);
  const properties: ReportTable[] =
    rows.length === 0
      ? []
      : [
          {
            title: "Properties: how often known, and their quantiles",
            columns: ["property", "meaning", "unit", "known", "5 %", "16 %", "median", "84 %", "95 %"].map((label) => ({
              label,
            })),
            rows,
          },
        ];
  const reasons = [...(reading?.reasons ?? [])].sort((a, b) => b[1].count - a[1].count);
  const unused: ReportTable[] =
    reasons.length === 0
      ? []
      : [
          {
            title: "Values that were not used, and why",
            columns: [{ label: "reason" }, { label: "values" }, { label: "for example" }],
            rows: reasons.map(([reason, { count, examples }]) => [reason, count, examples[0] ?? ""]),
          },
        ];
  return [...properties, ...mechanismTable(sample), ...unused];
}

function mechanismTable({ mechanisms, rowCount, survey }: Sample): ReportTable[] {
  const bands = survey.fields.filter(({ band }) => band !== undefined).length;
  const rows = [...mechanisms].filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  if (rows.length === 0) return [];
  return [
    {
      title: "Why bands are missing",
      columns: [{ label: "reason" }, { label: "values" }, { label: "of all values" }],
      rows: rows.map(([mechanism, count]) => [mechanism, count, percent(count / Math.max(1, bands * rowCount))]),
    },
  ];
}

/** Writes the page and, where asked for, one PNG per figure; returns the number of figures. */
export async function writePage(request: PageRequest): Promise<number> {
  const { sample, others, title, out } = request;
  const count = (one: Sample): string =>
    one.rowCount > one.catalog.rowCount
      ? `${one.rowCount.toLocaleString("en-US")} rows (n(z) and states of all, other figures of ${one.catalog.rowCount.toLocaleString("en-US")} drawn at random)`
      : `${one.rowCount.toLocaleString("en-US")} rows`;
  const facts: (readonly [string, string])[] = [
    ...request.facts,
    ["survey", `${sample.survey.name}: ${sample.survey.title}`],
    ["rows", count(sample)],
    ...others.map((other) => ["beside", `${other.label}: ${other.survey.title}, ${count(other)}`] as const),
  ];
  const sections = sectionsOf(request);
  const page = renderReport({
    title,
    facts,
    sections: sections.map(({ drawn, ...section }) => ({ ...section, figures: drawn.map(([, figure]) => figure) })),
  });
  await writeFileAtomic(out, page);
  const figures = sections.flatMap(({ drawn }) => drawn);
  if (request.figures !== undefined) {
    makeFolder(request.figures);
    for (const [i, [name, { svg }]] of figures.entries()) {
      await writeFileAtomic(join(request.figures, `${String(i + 1).padStart(2, "0")}-${name}.png`), renderPng(svg));
    }
  }
  return figures.length;
}
