import { dirname } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { makeFolder, writeFileAtomic } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { checkWritable, writeTable } from "../io/formats.ts";
import type { Column, Table } from "../io/table.ts";
import { stemOf } from "../io/table-name.ts";
import { type Reporter, silent } from "../progress.ts";
import { apertureOf, checkAperture } from "../survey/aperture.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import type { Field } from "../survey/field.ts";
import { flagsOf, parseFieldList } from "../survey/field-list.ts";
import { loadSurvey } from "../survey/survey.ts";
import { catalogFromValues } from "../survey/values.ts";
import { type Checkpoint, loadCheckpoint } from "../train/checkpoint.ts";
import { USUAL_CHECKPOINT } from "../train/shipped.ts";
import { sampleRows } from "../train/tables.ts";
import { type Advice, adviceOf, type Candidate } from "./advice.ts";
import { createPredictor } from "./predict.ts";

export interface AdviseRequest {
  readonly engine: Engine;
  /** Checkpoint or run folder, or a name in `checkpoints/`; default: the network that comes with the package. */
  readonly checkpoint?: string;
  /** A table or a prepared folder, or the values of one galaxy (`J0378=1.2+-0.1`). */
  readonly table?: string;
  readonly values?: readonly string[];
  /** How the table is to be read. */
  readonly reading?: BindOptions;
  /** Survey that describes the table, where its columns are not the network's: see `query`. */
  readonly survey?: string;
  /** Also of tables whose fluxes are of other light than those that the network was trained on. */
  readonly anyAperture?: boolean;
  /** Fields to use, as {@link parseFieldList} reads them; default: all but the wanted. */
  readonly given?: string;
  readonly want: string;
  /** What might be observed, each by itself; default: bands and equivalent widths. */
  readonly candidates?: string;
  /** What might be observed together: a list of fields each. */
  readonly together?: readonly string[];
  /** `FIELDS=error`: 1 sigma errors of such observations, in the field's unit; default: the table's own, else what is usual. */
  readonly errors?: readonly string[];
  /** Observations drawn per galaxy and candidate; default: 32. */
  readonly draws?: number;
  /** Most galaxies of a table, evenly spaced; default: 50. */
  readonly mostRows?: number;
  /** Table to write; a figure for every wanted field stands beside it, `<stem>-<FIELD>.png`. */
  readonly out?: string;
  /** Of the draws; default: "1". */
  readonly seed?: string;
  readonly reporter?: Reporter;
}

/** Bands and lines, but for what is wanted. */
function usualCandidates(fields: readonly Field[], wanted: readonly number[]): number[] {
  return fields.flatMap(({ band, kind }, j) =>
    !wanted.includes(j) && (band !== undefined || kind === "ew") ? [j] : [],
  );
}

/** @throws UserError for unknown fields, or what is wanted itself. */
function candidatesOf(
  { candidates, together = [] }: AdviseRequest,
  fields: readonly Field[],
  wanted: readonly number[],
): Candidate[] {
  const each = candidates === undefined ? undefined : parseFieldList(candidates, fields, "--candidates");
  const singles = each ?? (together.length > 0 ? [] : usualCandidates(fields, wanted));
  const all = [
    ...together.map((text) => ({ name: text, fields: parseFieldList(text, fields, "--together") })),
    ...singles.map((j) => ({ name: fields[j].name, fields: [j] })),
  ];
  for (const { name, fields: own } of all) {
    const same = own.find((j) => wanted.includes(j));
    if (same !== undefined)
      throw new UserError(`${name}: ${fields[same].name} is wanted, expected other fields to observe`);
  }
  return all;
}

/** [nField] @throws UserError for what is not `FIELDS=error`. */
function errorsOf(texts: readonly string[], fields: readonly Field[]): (number | undefined)[] {
  const errors: (number | undefined)[] = fields.map(() => undefined);
  for (const text of texts) {
    const split = text.lastIndexOf("=");
    const error = split < 1 || split === text.length - 1 ? Number.NaN : Number(text.slice(split + 1));
    if (!(error >= 0 && error < Infinity)) {
      throw new UserError(`--error ${text}: expected FIELDS=error in the fields' unit, e.g. --error narrow=3`);
    }
    for (const j of parseFieldList(text.slice(0, split), fields, "--error")) errors[j] = error;
  }
  return errors;
}

/** @throws UserError for a request that can't be answered, before anything is read. */
function checkRequest({ table, values, out, draws = 32, mostRows = 50 }: AdviseRequest): void {
  if ((table === undefined) === (values === undefined)) {
    throw new UserError("advise: expected either a table or --set FIELD=value, not both or neither");
  }
  for (const [option, value, least] of [
    ["--draws", draws, 2],
    ["--rows", mostRows, 1],
  ] as const) {
    if (Number.isInteger(value) && value >= least) continue;
    throw new UserError(`${option} ${value}: expected a whole number, at least ${least}`);
  }
  if (out !== undefined) checkWritable(out);
}

async function galaxiesOf(request: AdviseRequest, { config }: Checkpoint): Promise<Catalog> {
  const { table, values, reading, reporter = silent } = request;
  const { survey } = config;
  if (table === undefined) return catalogFromValues(values!, survey);
  const own = request.survey === undefined ? undefined : loadSurvey(request.survey);
  if (request.anyAperture !== true) checkAperture(await apertureOf(table, own ?? survey, reading), config.data, table);
  return sampleRows(table, "all", { survey, own, options: reading }, request.mostRows ?? 50, reporter.say);
}

/**
 * What each unobserved band, line or set of fields is expected to tell of the wanted fields, beyond what is given: information
 * in nats and the width of the 68 % interval, see `adviceOf`; beside it what it told where the table has it. A row per
 * wanted field and candidate, the most telling first.
 * @throws UserError for unknown fields, candidates that are given already, a table or a checkpoint that can't be read.
 */
export async function advise(request: AdviseRequest): Promise<Advice[]> {
  checkRequest(request);
  const { engine, given = "all", out, draws = 32, seed = "1", reporter = silent } = request;
  const checkpoint = loadCheckpoint(request.checkpoint ?? USUAL_CHECKPOINT);
  const { fields } = checkpoint.config.survey;
  const wanted = parseFieldList(request.want, fields, "--want");
  const isGiven = flagsOf(parseFieldList(given, fields, "--given"), fields.length);
  const candidates = candidatesOf(request, fields, wanted);
  const errors = errorsOf(request.errors ?? [], fields);
  const catalog = await galaxiesOf(request, checkpoint);
  const predictor = createPredictor(engine, checkpoint);
  const bar = reporter.bar("advising", catalog.rowCount);
  try {
    const question = { isGiven, wanted, candidates, draws, errors, seed };
    const advice = await adviceOf(predictor, catalog, allRows(catalog), question, (done) => bar.update(done));
    if (advice.length === 0) {
      throw new UserError(
        "advise: every candidate is given already; expected --given with less, or other --candidates",
      );
    }
    bar.stop();
    if (out !== undefined) await writeAdvice(out, advice, fields, request);
    return advice;
  } finally {
    bar.stop();
    await predictor.dispose();
  }
}

/** Kind of an observation, as it is coloured. */
const groupOf = (field: Field | undefined): string =>
  field === undefined ? "together" : (field.band?.group ?? (field.kind === "ew" ? "line" : "property"));

async function writeAdvice(
  out: string,
  advice: readonly Advice[],
  fields: readonly Field[],
  request: AdviseRequest,
): Promise<void> {
  const { reporter = silent } = request;
  makeFolder(dirname(out));
  const table = adviceTable(advice, fields, request);
  await writeTable(out, { schema: table.columns.map(schemaOf), metadata: table.metadata, isPlain: true }, [table]);
  const places = [out];
  const { figures } = await import("../report/figures.ts"); // figures take longer to load than to answer
  const { renderPng } = await import("../report/svg.ts");
  for (const name of new Set(advice.map(({ wanted }) => wanted))) {
    const own = advice.filter(({ wanted }) => wanted === name);
    const { unit } = fields.find((field) => field.name === name)!;
    const bars = own.map(({ candidate, realised, ...rest }) => ({
      ...rest,
      name: candidate,
      group: groupOf(fields.find((field) => field.name === candidate)),
      ...(realised === undefined ? {} : { realised: { gain: realised.gain, error: realised.gainError } }),
    }));
    const rows = Math.max(...own.map((one) => one.rows));
    const { svg } = figures.advice.draw({ wanted: name, unit, widthNow: own[0].widthNow, rows, bars });
    places.push(`${stemOf(out)}-${name}.png`);
    await writeFileAtomic(places[places.length - 1], renderPng(svg));
  }
  reporter.say(`-> ${places.join(", ")}`);
}

function adviceTable(
  advice: readonly Advice[],
  fields: readonly Field[],
  { given = "all", draws = 32 }: AdviseRequest,
): Table {
  const words = (name: string, description: string, of: (one: Advice) => string): Column => {
    return { name, type: "string", width: 1, description, data: advice.map(of) };
  };
  const numbers = (name: string, description: string, of: (one: Advice) => number, unit?: string): Column => {
    const data = Float64Array.from(advice, of);
    return { name, type: "float64", width: 1, description, data, ...(unit === undefined ? {} : { unit }) };
  };
  const none = Number.NaN;
  return {
    rowCount: advice.length,
    metadata: { creator: "caleido advise", given, draws: String(draws) },
    columns: [
      words("wanted", "field that is asked for", ({ wanted }) => wanted),
      words("candidate", "what might be observed", ({ candidate }) => candidate),
      numbers("galaxies", "galaxies without it", ({ rows }) => rows),
      numbers("gain", "expected information [nats]", ({ gain }) => gain),
      numbers("gain_err", "1 sigma error of it", ({ gainError }) => gainError),
      numbers("width_now", "68 % width as it is, in width_unit", ({ widthNow }) => widthNow),
      numbers("width", "expected 68 % width, in width_unit", ({ width }) => width),
      numbers("width_err", "1 sigma error of it", ({ widthError }) => widthError),
      words("width_unit", "unit of the widths", ({ wanted }) => fields.find(({ name }) => name === wanted)!.unit),
      numbers("told_galaxies", "galaxies that have it in the table", ({ realised }) => realised?.rows ?? 0),
      numbers("told_gain", "information that it told there [nats]", ({ realised }) => realised?.gain ?? none),
      numbers("told_gain_err", "1 sigma error of it", ({ realised }) => realised?.gainError ?? none),
      numbers("told_width", "68 % width that it left there", ({ realised }) => realised?.width ?? none),
      numbers("told_score", "rise of ln p(truth) there [nats]", ({ realised }) => realised?.score ?? none),
      numbers("told_score_err", "1 sigma error of it", ({ realised }) => realised?.scoreError ?? none),
    ],
  };
}
