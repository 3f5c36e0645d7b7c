import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import type { Distribution } from "../model/distribution.ts";
import type { Reweighted } from "../model/warped.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import { flagsOf, parseFieldList } from "../survey/field-list.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import type { NetworkCoder } from "../train/config.ts";
import type { Answers } from "../train/field-distribution.ts";
import { parseWish, type Wish } from "./derived.ts";
import { createFieldAnswer, type FieldAnswer } from "./field-answer.ts";
import { createNetwork, type Network, type RngOf } from "./network.ts";
import { createRecalibrator, type Recalibrator } from "./recalibrator.ts";
import { readRaw } from "./raw.ts";
import { type Asked, createJudge, type NetworkQuestion, type TrustEvidence } from "./trust.ts";
import { createTrust, factsOfAnswer, type Trust } from "./trust-answers.ts";

export type { Answers } from "../train/field-distribution.ts";
export { readRaw } from "./raw.ts";

/** Answers of a network, with the question they answer. */
export interface NetworkAnswers extends Answers {
  readonly asked: Asked;
}

/** What to ask: fields as lists of names, ranges and groups (`J0378..J0600,LOGM`, `bands`), or as names one by one. */
export interface AskOptions {
  /** Default: all fields but the wanted. */
  readonly given?: string | readonly string[];
  readonly want: string | readonly string[];
  /** Also how far each answer can be trusted, as `trust` and `trustScore`; default: true. */
  readonly trust?: boolean;
}

/** What a network's answers for one field become under another prior. */
export interface AppliedPrior {
  /** Column of the field. */
  readonly field: number;
  /** Encoded answers of the network, reweighted. */
  readonly apply: (encoded: Distribution) => Reweighted;
}

export interface Predictor {
  readonly coder: NetworkCoder;
  readonly network: Network;
  /** What recalibrates its marginals; undefined where nothing does. */
  readonly recalibrator: Recalibrator | undefined;
  /** Another prior than the training set's: its field is never given. */
  readonly prior?: AppliedPrior;
  /**
   * All marginals p(field | given) in one pass: `isGiven` holds one flag per field, unobserved ones are ignored, and
   * what is wanted is never given.
   */
  predict(
    catalog: Catalog,
    rows: ArrayLike<number>,
    isGiven: Uint8Array,
    wanted: readonly number[],
  ): Promise<NetworkAnswers>;
  /**
   * [wanted] Encoded answers to a question with part of the network dropped, `rngOf` giving each row its masks: one draw of Monte
   * Carlo dropout. Absent of a network that was trained without dropout.
   */
  readonly dropped?: (asked: NetworkQuestion, rngOf: RngOf) => Promise<readonly Distribution[]>;
  /** What tells how far the answers to a question can be trusted, beside the answers themselves. */
  judge(asked: Asked): Promise<TrustEvidence>;
  /**
   * Answers by field name, for every row of a catalogue: `const a = await predictor.ask(catalog, { given: "bands", want:
   * "z,LOGM" }); a.z.median[i]; a.z.cdf(i, 0.3)`.
   * @throws UserError for unknown fields, a catalogue of other fields.
   */
  ask(catalog: Catalog, options: AskOptions): Promise<Readonly<Record<string, FieldAnswer>>>;
  dispose(): Promise<void>;
}

/** [nField] `isGiven` without what is wanted: asking for what is there shows what the rest says of it. */
export function withoutWanted(isGiven: Uint8Array, wanted: readonly number[]): Uint8Array {
  const rest = isGiven.slice();
  for (const j of wanted) rest[j] = 0;
  return rest;
}

const listed = (names: string | readonly string[]): string => (typeof names === "string" ? names : names.join(","));

/** Columns and flags of a question. @throws UserError for unknown fields, a catalogue of other fields. */
export function questionOf(
  { fields }: NetworkCoder,
  catalog: Catalog,
  { given = "all", want }: AskOptions,
): { wish: Wish; isGiven: Uint8Array } {
  const foreign = fields.find(({ name }, j) => catalog.fields[j]?.name !== name);
  if (foreign !== undefined || catalog.fields.length !== fields.length) {
    throw new UserError(
      `ask: the catalogue's fields are not the checkpoint's (${foreign?.name ?? "more of them"}); ` +
        "expected a catalogue read with checkpoint.config.survey",
    );
  }
  const wish = parseWish(listed(want), fields, "want");
  const [spectrum] = wish.spectra;
  if (spectrum !== undefined) {
    throw new UserError(`ask: ${fields[spectrum].name} is a spectrum; expected askSpectrum, which answers those`);
  }
  return { wish, isGiven: flagsOf(parseFieldList(listed(given), fields, "given"), fields.length) };
}

export interface PredictorOptions {
  /** Answers go through the checkpoint's recalibration where it has one. Default: true. */
  readonly isRecalibrated?: boolean;
}

/** What gives answers: a network, or what stands in its place. */
export interface Respondent<Coder extends FieldCoder = FieldCoder> {
  readonly coder: Coder;
  readonly predict: (...asked: Parameters<Predictor["predict"]>) => Promise<Answers>;
}

/** `ask` of a predictor whose answers `predict` gives. */
export function asking(
  { coder, judge }: Pick<Predictor, "coder" | "judge">,
  predict: Predictor["predict"],
): Predictor["ask"] {
  return async (catalog, options) => {
    const { wish, isGiven } = questionOf(coder, catalog, options);
    const { wanted, derived } = wish;
    if (derived.length > 0) {
      throw new UserError(
        `ask: ${derived[0].name} follows from several fields; expected drawJoint, which draws them together`,
      );
    }
    const answers = await predict(catalog, allRows(catalog), isGiven, wanted);
    const evidence = options.trust === false ? undefined : await judge(answers.asked);
    let known: Trust | undefined;
    const trust = evidence && ((): Trust => (known ??= createTrust(list.map(factsOfAnswer), evidence)));
    const list: FieldAnswer[] = wanted.map((_, w) => createFieldAnswer(coder, answers, w, trust));
    return Object.fromEntries(list.map((answer) => [answer.field.name, answer]));
  };
}

/** A checkpoint's network as something to ask; compiled as questions come. */
export function createPredictor(
  engine: Engine,
  checkpoint: Checkpoint,
  { isRecalibrated = true }: PredictorOptions = {},
): Predictor {
  const network = createNetwork(engine, checkpoint);
  const { coder } = network;
  const { recalibration } = checkpoint;
  const recalibrator =
    isRecalibrated && recalibration !== undefined ? createRecalibrator(coder, recalibration) : undefined;
  const judge = createJudge(network, isRecalibrated ? recalibration?.trust : undefined);
  const answersOf = async ({ catalog, rows, isGiven, wanted, states }: Asked): Promise<Distribution[]> => {
    const raw = await network.read(states, wanted);
    const plain = raw.map((one) => readRaw(one.family, one.raw));
    const covariates = recalibrator?.covariates(catalog, rows, isGiven, states);
    return covariates === undefined ? plain : plain.map((one, w) => recalibrator!.apply(wanted[w], one, covariates));
  };
  const predict: Predictor["predict"] = async (catalog, rows, isGiven, wanted) => {
    const given = withoutWanted(isGiven, wanted);
    const states = await network.encode(catalog, rows, given);
    const asked = { catalog, rows, isGiven: given, wanted, states };
    const { rowCount, scales } = states;
    return { rowCount, wanted, scales, encoded: await answersOf(asked), asked };
  };
  const dropped: Predictor["dropped"] = async (asked, rngOf) =>
    answersOf({ ...asked, states: await network.encode(asked.catalog, asked.rows, asked.isGiven, rngOf) });
  return {
    coder,
    network,
    recalibrator,
    predict,
    ...((checkpoint.config.model.dropout ?? 0) > 0 ? { dropped } : {}),
    judge,
    ask: asking({ coder, judge }, predict),
    dispose: () => network.dispose(),
  };
}
