import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  baselines,
  createEngine,
  createPredictor,
  createRng,
  loadCheckpoint,
  loadRecipe,
  loadSurvey,
  pretrain,
  readWholeCatalog,
  simulate,
} from "../../dist/index.js";
import { observedBands, sigmaOf } from "../../dist/simulate/instrument.js";
import { parseOptions } from "../../dist/simulate/options.js";

/**
 * Stars against galaxies from the twelve bands of S-PLUS: a network, trees and neighbours that learned from simulations
 * alone are asked about real stars and galaxies of Stripe 82, beside trees that learned from real classes. Trains for two
 * minutes, and needs the real table: not among the sections that run by default.
 */
const OBJECTS = Number(process.env.CALEIDO_BENCH_GALAXIES ?? 16_000);
const STEPS = Number(process.env.CALEIDO_BENCH_STEPS ?? 1_500);
/** Shares of what is simulated to r 20.3: near those of the real table, which has as many galaxies as stars, and brighter ones. */
const KINDS = { galaxy: 3, star: 1, quasar: 0.2 };
const BANDS = "uJAVA J0378 J0395 J0410 J0430 gSDSS J0515 rSDSS J0660 iSDSS J0861 zSDSS".split(" ");
const REFERENCE = BANDS.indexOf("rSDSS");
const BINS = [
  [14, 17],
  [17, 18],
  [18, 19],
  [19, 20.4],
];

/** Bands [BANDS.length], class and r magnitude of every row. */
const rowsOf = ({ fields, value, rowCount }, pivots) => {
  const places = BANDS.map((name) => fields.findIndex((field) => field.name === name));
  const kind = fields.findIndex(({ name }) => name === "CLASS");
  return Array.from({ length: rowCount }, (_, row) => {
    const at = row * fields.length;
    const magnitudes = places.map(
      (j, k) => -2.5 * Math.log10(Math.max(value[at + j], 1e-2) * 1e-19 * (pivots[k] ** 2 / 2.99792458e18)) - 48.6,
    );
    return { magnitudes, kind: fields[kind].classes[value[at + kind]] };
  });
};

/** Colours against r, and r: what trees and neighbours see. */
const featuresOf = (rows) =>
  Float32Array.from(
    rows.flatMap(({ magnitudes }) =>
      magnitudes.map((magnitude, j) => (j === REFERENCE ? magnitude : magnitude - magnitudes[REFERENCE])),
    ),
  );

/** Score of "star" for every row, by a baseline that learned it as 0 or 1. */
const scoresOf = async (name, train, test) => {
  const y = Float32Array.from(train, ({ kind }) => (kind === "star" ? 1 : 0));
  const parent = Array.from(train, (_, i) => String(i));
  const set = { x: featuresOf(train), y, featureCount: BANDS.length, parent };
  const fitted = await baselines[name].fit(set, { rng: createRng(name) });
  const answer = await fitted.predict(featuresOf(test));
  return test.map((_, row) => answer.moments(row).mean);
};

/** Area under the curve of true against false positives: the chance that a star scores above a galaxy; ties count half. */
const areaUnderCurve = (scores, rows) => {
  const sorted = scores.map((score, i) => ({ score, isStar: rows[i].kind === "star" }));
  sorted.sort((a, b) => a.score - b.score);
  let [galaxies, sum] = [0, 0];
  for (let i = 0; i < sorted.length;) {
    let end = i;
    while (end < sorted.length && sorted[end].score === sorted[i].score) end += 1;
    const tied = sorted.slice(i, end);
    const stars = tied.filter(({ isStar }) => isStar).length;
    sum += stars * (galaxies + (tied.length - stars) / 2);
    galaxies += tied.length - stars;
    i = end;
  }
  return sum / (galaxies * (rows.length - galaxies));
};

/** F1 of a class among those of a magnitude bin. */
const f1 = (predicted, rows, kind, [low, high]) => {
  let [both, either] = [0, 0];
  rows.forEach((row, i) => {
    if (row.magnitudes[REFERENCE] < low || row.magnitudes[REFERENCE] >= high) return;
    if (row.kind === kind && predicted[i] === kind) both += 1;
    either += Number(row.kind === kind) + Number(predicted[i] === kind);
  });
  return ((2 * both) / either).toFixed(3);
};

export const classesSection = async ({ root }) => {
  const data = process.env.CALEIDO_TEST_DATA ?? resolve(root, "../shared/data");
  const table = join(data, "splus-stripe82/stars-galaxies.txt");
  const title = "Stars against galaxies: S-PLUS, Stripe 82";
  if (!existsSync(table)) return [{ title, rows: [], note: `skipped: no ${table} (CALEIDO_TEST_DATA)` }];
  const folder = process.env.CALEIDO_BENCH_FOLDER ?? mkdtempSync(join(tmpdir(), "caleido-classes-"));
  const at = (name) => join(folder, name);
  copyFileSync(table, at("real.csv"));
  const survey = loadSurvey("splus");
  const pivots = BANDS.map((name) => survey.fields.find((field) => field.name === name).band.pivot);
  const selection = { bright: 13.8, faint: 20.3 };
  const input = { kinds: KINDS, selection, redshift: { max: 0.8 }, foreground: { ebv: 0.04 } };
  const both = [
    ["sims.parquet", OBJECTS],
    ["unseen.parquet", 3_000],
  ];
  for (const [name, n] of both) {
    if (!existsSync(at(name))) await simulate({ survey: "splus", out: at(name), n, seed: name, ...input });
  }
  const sims = rowsOf((await readWholeCatalog(at("sims.parquet"), survey)).catalog, pivots);
  const unseen = (await readWholeCatalog(at("unseen.parquet"), survey)).catalog;
  const real = (await readWholeCatalog(at("real.csv"), survey, { relativeError: 0.05 })).catalog;
  // the table states no errors: those of the survey's depths
  const bands = observedBands(survey, pivots, parseOptions({}));
  for (let row = 0; row < real.rowCount; row++) {
    BANDS.forEach((name, j) => {
      const cell = row * real.fields.length + real.fields.findIndex((field) => field.name === name);
      real.error[cell] = sigmaOf(bands[j].sky[0], bands[j].gain[0], real.value[cell]);
    });
  }
  const engine = await createEngine();
  const out = at("network");
  if (!existsSync(join(out, "checkpoint"))) {
    const settings = ["survey=splus", `training.steps=${STEPS}`];
    await pretrain({ engine, data: [at("sims.parquet")], recipe: loadRecipe("quickstart", settings), out });
  }
  const predictor = createPredictor(engine, loadCheckpoint(out));
  const ask = async (catalog) => {
    const { CLASS } = await predictor.ask(catalog, { given: BANDS, want: "CLASS" });
    const [star, galaxy] = ["star", "galaxy"].map((name) => CLASS.probability(name));
    return {
      scores: Array.from(star, (p, row) => p / (p + galaxy[row])),
      mode: CLASS.mode,
      classes: CLASS.field.classes,
    };
  };
  const known = rowsOf(real, pivots);
  const [train, test] = [1, 0].map((part) => known.filter((_, row) => row % 2 === part));
  const kept = (scores) => scores.filter((_, row) => row % 2 === 0);
  const answer = await ask(real);
  const simulated = rowsOf(unseen, pivots);
  const stellar = (rows) => rows.filter(({ kind }) => kind !== "quasar");
  const rows = [];
  const add = (method, scores, predicted) => {
    const named = predicted ?? scores.map((score) => (score > 0.5 ? "star" : "galaxy"));
    const row = { method, AUC: areaUnderCurve(scores, test).toFixed(4) };
    for (const bin of BINS)
      row[`F1 star / galaxy, r ${bin.join(" - ")}`] =
        `${f1(named, test, "star", bin)} / ${f1(named, test, "galaxy", bin)}`;
    rows.push(row);
  };
  add("network, simulations", kept(answer.scores), kept(Array.from(answer.mode, (k) => answer.classes[k])));
  for (const name of ["trees", "knn"]) add(`${name}, simulations`, await scoresOf(name, stellar(sims), test));
  add("trees, real classes", await scoresOf("trees", train, test));
  const own = await ask(unseen);
  const predicted = Array.from(own.mode, (k) => own.classes[k]);
  const simulatedRows = BINS.map((bin) => ({
    r: bin.join(" - "),
    ...Object.fromEntries(own.classes.map((kind) => [`F1 ${kind}`, f1(predicted, simulated, kind, bin)])),
  }));
  await predictor.dispose();
  await engine.dispose?.();
  if (process.env.CALEIDO_BENCH_FOLDER === undefined) rmSync(folder, { recursive: true, force: true });
  return [
    { title: `${title} (${test.length} rows)`, rows },
    { title: "The network on 3,000 unseen simulated objects", rows: simulatedRows },
  ];
};
