import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEngine, createPredictor, loadCheckpoint, readWholeCatalog, simulate, State } from "../../dist/index.js";
import { scoreAnomalies } from "../../dist/inference/anomaly.js";
import { contextQuestions } from "../../dist/inference/contexts.js";
import { createTrust, factsOfAnswer } from "../../dist/inference/trust-answers.js";
import { createFieldAnswer } from "../../dist/inference/field-answer.js";
import { trustWords } from "../../dist/inference/trust.js";
import { allRows } from "../../dist/survey/catalog.js";
import { catalogStore, labelledRows } from "../../dist/tokens/batch.js";
import { fitTrust } from "../../dist/train/trust-questions.js";
import { trustSets } from "./trust-sets.js";

/**
 * How far answers can be trusted, against what was true: words and scores on simulated galaxies as they are and spoilt; the
 * network's rule, the fixed one and odds. CALEIDO_BENCH_CHECKPOINT: default, the network that comes with the package.
 */
const ROWS = Number(process.env.CALEIDO_BENCH_ROWS ?? 1000);
/** A redshift is wrong beyond this, over 1 + z; the share of the right ones that a cut keeps. */
const WRONG = 0.03;
const COMPLETE = 0.9;
/** Objects that a rule is fitted to, over those of a set. */
const FITTED = 5;

const rounded = (x, digits) => Number(x.toFixed(digits));
const percent = (share) => rounded(100 * share, 1);
const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Redshifts of a set in one context, with what is said of them and whether they are right. */
async function answersTo(predictor, catalog, isGiven) {
  const { coder } = predictor;
  const z = coder.fields.findIndex(({ kind }) => kind === "redshift");
  const asked = await predictor.predict(catalog, allRows(catalog), isGiven, [z]);
  const evidence = await predictor.judge(asked.asked);
  const answer = createFieldAnswer(coder, asked, 0);
  const facts = factsOfAnswer(answer);
  const trust = createTrust([facts], evidence);
  const { fitted: _own, ...rest } = evidence;
  const fixed = createTrust([facts], rest);
  return Array.from(allRows(catalog), (row) => {
    const at = row * coder.nField + z;
    const truth = catalog.state[at] === State.measured ? catalog.value[at] : Number.NaN; // a star has none
    const odds = facts.odds(row);
    return {
      isRight: Math.abs(answer.median[row] - truth) / (1 + truth) <= WRONG,
      word: trust.answers[0][row],
      score: trust.score[row],
      fixed: fixed.score[row],
      odds,
      misfit: evidence.misfit[row],
    };
  });
}

/** Answers about every set: all bands of each, and home in partial contexts too. */
async function askAll(predictor, sets) {
  const { fields } = predictor.coder;
  const found = [];
  for (const [name, catalog] of Object.entries(sets)) {
    const isCalled = name.includes("called");
    for (const [k, { title, isGiven, catalog: seen = catalog }] of contextQuestions(catalog, [], "trust").entries()) {
      if (k > 0 && name !== "home") continue;
      const given = isGiven.map((flag, j) => (fields[j].kind === "category" && isCalled ? 1 : flag));
      found.push({ name, context: title, answers: await answersTo(predictor, seen, given) });
    }
  }
  return found;
}

/** Area under the curve of a score that should be high where answers are right. */
function areaUnder(answers, scoreOf) {
  const order = answers.toSorted((a, b) => scoreOf(a) - scoreOf(b));
  let [sum, right] = [0, 0];
  order.forEach(({ isRight }, rank) => {
    if (isRight) [sum, right] = [sum + rank + 1, right + 1];
  });
  return (sum - (right * (right + 1)) / 2) / (right * (answers.length - right));
}

/** Share of right ones among the best, as many as hold `COMPLETE` of all right ones. */
function purity(answers, scoreOf) {
  const wanted = COMPLETE * answers.filter(({ isRight }) => isRight).length;
  let [right, taken] = [0, 0];
  for (const { isRight } of answers.toSorted((a, b) => scoreOf(b) - scoreOf(a))) {
    if (right >= wanted) break;
    right += Number(isRight);
    taken++;
  }
  return right / taken;
}

const compare = (title, answers) => ({
  rows: title,
  redshifts: answers.length,
  "wrong [%]": percent(answers.filter(({ isRight }) => !isRight).length / answers.length),
  "area, odds": rounded(
    areaUnder(answers, ({ odds }) => odds),
    4,
  ),
  "area, trust": rounded(
    areaUnder(answers, ({ score }) => score),
    4,
  ),
  "wrong of the best 90 %, odds [%]": percent(1 - purity(answers, ({ odds }) => odds)),
  "wrong, fixed rule [%]": percent(1 - purity(answers, ({ fixed }) => fixed)),
  "wrong, trust [%]": percent(1 - purity(answers, ({ score }) => score)),
});

/** The network's own rule, or where it came without, one fitted here, to other galaxies than those that judge it. */
async function withRule(engine, checkpoint, folder) {
  const { recalibration, config } = checkpoint;
  if (recalibration?.trust !== undefined) return { checkpoint, whose: "its own" };
  const out = join(folder, "calibration.parquet");
  const kinds = { galaxy: 0.85, star: 0.1, quasar: 0.05 };
  await simulate({ survey: config.survey.name, seed: "trust calibration", out, n: FITTED * ROWS, kinds });
  const { catalog } = await readWholeCatalog(out, config.survey);
  const rows = allRows(catalog);
  const source = { store: catalogStore(catalog), rows, labelled: labelledRows(catalog), weight: 1 };
  const sources = [{ ...source, isCalibrated: config.isCalibrated }];
  const trust = await fitTrust(engine, checkpoint, sources, 4 * rows.length);
  const empty = { caleidoVersion: config.caleidoVersion, properties: {}, bands: {} };
  return { checkpoint: { ...checkpoint, recalibration: { ...empty, ...recalibration, trust } }, whose: "fitted here" };
}

const wordsTable = (found) =>
  found.map(({ name, context, answers }) => ({
    set: name,
    given: context,
    rows: answers.length,
    "wrong [%]": percent(answers.filter(({ isRight }) => !isRight).length / answers.length),
    ...Object.fromEntries(
      trustWords.map((word) => [`${word} [%]`, percent(mean(answers.map((one) => Number(one.word === word))))]),
    ),
    trust_score: rounded(mean(answers.map(({ score }) => score)), 2),
  }));

/** Objects of each set that are scored for strangeness: every one takes six questions. */
const MOST_SCORED = 150;

/** How often an object of each set is stranger than one of home. */
async function strangeTable(predictor, sets) {
  const scores = {};
  for (const [name, catalog] of Object.entries(sets)) {
    if (name.includes("called") || name.startsWith("units")) continue;
    const rows = allRows(catalog).slice(0, MOST_SCORED);
    scores[name] = [...(await scoreAnomalies(predictor, catalog, rows)).score];
  }
  const home = scores.home.toSorted((a, b) => a - b);
  const level = (share) => home[Math.floor(share * home.length)];
  return Object.entries(scores).map(([set, own]) => {
    const both = [
      ...own.map((score) => ({ score, isRight: true })),
      ...home.map((score) => ({ score, isRight: false })),
    ];
    return {
      set,
      objects: own.length,
      "median [sigma]": rounded(own.toSorted((a, b) => a - b)[own.length >> 1], 1),
      "above 95 % of home [%]": percent(mean(own.map((score) => Number(score > level(0.95))))),
      "area, set above home": rounded(
        areaUnder(both, ({ score }) => score),
        3,
      ),
    };
  });
}

export const trustSection = async ({ threads }) => {
  const folder = mkdtempSync(join(tmpdir(), "caleido-trust-"));
  const engine = await createEngine({ threads });
  const named = loadCheckpoint(process.env.CALEIDO_BENCH_CHECKPOINT ?? "caleido-jpas");
  const { checkpoint, whose } = await withRule(engine, named, folder);
  const rule = checkpoint.recalibration.trust;
  const predictor = createPredictor(engine, checkpoint);
  try {
    const { survey } = checkpoint.config;
    const sets = await trustSets({ survey, folder, rows: ROWS, seed: "test" });
    const found = await askAll(predictor, sets);
    const all = (some) => some.flatMap(({ answers }) => answers);
    const home = found.filter(({ name }) => name === "home");
    const full = found.filter(({ context }) => context === found[0].context);
    const misfits = Float64Array.from(home[0].answers, ({ misfit }) => misfit).sort();
    const exceeded = (share) => rounded(misfits[Math.floor((1 - share) * misfits.length)], 1);
    return [
      { title: "What is said of redshifts, and how many are wrong", rows: wordsTable(found) },
      {
        title: "Trust against |dz| > 0.03, beside odds alone",
        rows: [
          compare("home and spoilt, all bands", all(full)),
          compare("home, all contexts", all(home)),
          ...home.map(({ context, answers }) => compare(`home, ${context}`, answers)),
          compare("all of these", all(found)),
        ],
        note:
          `rule of trust: ${whose}, of ${rule?.answers ?? 0} redshifts; a fit is poor from ${rule?.poorFrom}; ` +
          `misfit that 1 % of home exceed: ${exceeded(0.01)}, 1.5 %: ${exceeded(0.015)}`,
      },
      { title: "Strangeness, -log p of each band given the others", rows: await strangeTable(predictor, sets) },
    ];
  } finally {
    await predictor.dispose();
    await engine.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
};
