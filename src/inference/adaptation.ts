/** `adapt` with a look at the target before and after: what differs, what was learned, what it did to held-out rows. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { makeFolder, writeFileAtomic } from "../io/atomic.ts";
import { silent } from "../progress.ts";
import { renderReport } from "../report/html.ts";
import { apertureOf, checkAperture } from "../survey/aperture.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { outlineRows } from "../survey/reading.ts";
import { loadSurvey } from "../survey/survey.ts";
import { learnedCalibration, magnitudesOf } from "../train/calibration.ts";
import { type Checkpoint, findCheckpoint, loadCheckpoint } from "../train/checkpoint.ts";
import { claimRunFolder, isFinished, loadRun, readLog } from "../train/run.ts";
import { sampleTable, type TableSample } from "../train/sample.ts";
import { checkpointPath } from "../train/shipped.ts";
import { type TableWish, wishOf } from "../train/tables.ts";
import { type WayName, ways } from "../train/ways.ts";
import { observationWish, reopenTables, type RunSetting } from "../train/run-tables.ts";
import {
  type AdaptationStart,
  type AdaptRequest,
  beginAdaptation,
  resume,
  type ResumeRequest,
  trainAdaptation,
} from "../train/verbs.ts";
import { adaptationReport, type TrainingLog } from "./adaptation-report.ts";
import { askedOf, type HeldOutScores, scoreHeldOut } from "./adaptation-scores.ts";
import { adaptByChoice, type ChosenNetwork, isChosen, stageLogs } from "./chosen-adaptation.ts";
import { type DomainView, viewDomain } from "./domain.ts";
import {
  type DomainVerdict,
  type Finding,
  findingsOf,
  tellingLine,
  type TargetFacts,
  verdictOf,
} from "./domain-findings.ts";
import { photometricRows, type Sides, sideBySide } from "./domain-sides.ts";
import { createPredictor, type Predictor } from "./predict.ts";

export interface AdaptationRequest extends AdaptRequest {
  /** Also to a target that the look before training refuses: in other units, with too few rows. */
  readonly anyTarget?: boolean;
  /** Also to a table whose fluxes are of other light than those that the network was trained on. */
  readonly anyAperture?: boolean;
  /** [mag] Zero-point offsets that a simulated target has, band by band of the network, to be drawn beside what is learned. */
  readonly trueOffsets?: readonly number[];
}

/** What was learned of a band. */
export interface LearnedZeroPoint {
  readonly band: string;
  /** [mag] What is added to the target's magnitudes. */
  readonly zeroPoint: number;
  /** [mag] 1 sigma of the median residual that it rests on; absent of a band without enough rows. */
  readonly error?: number;
  readonly noise: number;
}

/** What is kept of a view. */
export type ViewSummary = Omit<DomainView, "map" | "brightness">;
export type BeforeAfter<T> = { readonly before: T; readonly after?: T };

/** `domain.json` in the folder of a run: how its target differs from the simulations, and what adapting changed. */
export interface Domain {
  readonly init: string;
  readonly source: string;
  readonly target: string;
  /** Rows with photometry that were looked at; the target has more where this is 10,000. */
  readonly rows: number;
  readonly missing: readonly string[];
  readonly unknown: readonly string[];
  readonly findings: readonly Finding[];
  /** Absent where there is no photometry to look at. */
  readonly verdict?: DomainVerdict;
  readonly view?: BeforeAfter<ViewSummary>;
  /** On rows that no training saw: of the target, where some have labels, and of the simulations. */
  readonly heldOut: { readonly target?: BeforeAfter<HeldOutScores>; readonly source?: BeforeAfter<HeldOutScores> };
  readonly zeroPoints?: readonly LearnedZeroPoint[];
  /** The network as it was is what the run ends with: held-out rows found it best. */
  readonly isKept?: boolean;
  /** How the network was made that labels chose among several; absent where one was trained on. */
  readonly way?: WayName;
}

/** Rows of the run's tables that both networks are shown. */
interface Bench {
  readonly facts: TargetFacts;
  readonly sides: Sides | undefined;
  /** Held-out rows with truths, and the columns that are asked. */
  readonly judged: Readonly<Record<"target" | "source", { catalog: Catalog; wanted: readonly number[] } | undefined>>;
}

const roleOf = (wishes: readonly TableWish[], role: TableWish["role"]): TableWish | undefined =>
  wishes.find((wish) => wish.role === role);

/** Rows that say something of an object: photometry, or pixels. */
function evidentRows(catalog: Catalog): number {
  const pixels = catalog.fields.flatMap(({ kind }, j) => (kind === "spectrum" || kind === "image" ? [j] : []));
  const seen = new Set(photometricRows(catalog));
  for (let row = 0; row < catalog.rowCount; row++) {
    if (pixels.some((j) => catalog.state[row * catalog.fields.length + j] !== State.notObserved)) seen.add(row);
  }
  return seen.size;
}

async function factsOf(
  target: TableWish,
  sourcePath: string,
  { whole }: TableSample,
  { config }: Checkpoint,
): Promise<TargetFacts> {
  const { survey } = config;
  const { path, own, reading } = target;
  const bands = survey.fields.flatMap(({ band }, j) => (band === undefined ? [] : [j]));
  const seen = new Uint8Array(survey.fields.length);
  whole.state.forEach((state, at) => {
    if (state !== State.notObserved) seen[at % seen.length] = 1;
  });
  const { there, match } = await outlineRows(path, { survey, own, options: reading });
  const strange = match === undefined ? [] : there.filter((i) => match.pairs.every((pair) => pair.own !== i));
  return {
    path,
    sourcePath,
    rows: evidentRows(whole),
    fluxUnit: survey.fluxUnit,
    missing: bands.filter((j) => seen[j] === 0).map((j) => survey.fields[j].name),
    bandCount: bands.length,
    unknown: strange.flatMap((i) => (own?.fields[i].band === undefined ? [] : [own.fields[i].name])),
  };
}

async function gather(wishes: readonly TableWish[], init: Checkpoint): Promise<Bench> {
  const { survey } = init.config;
  const [simulated, bare, labelled] = (["source", "unlabelled", "labelled"] as const).map((role) =>
    roleOf(wishes, role),
  );
  const source = await sampleTable(simulated!, survey);
  const target = await sampleTable(bare!, survey);
  const told = labelled === undefined || labelled.path === bare!.path ? undefined : await sampleTable(labelled, survey);
  const judge = (samples: readonly (TableSample | undefined)[]): Bench["judged"]["source"] => {
    const able = samples.flatMap((sample) => {
      if (sample === undefined || !sample.isHeldOut) return [];
      const wanted = askedOf(sample.heldOut, survey.headline);
      return wanted.length === 0 ? [] : [{ catalog: sample.heldOut, wanted }];
    });
    return able.toSorted((a, b) => b.catalog.rowCount - a.catalog.rowCount)[0];
  };
  return {
    facts: await factsOf(bare!, simulated!.path, target, init),
    sides: sideBySide(source.heldOut, target.heldOut),
    judged: { target: judge([told, target]), source: judge([source]) },
  };
}

/** What a network makes of the bench. */
interface Impression {
  readonly view: DomainView | undefined;
  readonly target: HeldOutScores | undefined;
  readonly source: HeldOutScores | undefined;
}

/** Simulations are seen as such: without zero-points. */
async function impress(engine: Engine, checkpoint: Checkpoint, { sides, judged }: Bench): Promise<Impression> {
  const { isCalibrated } = checkpoint.config;
  const plain = createPredictor(engine, { ...checkpoint, config: { ...checkpoint.config, isCalibrated: false } });
  const own: Predictor = isCalibrated ? createPredictor(engine, checkpoint) : plain;
  const lnFlux = isCalibrated ? learnedCalibration("", checkpoint).map((one) => one.lnFlux) : undefined;
  const calibrated = lnFlux === undefined ? own : { ...own, lnFlux };
  try {
    const score = (predictor: Predictor, some: Bench["judged"]["source"]): Promise<HeldOutScores | undefined> =>
      some === undefined ? Promise.resolve(undefined) : scoreHeldOut(predictor, some.catalog, some.wanted);
    return {
      view: sides === undefined ? undefined : await viewDomain(plain, calibrated, sides),
      target: await score(own, judged.target),
      source: await score(plain, judged.source),
    };
  } finally {
    await plain.dispose();
    if (own !== plain) await own.dispose();
  }
}

const summaryOf = ({ map: _map, brightness: _brightness, ...rest }: DomainView): ViewSummary => rest;

function pair<A, B>(before: A | undefined, after: A | undefined, of: (one: A) => B): BeforeAfter<B> | undefined {
  if (before === undefined) return undefined;
  return { before: of(before), ...(after === undefined ? {} : { after: of(after) }) };
}

/** Zero-points with the errors of the residuals that they rest on. */
function zeroPointsOf(adapted: Checkpoint, view: DomainView | undefined): LearnedZeroPoint[] {
  const errors = new Map(view?.bands.map(({ name, offset }) => [name, offset.error]));
  return learnedCalibration("", adapted).map(({ field, lnFlux, noise }): LearnedZeroPoint => {
    const band = adapted.config.survey.fields[field].name;
    const error = errors.get(band);
    const known = error === undefined || !Number.isFinite(error) ? {} : { error };
    return { band, zeroPoint: magnitudesOf(lnFlux), ...known, noise };
  });
}

interface Look {
  readonly init: string;
  readonly bench: Bench;
  readonly before: Impression;
  readonly findings: readonly Finding[];
}

/** What a run ends with, and how that was made where there was a choice. */
type Adapted = Pick<ChosenNetwork, "network"> & Partial<ChosenNetwork>;

function domainOf({ init, bench, before, findings }: Look, adapted?: Adapted & { after: Impression }): Domain {
  const { facts } = bench;
  const after = adapted?.after;
  const view = pair(before.view, after?.view, summaryOf);
  const same = (one: HeldOutScores): HeldOutScores => one;
  const [target, source] = [pair(before.target, after?.target, same), pair(before.source, after?.source, same)];
  return {
    init,
    source: facts.sourcePath,
    target: facts.path,
    rows: facts.rows,
    missing: facts.missing,
    unknown: facts.unknown,
    findings,
    ...(before.view === undefined ? {} : { verdict: verdictOf(before.view) }),
    ...(view === undefined ? {} : { view }),
    heldOut: { ...(target === undefined ? {} : { target }), ...(source === undefined ? {} : { source }) },
    ...(adapted === undefined
      ? {}
      : {
          zeroPoints: zeroPointsOf(adapted.network, before.view),
          isKept: adapted.way === "zeroShot" || adapted.network.config.best?.step === 0,
          ...(adapted.way === undefined ? {} : { way: adapted.way }),
        }),
  };
}

const domainPath = (folder: string): string => join(folder, "domain.json");
const writeDomain = (folder: string, domain: Domain): Promise<void> =>
  writeFileAtomic(domainPath(folder), `${JSON.stringify(domain, null, 2)}\n`);

async function lookAt(engine: Engine, init: string, source: Checkpoint, wishes: readonly TableWish[]): Promise<Look> {
  const bench = await gather(wishes, source);
  const before = await impress(engine, source, bench);
  return { init, bench, before, findings: findingsOf(bench.facts, before.view) };
}

/** Logs of a run's trainings by what each was for. */
function logsOf(folder: string): readonly TrainingLog[] {
  const own = readLog(folder);
  if (own.length > 0) return [{ title: "Training", log: own }];
  return stageLogs(folder).flatMap(([name, log]) => {
    const [way, part] = name.split("-");
    if (part !== undefined && part !== "1") return []; // those of the others are alike
    return [{ title: `Training: ${ways[way as WayName].title}${part === undefined ? "" : ", the first"}`, log }];
  });
}

/** Looks again, and writes `domain.json` and `adaptation.html`. */
async function conclude(
  { engine, reporter = silent }: RunSetting,
  folder: string,
  look: Look,
  adapted: Adapted,
  trueOffsets?: readonly number[],
): Promise<void> {
  const { network } = adapted;
  const after = await impress(engine, network, look.bench);
  const domain = domainOf(look, { ...adapted, after });
  await writeDomain(folder, domain);
  const shown = {
    domain,
    survey: network.config.survey,
    before: look.before.view,
    after: after.view,
    logs: logsOf(folder),
  };
  const page = join(folder, "adaptation.html");
  const report = adaptationReport({ ...shown, ...(trueOffsets === undefined ? {} : { trueOffsets }) });
  await writeFileAtomic(page, renderReport(report));
  if (after.view !== undefined) reporter.say(`after: ${tellingLine(after.view)}`);
  reporter.say(`${page}; numbers in ${domainPath(folder)}`);
}

/**
 * Moves a network to a target survey, as `train/verbs.ts` says, and looks at the target beside the simulations before and after:
 * `domain.json` and `adaptation.html` in the run folder. Where the target is another population and no other instrument,
 * zero-points stay 0. Returns the adapted checkpoint.
 * @throws UserError as `pretrain`, and for a target in other units, of other light, or with too few rows.
 */
export async function adapt(request: AdaptationRequest): Promise<Checkpoint> {
  const { anyTarget = false, anyAperture = false, trueOffsets, ...training } = request;
  const { engine, init, recipe, out, reading, labelled, reporter = silent } = training;
  claimRunFolder(out);
  const source = loadCheckpoint(init);
  const { data, survey } = source.config;
  const own = request.survey === undefined ? undefined : loadSurvey(request.survey);
  const of = (path: string, role: TableWish["role"]): TableWish => ({ path, role, reading, own });
  const targets = [of(request.unlabelled, "unlabelled"), ...(labelled === undefined ? [] : [of(labelled, "labelled")])];
  for (const { path } of anyAperture ? [] : targets) {
    checkAperture(await apertureOf(path, own ?? survey, reading), data, path);
  }
  const simulated: TableWish = { path: request.source, role: "source", observation: observationWish(recipe, data) };
  const look = await lookAt(engine, init, source, [simulated, ...targets]);
  const refused = look.findings.find(({ level }) => level === "refused");
  if (refused !== undefined && !anyTarget) throw new UserError(`${refused.text}; --any-target adapts all the same`);
  for (const { text } of look.findings) reporter.say(text);
  const domain = domainOf(look);
  makeFolder(out);
  await writeDomain(out, domain);
  const still = { ...recipe, adapt: { ...recipe.adapt, calibrationRate: 0, calibrationShare: 0 } };
  const begun = await beginAdaptation({ ...training, recipe: domain.verdict === "population" ? still : recipe });
  const adapted = await run(request, out, begun);
  await conclude(request, out, look, adapted, trueOffsets);
  return adapted.network;
}

/** Chooses among ways, or trains on. */
async function run(setting: RunSetting, folder: string, begun: AdaptationStart): Promise<Adapted> {
  if (isChosen(begun.start)) return adaptByChoice(setting, folder, begun);
  return { network: await trainAdaptation(setting, folder, begun) };
}

/**
 * Continues an interrupted adaptation, see `resume`, and writes its report. Returns the adapted checkpoint.
 * @throws UserError as `resume`.
 */
export async function resumeAdaptation(request: Omit<ResumeRequest, "verb">): Promise<Checkpoint> {
  const { folder } = request;
  const path = domainPath(folder);
  const init = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Domain).init : undefined;
  const isThere = init !== undefined && findCheckpoint(checkpointPath(init)) !== undefined;
  const adapted = (await resumeChoice(request, init)) ?? { network: await resume({ ...request, verb: "adapt" }) };
  if (!isThere) return adapted.network; // nothing to compare with
  const wishes = adapted.network.config.data.map(wishOf);
  await conclude(request, folder, await lookAt(request.engine, init, loadCheckpoint(init), wishes), adapted);
  return adapted.network;
}

/** Goes on with a choice among ways; undefined for other runs. @throws UserError where the network that it began with is gone. */
async function resumeChoice(
  request: Omit<ResumeRequest, "verb">,
  init: string | undefined,
): Promise<ChosenNetwork | undefined> {
  const { folder } = request;
  if (isFinished(folder) || findCheckpoint(folder) === undefined) return undefined;
  const start = loadRun(folder);
  if (!isChosen(start)) return undefined;
  if (init === undefined) throw new UserError(`${domainPath(folder)}: missing; expected a new run of caleido adapt`);
  const tables = await reopenTables(folder, start.config, request);
  return adaptByChoice(request, folder, { source: loadCheckpoint(init), start, tables });
}
