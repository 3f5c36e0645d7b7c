/** The page of an adaptation: what differed, what was learned, and what it did to rows that no training saw. */
import { basename } from "node:path";
import { figures } from "../report/figures.ts";
import type { LatentPanel } from "../report/figure-latent.ts";
import type { Report, ReportSection, ReportTable } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import type { Survey } from "../survey/survey.ts";
import { magnitudesAB } from "../survey/units.ts";
import type { LogLine } from "../train/run.ts";
import { ways } from "../train/ways.ts";
import type { Domain } from "./adaptation.ts";
import { type HeldOutScores, TOLD } from "./adaptation-scores.ts";
import type { DomainView } from "./domain.ts";
import { redBand } from "./class-scores.ts";
import { lossSection } from "./evaluation-report.ts";
import { metrics } from "./metrics.ts";

/** What a training logged. */
export interface TrainingLog {
  readonly title: string;
  readonly log: readonly LogLine[];
}

/** What the page is made of. */
interface Adaptation {
  readonly domain: Domain;
  readonly survey: Survey;
  readonly before: DomainView | undefined;
  readonly after: DomainView | undefined;
  readonly logs: readonly TrainingLog[];
  /** [mag] By band of the network. */
  readonly trueOffsets?: readonly number[];
}

/** Before and after, where there is an after. */
type Times = readonly (readonly [label: string, scores: HeldOutScores])[];
const timesOf = (some: Domain["heldOut"]["target"]): Times => {
  if (some === undefined) return [];
  return [["before", some.before] as const, ...(some.after === undefined ? [] : [["after", some.after] as const])];
};

function tellingTable({ view }: Domain): ReportTable[] {
  if (view === undefined) return [];
  const { before, after } = view;
  const row = (label: string, of: "photometry" | "residuals" | "state"): ReportTable["rows"][number] => {
    const ends = [before, ...(after === undefined ? [] : [after])].map((one) => {
      const { auc, error } = one[of];
      return { value: auc, low: auc - error, high: auc + error };
    });
    return [label, ...ends];
  };
  return [
    {
      title: `How well classifiers tell target from simulations: area under the ROC curve, ±1 σ; ${before.rows} rows of each, five-fold cross-validation, 0.5: not at all`,
      columns: [
        { label: "told of" },
        { label: "before", decimals: 3 },
        ...(after === undefined ? [] : [{ label: "after", decimals: 3 }]),
      ],
      rows: [
        row("colours and brightness", "photometry"),
        row("residuals from what the other bands expect", "residuals"),
        row("the network's state of knowledge", "state"),
      ],
    },
  ];
}

function bandTable({ view, zeroPoints = [] }: Domain): ReportTable[] {
  if (view === undefined) return [];
  const { before, after } = view;
  const cell = ({ value, error }: { value: number; error: number }) => ({
    value,
    low: value - error,
    high: value + error,
  });
  return [
    {
      title:
        "Bands: the target's magnitudes less what its other bands expect, less the same of the simulations, ±1 σ; ratios of medians, target over simulations",
      columns: [
        { label: "band" },
        { label: "rows" },
        { label: "offset before", unit: "mag", decimals: 3 },
        ...(after === undefined ? [] : [{ label: "offset after", unit: "mag", decimals: 3 }]),
        { label: "added to magnitudes", unit: "mag", decimals: 3 },
        { label: "noise factor", decimals: 2 },
        { label: "fluxes" },
        { label: "errors" },
      ],
      rows: before.bands.map(({ name, rows, offset, fluxRatio, errorRatio }) => {
        const later = after?.bands.find((one) => one.name === name);
        const learned = zeroPoints.find(({ band }) => band === name);
        return [
          name,
          rows,
          cell(offset),
          ...(later === undefined ? [] : [cell(later.offset)]),
          learned?.zeroPoint,
          learned?.noise,
          fluxRatio,
          errorRatio,
        ];
      }),
    },
  ];
}

/** What is learned, by wavelength; the opposite of what is added to magnitudes. */
function zeroPointFigure({ domain, survey, trueOffsets }: Adaptation): Figure[] {
  const { zeroPoints = [], missing } = domain;
  const bands = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, pivot: band.pivot }]));
  const shown = zeroPoints
    .map((one, i) => ({ ...one, ...bands[i], truth: trueOffsets?.[i] }))
    .filter(({ name }) => !missing.includes(name));
  if (shown.every(({ zeroPoint }) => zeroPoint === 0)) return [];
  const figure = figures.adaptation.draw({
    variants: [],
    metrics: [],
    zeroPoints: {
      wavelength: shown.map(({ pivot }) => pivot),
      recovered: shown.map(({ zeroPoint }) => -zeroPoint),
      error: shown.map(({ error = 0 }) => error),
      ...(trueOffsets === undefined ? {} : { truth: shown.map(({ truth = Number.NaN }) => truth) }),
    },
  });
  const caption = `${figure.caption} Positive: the target's magnitudes are too faint. Errors are those of the band's median residual.`;
  return [{ ...figure, caption }];
}

function scoreTable(title: string, times: Times): ReportTable[] {
  if (times.length === 0) return [];
  return [
    {
      title,
      columns: [
        { label: "field" },
        { label: "network" },
        ...TOLD.map((name) => ({ label: metrics[name].title, decimals: 4 })),
      ],
      rows: Object.keys(times[0][1].scores).flatMap((field) =>
        times.map(([label, { scores }]) => [field, label, ...TOLD.map((name) => scores[field][name])]),
      ),
    },
  ];
}

/** By magnitude, where there are bins with rows enough. */
function trendFigure(times: Times): Figure[] {
  const binned = times[0]?.[1].binned;
  if (binned === undefined || binned.bins.length === 0) return [];
  const { field, band, bins } = binned;
  const shown = TOLD.filter((metric) => bins.some(({ score }) => score[metric] !== undefined));
  return [
    figures.trend.draw({
      axis: { label: `${band} magnitude`, unit: "AB" },
      at: bins.map(({ from, to }) => (from + to) / 2),
      counts: bins.map(({ rows }) => rows),
      panels: shown.map((metric) => {
        const { title, better } = metrics[metric];
        return {
          axis: { label: `${field}: ${title}` },
          ...(typeof better === "number" ? { reference: better } : {}),
          series: times.map(([label, { binned: own }]) => ({
            label,
            points: bins.map((bin) => own?.bins.find(({ from }) => from === bin.from)?.score[metric]),
          })),
        };
      }),
    }),
  ];
}

/** Where the states of simulations and target lie. */
function mapFigure({ map, brightness, rows }: DomainView, survey: Survey, when: string): Figure {
  const axis = (k: 0 | 1): Float64Array => map.scores.filter((_, i) => i % 2 === k);
  const share = Array.from(map.share, (part) => `${Math.round(100 * part)} %`).join(" and ");
  const red = redBand(survey.fields);
  const magnitudeOf = magnitudesAB(red ?? { unit: survey.fluxUnit });
  const magnitude = brightness.map((x) => magnitudeOf(Math.exp(x)));
  const domain = Uint8Array.from(brightness, (_, i) => (i < rows ? 0 : 1));
  // dots are drawn group by group: in panels of their own none covers the other
  const panels: readonly LatentPanel[] = [
    { title: "simulations and target", values: domain, classes: ["simulations", "target"] },
    { title: "simulations: brightness", unit: "AB mag", values: magnitude.map((x, i) => (i < rows ? x : Number.NaN)) },
    { title: "target: brightness", unit: "AB mag", values: magnitude.map((x, i) => (i < rows ? Number.NaN : x)) },
  ];
  return figures.latent.draw({
    x: axis(0),
    y: axis(1),
    panels,
    caption: `States of knowledge ${when}, given the bands that both have, along the two components with most of their variance (${share} of it). Brightness: of all given bands, as a magnitude in ${red?.name ?? "none"}.`,
  });
}

function summary({ isKept, heldOut, findings }: Domain): string[] {
  const kept = isKept === true ? ["Held-out rows found the network as it was best: the run keeps it."] : [];
  const none =
    heldOut.target === undefined
      ? ["No held-out rows of the target have labels: what adapting did to answers is not known."]
      : [];
  return [...findings.map(({ level, text }) => (level === "note" ? text : `${level}: ${text}`)), ...kept, ...none];
}

export function adaptationReport(adaptation: Adaptation): Report {
  const { domain, survey, before, after, logs } = adaptation;
  const target = timesOf(domain.heldOut.target);
  const source = timesOf(domain.heldOut.source);
  const maps = [
    ...(before === undefined ? [] : [mapFigure(before, survey, "before")]),
    ...(after === undefined ? [] : [mapFigure(after, survey, "after")]),
  ];
  const sections: ReportSection[] = [
    { heading: "Target and simulations", text: summary(domain), tables: tellingTable(domain), figures: maps },
    { heading: "Zero-points", figures: zeroPointFigure(adaptation) },
    {
      heading: "The target before and after",
      tables: scoreTable(
        `Held-out rows of the target: ${target[0]?.[1].rows}, all bands given, 95 % intervals`,
        target,
      ),
      figures: trendFigure(target),
    },
    {
      heading: "What was forgotten",
      tables: scoreTable(
        `Held-out rows of the simulations: ${source[0]?.[1].rows}, all bands given, 95 % intervals`,
        source,
      ),
      figures: trendFigure(source),
    },
  ];
  const isFull = ({ text = [], tables = [], figures: drawn = [] }: ReportSection): boolean =>
    text.length + tables.length + drawn.length > 0;
  return {
    title: `Adaptation to ${basename(domain.target)}`,
    facts: [
      ["network", domain.init],
      ["simulations", domain.source],
      ["target", domain.target],
      ["verdict", domain.verdict ?? "not looked at: no photometry"],
      ...(domain.way === undefined ? [] : [["kept", ways[domain.way].title] as const]),
    ],
    sections: [
      ...sections,
      ...logs.flatMap(({ title, log }) => lossSection(log, title)),
      { heading: "Band by band", tables: bandTable(domain) },
    ].filter(isFull),
  };
}
