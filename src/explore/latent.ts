import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { latentSpace, type LatentSpace } from "../inference/latent.ts";
import { occlude, type Occlusion } from "../inference/occlusion.ts";
import { createPredictor, type Predictor } from "../inference/predict.ts";
import { linearProbe, type ProbeScore, type ProbeTarget } from "../inference/probe.ts";
import { createRng } from "../random.ts";
import type { Reporter } from "../progress.ts";
import { fieldAxis } from "../report/axis.ts";
import type { LatentPanel } from "../report/figure-latent.ts";
import { drawLatent } from "../report/figure-latent.ts";
import { drawOcclusion } from "../report/figure-occlusion.ts";
import type { ReportTable } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import { allRows, type Catalog, concat, select } from "../survey/catalog.ts";
import { type Field, isAskable, State } from "../survey/field.ts";
import { flagsOf, parseFieldList } from "../survey/field-list.ts";
import { type Reader, readRows } from "../survey/reading.ts";
import { percent } from "../text.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { Section } from "./page.ts";

/** What a network makes of a table: its states, what can be read from them, and what an answer rests on. */

export interface LatentWish {
  /** Fields that the states are of, as lists of names, ranges and groups. Default: bands and spectra. */
  readonly given?: string;
  /** Field whose answer is taken apart. Default: the redshift. */
  readonly want?: string;
  /** Id of the object of which it is asked. Default: the first of the table. */
  readonly object?: string;
}

export interface LatentRequest extends LatentWish {
  readonly engine: Engine;
  readonly checkpoint: Checkpoint;
  readonly table: string;
  readonly reader: Reader;
  readonly reporter: Reporter;
}

/** Rows that are looked at, each as likely as any other. */
const MOST_ROWS = 2000;
const BATCH_ROWS = 2048;
/** Quantities that colour a map, and rows that must have one. */
const [MOST_PANELS, FEWEST_KNOWN] = [12, 30] as const;
/** Below this a galaxy counts as quenched: log10 sSFR [1/yr]. */
const QUENCHED = -11;
/** Equivalent widths are probed as asinh(EW / this) [Angstrom]. */
const KNEE = 10;

/** Rows of a table that have something given, at most so many, and the one that is asked for. */
async function gather({ table, reader, object }: LatentRequest, isGiven: Uint8Array) {
  const rng = createRng(`${table}:latent`);
  let [kept, keys, one]: [Catalog | undefined, number[], Catalog | undefined] = [undefined, [], undefined];
  for await (const { catalog } of readRows(table, reader, { batchRows: BATCH_ROWS })) {
    const n = catalog.fields.length;
    const hasGiven = (row: number): boolean =>
      isGiven.some((flag, j) => flag === 1 && catalog.state[row * n + j] !== State.notObserved);
    const there = allRows(catalog).filter(hasGiven);
    const found = object === undefined ? there[0] : catalog.objectId.indexOf(object);
    if (one === undefined && found !== undefined && found >= 0) one = select(catalog, [found]);
    // every row draws a number, and the rows of the least stay
    const drawn = Float64Array.from(there, () => rng.uniform());
    const limit = keys.length < MOST_ROWS ? Infinity : Math.max(...keys);
    const rows = there.filter((_, i) => drawn[i] < limit);
    const whole: Catalog = kept === undefined ? select(catalog, rows) : concat([kept, select(catalog, rows)]);
    const all = [...keys, ...drawn.filter((key) => key < limit)];
    const order = Array.from(all.keys()).sort((a, b) => all[a] - all[b]);
    const chosen = order.slice(0, MOST_ROWS).sort((a, b) => a - b);
    kept = select(whole, chosen);
    keys = chosen.map((i) => all[i]);
  }
  if (kept === undefined || kept.rowCount === 0) {
    throw new UserError(`${table}: no row has any of what is given, expected at least one (--given)`);
  }
  if (one === undefined) throw new UserError(`--object ${object}: no such id in ${table}`);
  return { catalog: kept, one };
}

/** A quantity that was not given: how it is drawn, and how it is probed. */
interface Quantity extends LatentPanel {
  readonly probed: ProbeTarget;
  readonly isDrawn: boolean;
}

function quantityOf(catalog: Catalog, field: Field, j: number): Quantity {
  const n = catalog.fields.length;
  const values = Float64Array.from({ length: catalog.rowCount }, (_, row) =>
    catalog.state[row * n + j] === State.measured ? catalog.value[row * n + j] : Number.NaN,
  );
  const isWidth = field.kind === "ew";
  const classes = field.kind === "category" ? { classes: field.classes } : {};
  const { label, unit = "" } = fieldAxis(field);
  return {
    title: label,
    unit,
    values,
    ...classes,
    isDrawn: !isWidth && (field.kind !== "category" || field.classes.length <= 6),
    probed: {
      name: isWidth ? `asinh(${field.name} / ${KNEE} A)` : field.name,
      values: isWidth ? values.map((width) => Math.asinh(width / KNEE)) : values,
      ...classes,
    },
  };
}

/** Specific star formation rate and its two classes, where mass and rate are known and neither is given; a limit can tell the class. */
function starFormation(catalog: Catalog, quantities: ReadonlyMap<string, Quantity>): Quantity[] {
  const [rate, mass] = [quantities.get("LOGSFR"), quantities.get("LOGM")];
  if (rate === undefined || mass === undefined) return [];
  const values = Float64Array.from(rate.values, (value, row) => value - mass.values[row]);
  const classes = ["quenched", "star-forming"];
  const [j, n] = [catalog.fields.findIndex(({ name }) => name === "LOGSFR"), catalog.fields.length];
  const isQuenched = (row: number): boolean =>
    catalog.state[row * n + j] === State.upperLimit && catalog.value[row * n + j] - mass.values[row] <= QUENCHED;
  const sorts = values.map((value, row) => {
    if (Number.isNaN(value)) return isQuenched(row) ? 0 : value;
    return Number(value > QUENCHED);
  });
  const [title, name] = ["star formation", `log sSFR > ${QUENCHED}`];
  return [
    {
      title: `${title}: log sSFR > ${QUENCHED}`,
      values: sorts,
      classes,
      isDrawn: true,
      probed: { name, values: sorts, classes },
    },
    {
      title: "log specific star formation rate [1/yr]",
      values,
      isDrawn: true,
      probed: { name: "LOGSFR - LOGM", values },
    },
  ];
}

/** Quantities of a table that were not given and that enough rows have, of more than one value. */
function quantitiesOf(catalog: Catalog, isGiven: Uint8Array): Quantity[] {
  const asked = catalog.fields.flatMap((field, j) =>
    isAskable(field) && field.band === undefined && isGiven[j] === 0 ? [[field, j] as const] : [],
  );
  const plain = new Map(asked.map(([field, j]) => [field.name, quantityOf(catalog, field, j)]));
  return [...starFormation(catalog, plain), ...plain.values()].filter(({ values }) => {
    const known = Array.from(values).filter((value) => !Number.isNaN(value));
    return known.length >= FEWEST_KNOWN && known.some((value) => value !== known[0]);
  });
}

function mapFigures(
  { principal, umap }: LatentSpace,
  quantities: readonly Quantity[],
  given: string,
): [string, Figure][] {
  const panels = quantities.filter(({ isDrawn }) => isDrawn).slice(0, MOST_PANELS);
  const along = (points: Float64Array, k: 0 | 1): Float64Array => points.filter((_, i) => i % 2 === k);
  const draw = (points: Float64Array, words: string): Figure =>
    drawLatent({
      x: along(points, 0),
      y: along(points, 1),
      panels,
      caption: `${words} of states of knowledge given ${given}; colours are what the table says, which the network was not given.`,
    });
  const [first, second] = principal.share;
  const pca = draw(
    principal.scores,
    `The two principal components, right and up, with ${percent(first)} and ${percent(second)} of the variance,`,
  );
  if (umap === undefined) return [["latent-pca", pca]];
  const words = "UMAP (15 neighbours; near neighbours stay near, distances between groups mean little)";
  return [
    ["latent-pca", pca],
    ["latent-umap", draw(umap, words)],
  ];
}

const told = ({ name, className }: ProbeScore): string => (className === undefined ? name : `${name}: ${className}`);

function probeTable(scores: readonly ProbeScore[]): ReportTable {
  return {
    title: "What a straight line reads from the states",
    columns: [
      { label: "quantity" },
      { label: "score" },
      { label: "value", decimals: 3 },
      { label: "rows fitted" },
      { label: "rows judged" },
    ],
    rows: scores.map((one) => [
      told(one),
      one.metric === "R2" ? "R²" : "area under curve",
      one.value,
      one.trainRows,
      one.testRows,
    ]),
  };
}

/** Pieces told of in the table of the page. */
const TOLD = 10;

function occlusionParts(pieces: readonly Occlusion[], field: Field, object: string) {
  const isCategory = field.kind === "category";
  const shiftUnit = isCategory ? "probability" : "σ of the answer";
  const most = pieces.toSorted((a, b) => b.divergence - a.divergence).slice(0, TOLD);
  const table: ReportTable = {
    title: `${object}: what ${field.name} rests on most`,
    columns: [
      { label: "hidden" },
      { label: "wavelength", unit: "Angstrom", decimals: 0 },
      { label: "divergence", unit: "nats", decimals: 4 },
      { label: `shift of the ${isCategory ? "likeliest class" : "mean"}`, unit: shiftUnit, decimals: 3 },
    ],
    rows: most.map(({ name, from, to, divergence, shift }) => [name, (from + to) / 2, divergence, shift]),
  };
  const title = `${object}: ${field.description.split(", ")[0]}`;
  return { table, figure: drawOcclusion({ title, wanted: field.name, shiftUnit, bars: pieces }), most };
}

/** Columns of what is given and of what is asked. @throws UserError for unknown fields, and for more than one wanted. */
function questionOf({ given = "bands,spectra", want }: LatentWish, fields: readonly Field[]) {
  const isGiven = flagsOf(parseFieldList(given, fields, "--given"), fields.length);
  const usual =
    fields.find(({ kind }) => kind === "redshift") ?? fields.find((f) => isAskable(f) && f.band === undefined);
  const wanted =
    want === undefined ? (usual === undefined ? [] : [fields.indexOf(usual)]) : parseFieldList(want, fields, "--want");
  if (wanted.length !== 1 || !isAskable(fields[wanted[0]])) {
    throw new UserError(`--want ${want ?? ""}: expected one field, a number or a category`);
  }
  return { isGiven, wanted: wanted[0], given: given.replaceAll(/,\s*/g, ", ") };
}

function tell(
  reporter: Reporter,
  scores: readonly ProbeScore[],
  most: readonly Occlusion[],
  name: string,
  object: string,
): void {
  reporter.say("linear probes of the states, judged on half of the rows:");
  for (const one of scores) {
    const metric = one.metric === "R2" ? "R2 " : "AUC";
    reporter.say(`  ${told(one).padEnd(32)} ${metric} ${one.value.toFixed(3)}  (${one.testRows} rows)`);
  }
  const pieces = most.slice(0, 3).map((one) => `${one.name} (${one.divergence.toFixed(3)} nats)`);
  if (pieces.length > 0) reporter.say(`${name} of ${object} rests most on ${pieces.join(", ")}`);
}

async function sectionOf(predictor: Predictor, request: LatentRequest): Promise<Section> {
  const { fields } = predictor.coder;
  const { isGiven, wanted, given } = questionOf(request, fields);
  const { catalog, one } = await gather(request, isGiven);
  const space = await latentSpace(predictor, catalog, allRows(catalog), isGiven);
  const quantities = quantitiesOf(catalog, isGiven);
  const scores = quantities.flatMap(({ probed }) => linearProbe(space.state, space.size, catalog.parentId, probed));
  const pieces = await occlude(predictor, one, 0, isGiven, wanted);
  const object = one.objectId[0];
  const { table, figure, most } = occlusionParts(pieces, fields[wanted], object);
  tell(request.reporter, scores, most, fields[wanted].name, object);
  return {
    heading: "Latent space",
    text: [
      `States of knowledge of ${space.rowCount.toLocaleString("en-US")} objects: the ${space.size} numbers of the network's latent tokens, given ${given}. ` +
        "Galaxies that the network carries tell it something beside them, which is left out here.",
      "Ridge regressions from the state to quantities that were not given, fitted to half of the objects by parent and judged on the " +
        "other half. They say what stands in the states in the open, not how well the network answers.",
    ],
    tables: [...(scores.length === 0 ? [] : [probeTable(scores)]), ...(pieces.length === 0 ? [] : [table])],
    drawn: [...mapFigures(space, quantities, given), ...(pieces.length === 0 ? [] : [["occlusion", figure] as const])],
  };
}

/**
 * Looks at the states of a table's objects, and at what one answer rests on: a section of the page.
 * @throws UserError for unknown fields, an object that is not there, a table in which nothing given is observed.
 */
export async function latentSection(request: LatentRequest): Promise<Section> {
  // what the network itself says: recalibrated answers also change with the share of bands that is given
  const predictor = createPredictor(request.engine, request.checkpoint, { isRecalibrated: false });
  try {
    return await sectionOf(predictor, request);
  } finally {
    await predictor.dispose();
  }
}
