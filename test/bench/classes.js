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
import { scoreClasses } from "../../dist/inference/class-scores.js";
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
const CLASSES = ["galaxy", "star", "quasar"];

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

/** A row of the table: the area under the curve, and F1 by magnitude. */
const describe = (method, rows, probability) => {
  const magnitude = Float64Array.from(rows, ({ magnitudes }) => magnitudes[REFERENCE]);
  const truth = rows.map(({ kind }) => CLASSES.indexOf(kind));
  const scores = scoreClasses({ classes: CLASSES, truth, probability }, { magnitude, band: "rSDSS" });
  const bins = scores.byMagnitude.bins.map(({ from, to, f1 }) => [
    `r ${from} - ${to}`,
    CLASSES.flatMap((name) => (Number.isNaN(f1[name]) ? [] : [f1[name].toFixed(3)])).join(" / "),
  ]);
  return { method, "AUC of stars": scores.classes.star.areaUnderCurve.toFixed(4), ...Object.fromEntries(bins) };
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
    const of = CLASSES.map((name) => CLASS.probability(name));
    return Float64Array.from({ length: catalog.rowCount * CLASSES.length }, (_, i) => of[i % 3][Math.floor(i / 3)]);
  };
  const known = rowsOf(real, pivots);
  // the built-in stars' colours were adjusted on the odd rows
  const [train, test] = [1, 0].map((part) => known.filter((_, row) => row % 2 === part));
  const answer = (await ask(real)).filter((_, i) => Math.floor(i / CLASSES.length) % 2 === 0);
  const stellar = sims.filter(({ kind }) => kind !== "quasar");
  const rows = [describe("network, simulations", test, answer)];
  for (const [method, name, from] of [
    ["trees, simulations", "trees", stellar],
    ["neighbours, simulations", "knn", stellar],
    ["trees, real classes", "trees", train],
  ]) {
    const scores = (await scoresOf(name, from, test)).map((score) => Math.min(1, Math.max(0, score)));
    rows.push(describe(method, test, Float64Array.from(scores.flatMap((star) => [1 - star, star, 0]))));
  }
  const simulated = [describe("network", rowsOf(unseen, pivots), await ask(unseen))];
  await predictor.dispose();
  await engine.dispose?.();
  if (process.env.CALEIDO_BENCH_FOLDER === undefined) rmSync(folder, { recursive: true, force: true });
  return [
    { title: `${title} (${test.length} rows): F1 of galaxies / stars`, rows },
    { title: "3,000 unseen simulated objects: F1 of galaxies / stars / quasars", rows: simulated },
  ];
};
