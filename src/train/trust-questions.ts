import type { Compiled, Engine } from "../engine/contract.ts";
import type { Distribution } from "../model/distribution.ts";
import { headOf } from "../model/heads.ts";
import { oddsAround } from "../model/odds.ts";
import type { Readout } from "../model/readouts.ts";
import { covariateNames, scoreWarpOf } from "../model/recalibration.ts";
import { misfitOf } from "../model/templates.ts";
import type { TrustRule } from "../model/trust-rule.ts";
import { readoutsOf } from "../model/transformer.ts";
import { createRng, type Rng, shuffleInPlace } from "../random.ts";
import { type Catalog, copyRow, emptyCatalog } from "../survey/catalog.ts";
import { type CategoryField, State } from "../survey/field.ts";
import { emptyArrays, type RowSource } from "../tokens/batch.ts";
import { contextSignature, type Evidence, fillContext } from "../tokens/hosts.ts";
import { drawContext } from "../tokens/subset.ts";
import { belongingOf, classesWith, classField } from "./belonging.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { compileAnswers } from "./compiled-answers.ts";
import { coderOf, type NetworkCoder } from "./config.ts";
import { fillCovariates, warped } from "./covariates.ts";
import { fieldDistribution } from "./field-distribution.ts";
import { createSpoiler, type SourceRow, type SpoilName, spoilings } from "./spoil.ts";
import { fitTrustRule } from "./trust-fit.ts";
import { trustInputs } from "./trust-inputs.ts";

/** Galaxies per run of the network. */
const BATCH = 128;
/** Share of questions in which all bands are given. */
const FULL = 0.5;
/** A redshift is wrong beyond this, over 1 + z. */
const WRONG = 0.03;
/** A fit is poor beyond the mean square residual that this share of galaxies, as they are and with all bands given, has at most. */
const USUAL = 0.985;
/** Fewer of these say nothing of what is usual. */
const FEWEST_USUAL = 100;

/** What the questions are asked with. */
interface Asker {
  readonly checkpoint: Checkpoint;
  readonly coder: NetworkCoder;
  readonly compiled: Compiled;
  /** Column of the redshift, and the class that says what has one. */
  readonly z: number;
  readonly found: { readonly j: number; readonly field: CategoryField } | undefined;
  readonly readouts: readonly Readout[];
}

/** One question: what is given, the truth - NaN: it has none - and the class that is told. */
interface Question {
  readonly evidence: Evidence;
  readonly isCalibrated: boolean;
  readonly truth: number;
  readonly told: number | undefined;
  /** A galaxy with all bands given. */
  readonly isUsual: boolean;
}

/** Redshifts as they were judged. */
interface Judged {
  readonly inputs: Float64Array;
  readonly isRight: boolean;
  readonly residual: number;
  /** A galaxy with all bands given. */
  readonly isUsual: boolean;
}

/** States and raw numbers of what is given, `but` one field. */
async function run({ coder, compiled, readouts }: Asker, questions: readonly Question[], but?: number) {
  const arrays = emptyArrays(contextSignature(BATCH, coder));
  questions.forEach(({ evidence: { catalog, row, isContext }, isCalibrated }, b) => {
    const given = but === undefined ? isContext : isContext.with(but, 0);
    fillContext(arrays, b, coder, { catalog, row, isContext: given });
    arrays.isCalibrated.data[b] = isCalibrated ? 1 : 0;
  });
  const out = await compiled.run(arrays);
  return {
    states: out.state.data as Float32Array,
    /** Encoded distributions [BATCH] of the field in column j. */
    answerOf(this: void, j: number): Distribution {
      const { name, spec, members } = readouts.find((one) => one.members.includes(j))!;
      const width = headOf(spec).width(spec);
      const raw = new Float32Array(BATCH * width);
      for (let b = 0; b < BATCH; b++) {
        const from = (b * members.length + members.indexOf(j)) * width;
        raw.set((out[name].data as Float32Array).subarray(from, from + width), b * width);
      }
      return headOf(spec).read(raw, BATCH, spec);
    },
  };
}

/** Answers to a batch of questions, judged by their truths. */
async function judge(asker: Asker, questions: readonly Question[]): Promise<Judged[]> {
  const { checkpoint, coder, z, found } = asker;
  const { states, answerOf } = await run(asker, questions);
  const n = covariateNames.length;
  const covariates = new Float64Array(BATCH * n);
  const size = states.length / BATCH;
  const stateOf = (b: number): Float32Array => states.subarray(b * size, (b + 1) * size);
  const scales = new Float64Array(BATCH);
  questions.forEach(({ evidence }, b) => {
    fillCovariates(coder, evidence, stateOf(b), covariates.subarray(b * n, (b + 1) * n));
    scales[b] = evidence.scale;
  });
  const own = checkpoint.recalibration?.properties[coder.fields[z].name];
  const plain = answerOf(z);
  const encoded = [own === undefined ? plain : warped(plain, scoreWarpOf(own), covariates)];
  const answer = fieldDistribution(coder, { rowCount: BATCH, wanted: [z], encoded, scales }, 0);
  const isTold = questions.some(({ told }) => told !== undefined);
  const classes = found && (isTold ? await run(asker, questions, found.j) : { answerOf }).answerOf(found.j);
  const has = found === undefined ? [] : classesWith(found.field, "redshift");
  const median = new Float64Array(1);
  return questions.map(({ truth, told, isUsual }, b) => {
    answer.quantiles(b, [0.5], median);
    const odds = oddsAround(answer, b, answer.mode(b));
    const belonging = belongingOf(has, (k) => Math.exp(classes!.logDensity(b, k)), told);
    const residual = misfitOf(coder, stateOf(b))!;
    return {
      inputs: trustInputs({ odds, belonging, residual }, covariates.subarray(b * n, (b + 1) * n)),
      isRight: Math.abs(median[0] - truth) / (1 + truth) <= WRONG,
      residual,
      isUsual,
    };
  });
}

/** Draws a question about a spoilt row, which is put into `catalog`; undefined where it can't be told what is right. */
function createDraw({ checkpoint, coder, z, found }: Asker, rows: readonly SourceRow[]) {
  const { take, spoil } = createSpoiler(coder);
  const has = found && classesWith(found.field, "redshift");
  const isWhole = found && classesWith(found.field, "log");
  return (name: SpoilName, i: number, catalog: Catalog, row: number, rng: Rng): Question | undefined => {
    const one = take(rows[i], rng);
    const isKnown = (j: number): boolean => one.state[j] === State.measured;
    const isGalaxy = found === undefined || !isKnown(found.j) || isWhole![one.value[found.j]];
    const isWithout = found !== undefined && isKnown(found.j) && !has![one.value[found.j]];
    if ((!isKnown(z) && !isWithout) || (name === "misnamed" && isGalaxy)) return undefined;
    const truth = isWithout ? Number.NaN : one.value[z];
    spoil(name, rows[rng.integer(rows.length)], rng);
    copyRow(one, 0, catalog, row);
    const isContext = new Uint8Array(coder.nField);
    const isFull = rng.uniform() < FULL;
    drawContext(coder, catalog, row, checkpoint.config.subsets, isFull, rng, isContext);
    // fluxes alone, as nearly every table has it
    for (const j of coder.groups.property) isContext[j] = 0;
    isContext[z] = 0;
    const told = found !== undefined && name === "misnamed" ? one.value[found.j] : undefined;
    if (found !== undefined) isContext[found.j] = told === undefined ? 0 : 1;
    const evidence = { catalog, row, isContext, scale: coder.scaleOf(catalog, row, isContext) };
    return { evidence, isCalibrated: rows[i][0].isCalibrated, truth, told, isUsual: isFull && isGalaxy };
  };
}

/** Answers about up to `most` rows, spoilt in one way. */
async function judgeSpoilt(asker: Asker, rows: readonly SourceRow[], name: SpoilName, most: number): Promise<Judged[]> {
  const seed = `${asker.checkpoint.config.training.seed}:trust:${name}`;
  const order = Int32Array.from(rows, (_, i) => i);
  shuffleInPlace(order, createRng(seed));
  const draw = createDraw(asker, rows);
  const catalog = emptyCatalog(asker.coder.fields, BATCH);
  const judged: Judged[] = [];
  for (let place = 0; place < order.length && judged.length < most;) {
    const asked: Question[] = [];
    for (; place < order.length && asked.length < Math.min(BATCH, most - judged.length); place++) {
      const i = order[place];
      const question = draw(name, i, catalog, asked.length, createRng(`${seed}:${i}`));
      if (question !== undefined) asked.push(question);
    }
    if (asked.length > 0) judged.push(...(await judge(asker, asked)));
  }
  return judged;
}

/**
 * Fits the rule of trust to a network's redshifts: of rows that it was not trained on, as they are and spoilt, all bands given
 * or a part of them. Undefined of networks that carry no galaxies, where no redshift can be asked, and where too few truths
 * are known. A pure function of the checkpoint and the rows.
 */
export async function fitTrust(
  engine: Engine,
  checkpoint: Checkpoint,
  sources: readonly RowSource[],
  questions: number,
): Promise<TrustRule | undefined> {
  const { config, templates } = checkpoint;
  const coder = coderOf(config, templates);
  const z = coder.fields.findIndex(({ kind }) => kind === "redshift");
  if (templates === undefined || z < 0) return undefined;
  const rows = sources.flatMap((source) => Array.from(source.rows, (row) => [source, row] as const));
  const found = classField(coder);
  const wanted = [z, ...(found === undefined ? [] : [found.j])];
  const readouts = readoutsOf(config.model, coder)
    .flatMap((family) => family.readouts)
    .filter(({ members }) => wanted.some((j) => members.includes(j)));
  const compiled = await compileAnswers(engine, checkpoint, coder, readouts, BATCH);
  const asker = { checkpoint, coder, compiled, z, found, readouts };
  const all: Judged[] = [];
  let usual = new Float64Array();
  try {
    for (const [name, { part }] of Object.entries(spoilings) as [SpoilName, { part: number }][]) {
      if (name === "misnamed" && found === undefined) continue;
      const judged = await judgeSpoilt(asker, rows, name, Math.round(part * questions));
      all.push(...judged);
      if (name === "nothing")
        usual = Float64Array.from(
          judged.flatMap(({ residual, isUsual }) => (isUsual && residual > 0 ? [residual] : [])),
        ).sort();
    }
  } finally {
    await compiled.dispose();
  }
  if (usual.length < FEWEST_USUAL) return undefined;
  const inputs = Float64Array.from(all.flatMap((one) => Array.from(one.inputs)));
  const known = { count: all.length, inputs, isRight: all.map(({ isRight }) => Number(isRight)) };
  return fitTrustRule(known, Number(usual[Math.floor(USUAL * usual.length)].toFixed(2)));
}
