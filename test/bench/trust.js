import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createEngine, createPredictor, loadCheckpoint, select, State } from "../../dist/index.js";
import { scoreAnomalies } from "../../dist/inference/anomaly.js";
import { contextQuestions } from "../../dist/inference/contexts.js";
import { createTrust, factsOfAnswer } from "../../dist/inference/trust-answers.js";
import { createFieldAnswer } from "../../dist/inference/field-answer.js";
import { trustWords } from "../../dist/inference/trust.js";
import { allRows } from "../../dist/survey/catalog.js";
import { trustSets } from "./trust-sets.js";

/**
 * How far answers can be trusted, against what was true: words and scores on simulated galaxies as they are and spoilt, and
 * the rule of the score fitted anew on others. CALEIDO_BENCH_CHECKPOINT: default, the network that comes with the package.
 */
const ROWS = Number(process.env.CALEIDO_BENCH_ROWS ?? 1000);
/** A redshift is wrong beyond this, over 1 + z; the share of the right ones that a cut keeps. */
const WRONG = 0.03;
const COMPLETE = 0.9;

const rounded = (x, digits) => Number(x.toFixed(digits));
const percent = (share) => rounded(100 * share, 1);
const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** What the rule of `src/inference/trust-answers.ts` weighs. */
const termsOf = (odds, misfit, belonging) => [
  Math.log((odds + 1e-3) / (1 - odds + 1e-3)),
  Number.isNaN(misfit) ? 0 : Math.log(misfit + 0.1),
  Math.log(belonging + 1e-3),
];

/** Redshifts of a set in one context, with what is said of them and whether they are right. */
async function answersTo(predictor, catalog, isGiven) {
  const { coder } = predictor;
  const z = coder.fields.findIndex(({ kind }) => kind === "redshift");
  const asked = await predictor.predict(catalog, allRows(catalog), isGiven, [z]);
  const evidence = await predictor.judge(asked.asked);
  const answer = createFieldAnswer(coder, asked, 0);
  const facts = factsOfAnswer(answer);
  const trust = createTrust([facts], evidence);
  return Array.from(allRows(catalog), (row) => {
    const at = row * coder.nField + z;
    const truth = catalog.state[at] === State.measured ? catalog.value[at] : Number.NaN; // a star has none
    const odds = facts.odds(row);
    return {
      isRight: Math.abs(answer.median[row] - truth) / (1 + truth) <= WRONG,
      word: trust.answers[0][row],
      score: trust.score[row],
      odds,
      misfit: evidence.misfit[row],
      terms: termsOf(odds, evidence.misfit[row], evidence.belonging[0][row]),
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
  "wrong, trust [%]": percent(1 - purity(answers, ({ score }) => score)),
});

/** Logistic regression by Newton's method, with a ridge that keeps it finite: offset and one coefficient per term. */
function fitRule(answers) {
  const rows = answers.map(({ terms, isRight }) => ({ x: [1, ...terms], y: Number(isRight) }));
  const n = rows[0].x.length;
  const beta = new Array(n).fill(0);
  for (let step = 0; step < 30; step++) {
    const gradient = beta.map((b) => -1e-3 * b);
    const curvature = beta.map((_, i) => beta.map((_b, k) => (i === k ? 1e-3 : 0)));
    for (const { x, y } of rows) {
      const p = 1 / (1 + Math.exp(-x.reduce((sum, v, i) => sum + v * beta[i], 0)));
      for (let i = 0; i < n; i++) {
        gradient[i] += (y - p) * x[i];
        for (let k = 0; k < n; k++) curvature[i][k] += p * (1 - p) * x[i] * x[k];
      }
    }
    solve(curvature, gradient).forEach((change, i) => (beta[i] += change));
  }
  return beta;
}

/** Solves a x = b of a positive definite matrix, in place (Gauss). */
function solve(a, b) {
  const n = b.length;
  for (let i = 0; i < n; i++) {
    for (let k = i + 1; k < n; k++) {
      const factor = a[k][i] / a[i][i];
      for (let c = i; c < n; c++) a[k][c] -= factor * a[i][c];
      b[k] -= factor * b[i];
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let c = i + 1; c < n; c++) b[i] -= a[i][c] * b[c];
    b[i] /= a[i][i];
  }
  return b;
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
  const checkpoint = loadCheckpoint(process.env.CALEIDO_BENCH_CHECKPOINT ?? "caleido-jpas");
  const folder = mkdtempSync(join(tmpdir(), "caleido-trust-"));
  const engine = await createEngine({ threads });
  const predictor = createPredictor(engine, checkpoint);
  try {
    const { survey } = checkpoint.config;
    const [fitted, found] = [[], []];
    let sets;
    for (const [seed, into] of [
      ["fit", fitted],
      ["test", found],
    ]) {
      sets = await trustSets({ survey, folder, rows: ROWS, seed });
      into.push(...(await askAll(predictor, sets)));
    }
    const all = (some) => some.flatMap(({ answers }) => answers);
    const home = found.filter(({ name }) => name === "home");
    const full = found.filter(({ context }) => context === found[0].context);
    const misfits = Float64Array.from(
      all(fitted.filter(({ name }) => name === "home").slice(0, 1)),
      ({ misfit }) => misfit,
    ).sort();
    const rule = fitRule(all(fitted)).map((x) => rounded(x, 2));
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
          `rule fitted to ${all(fitted).length} others: offset ${rule[0]}, odds ${rule[1]}, misfit ${rule[2]}, belonging ${rule[3]}; ` +
          `misfit that 1 % of home exceed: ${rounded(misfits[Math.floor(0.99 * misfits.length)], 1)}`,
      },
      { title: "Strangeness, -log p of each band given the others", rows: await strangeTable(predictor, sets) },
    ];
  } finally {
    await predictor.dispose();
    await engine.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
};
