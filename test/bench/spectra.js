import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  createEngine,
  createPredictor,
  createRng,
  finetune,
  fitTemplates,
  loadCheckpoint,
  loadRecipe,
  loadSurvey,
  pretrain,
  readWholeCatalog,
  select,
  silent,
  simulate,
  State,
} from "../../dist/index.js";
import { objectRows, spectraSets, writeCatalog } from "./spectra-sets.js";

/**
 * Redshifts of real spectra by networks and templates that learned from simulations of the instrument alone, and by networks
 * fine-tuned on half of the objects. Simulates and trains for minutes: CALEIDO_BENCH_FOLDER keeps what was made (another call
 * goes on from there), CALEIDO_BENCH_STEPS=0 leaves the networks out, CALEIDO_BENCH_SETS names the surveys. CALEIDO_TEST_DATA is the folder
 * of the real ones.
 */
const STEPS = process.env.CALEIDO_BENCH_STEPS;
const FINE_STEPS = Number(process.env.CALEIDO_BENCH_FINE_STEPS ?? 100);
const SETS = process.env.CALEIDO_BENCH_SETS?.split(",");
const LEVELS = [0.16, 0.84];

const share = (values, test) => values.filter(test).length / values.length;
const middle = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** What is told of answers { z, best, low, high } of some objects. */
function describe(method, answers) {
  const dz = answers.map(({ z, best }) => (best - z) / (1 + z));
  const centre = middle(dz);
  return {
    method,
    spectra: answers.length,
    "|dz| < .005": share(dz, (x) => Math.abs(x) < 0.005).toFixed(3),
    "|dz| < .03": share(dz, (x) => Math.abs(x) < 0.03).toFixed(3),
    sigma_NMAD: (1.4826 * middle(dz.map((x) => Math.abs(x - centre)))).toFixed(5),
    "in 68 %": share(answers, ({ z, low, high }) => z > low && z < high).toFixed(2),
  };
}

/** Answers from distributions, row by row: the highest peak and the ends of the 68 % interval. */
function answersOf(distribution, catalog, rows, j) {
  const out = new Float64Array(2);
  return Array.from(rows, (row, i) => {
    distribution.quantiles(i, LEVELS, out);
    const z = catalog.value[row * catalog.fields.length + j];
    return { id: catalog.objectId[row], z, best: distribution.mode(i), low: out[0], high: out[1] };
  });
}

/** Everything that answers, by name: a function of rows of the real catalogue. */
async function methodsOf(engine, set, at, real, parts) {
  const { catalog: clean } = await readWholeCatalog(at("clean.parquet"), set.survey);
  const field = set.survey.fields.find(({ kind }) => kind === "spectrum");
  const j = set.survey.fields.findIndex(({ kind }) => kind === "redshift");
  const isKnown = (row) => clean.state[row * clean.fields.length + j] === State.measured;
  const learn = { catalog: clean, rows: objectRows(clean).filter(isKnown), field };
  const fitter = fitTemplates(learn, j, createRng("templates"));
  const methods = new Map([
    ["templates", async (rows) => answersOf(fitter.predict({ catalog: real, rows, field }), real, rows, j)],
  ]);
  if (STEPS === "0") return methods;
  const recipe = loadRecipe(set.recipe, STEPS === undefined ? [] : [`training.steps=${STEPS}`]);
  if (!existsSync(join(at("network"), "checkpoint"))) {
    await pretrain({ engine, data: [at("clean.parquet")], recipe, out: at("network") });
  }
  const asked = (name) => async (rows) => {
    const predictor = createPredictor(engine, loadCheckpoint(at(name)));
    const answer = await predictor.ask(select(real, rows), { given: "spectrum", want: "z" });
    await predictor.dispose();
    return answersOf(answer.z.distribution, real, rows, j);
  };
  methods.set("network, simulations alone", asked("network"));
  if (parts.train.length === 0) return methods;
  if (!existsSync(join(at("tuned"), "checkpoint"))) {
    await writeCatalog(at("half.parquet"), select(real, parts.train));
    const fine = loadRecipe("finetune", [
      `training.steps=${FINE_STEPS}`,
      "training.batch=32",
      "training.validateEvery=25",
    ]);
    await finetune({ engine, data: [at("half.parquet")], init: at("network"), recipe: fine, out: at("tuned") });
  }
  methods.set("network, fine-tuned on the other half", asked("tuned"));
  return methods;
}

/** One row for each object, where they are few. */
const oneByOne = (real, rows, said) =>
  Array.from(rows, (row, i) => {
    const { fields, value } = real;
    const kind = fields.findIndex(({ name }) => name === "CLASS");
    const { z } = said[0].answers[i];
    const cells = said.map(({ method, answers }) => [
      method,
      `${answers[i].best.toFixed(4)} +- ${((answers[i].high - answers[i].low) / 2).toFixed(4)}`,
    ]);
    return {
      object: real.objectId[row],
      class: fields[kind].classes[value[row * fields.length + kind]],
      z: z.toFixed(4),
      ...Object.fromEntries(cells),
    };
  });

async function judge(engine, set, folder) {
  const at = (name) => join(folder, `${set.name}-${name}`);
  if (!existsSync(at("clean.parquet"))) {
    await simulate({
      survey: set.name,
      out: at("clean.parquet"),
      fluxes: "clean",
      population: "wide",
      seed: "bench",
      reporter: silent,
      ...set.simulation,
    });
  }
  const { real, parts } = await set.read();
  const isHeld = new Set(parts.test);
  const said = { all: [], test: [] };
  for (const [method, answer] of await methodsOf(engine, set, at, real, parts)) {
    const isTuned = method.includes("fine-tuned");
    const rows = isTuned ? parts.test : parts.all;
    const answers = await answer(rows);
    if (!isTuned) said.all.push({ method, answers });
    said.test.push({ method, answers: answers.filter((_, i) => isHeld.has(rows[i])) });
  }
  const titles = { all: "all with a redshift", test: "the half that no network was fine-tuned on" };
  return Object.entries(titles).flatMap(([part, title]) => {
    const rows = parts[part];
    if (rows.length === 0) return [];
    const own = said[part];
    const isFew = rows.length < 20;
    const table = isFew ? oneByOne(real, rows, own) : own.map(({ method, answers }) => describe(method, answers));
    return [{ title: `${set.title}, ${title}`, rows: table }];
  });
}

export const spectraSection = async ({ root, threads }) => {
  const data = process.env.CALEIDO_TEST_DATA ?? resolve(root, "../shared/data");
  const kept = process.env.CALEIDO_BENCH_FOLDER;
  const folder = kept ?? mkdtempSync(join(tmpdir(), "caleido-spectra-"));
  const engine = await createEngine({ threads });
  const tables = [];
  try {
    for (const set of spectraSets(data)) {
      if (SETS !== undefined && !SETS.includes(set.name)) continue;
      const isThere = existsSync(set.path);
      if (!isThere) tables.push({ title: set.title, rows: [], note: `skipped: no ${set.path} (CALEIDO_TEST_DATA)` });
      else tables.push(...(await judge(engine, { ...set, survey: loadSurvey(set.name) }, folder)));
    }
    return tables;
  } finally {
    await engine.dispose();
    if (kept === undefined) rmSync(folder, { recursive: true, force: true });
  }
};
