import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { createEngine, createPredictor, createRng, loadCheckpoint, silent } from "../../dist/index.js";
import { redMagnitudes } from "../../dist/inference/class-scores.js";
import { contextQuestions } from "../../dist/inference/contexts.js";
import { predictTruths } from "../../dist/inference/evaluate.js";
import { scoreField } from "../../dist/inference/metrics.js";
import { openOracle } from "../../dist/inference/oracle.js";
import { abroadSets } from "./abroad-sets.js";

/**
 * Networks away from home, beside the exact answer of a library on the same galaxies:
 * CALEIDO_BENCH_CHECKPOINT=runs/a,runs/b CALEIDO_BENCH_LIBRARY=clean.parquet CALEIDO_TEST_DATA=folder. Sets have
 * CALEIDO_BENCH_ROWS galaxies at most.
 */
const ROWS = Number(process.env.CALEIDO_BENCH_ROWS ?? 600);
/** Error of the library's fluxes: real galaxies differ from simulated ones, and without it the library is too sure. */
const MODEL_ERROR = Number(process.env.CALEIDO_BENCH_MODEL_ERROR ?? 0.02);
const WANTED = { z: "redshift", LOGM: "scalar", HALPHA_EW: "scalar" };
const MAGNITUDES = [10, 18, 19, 20, 21, 22, 24];
/** Fewer galaxies than this have no score worth telling. */
const LEAST_ROWS = 20;

const rounded = (x, digits) => Number(x.toFixed(digits));

/** What is told of a field's answers at places `some`; undefined where too few have a truth. */
function scoresOf(answers, name, some) {
  const own = answers.get(name);
  const rows = own === undefined ? new Int32Array() : Int32Array.from(own.rows.keys()).filter((i) => some(own.rows[i]));
  if (rows.length < LEAST_ROWS) return undefined;
  const score = scoreField(own.predictions, WANTED[name], { rng: createRng(name), resamples: 0, rows });
  const values = Object.fromEntries(Object.entries(score).map(([metric, { value }]) => [metric, value]));
  return { ...values, rows: rows.length };
}

/** One row of a table: network and library on the same galaxies. */
function describe(network, library, some) {
  const [own, exact] = [network, library].map((answers) => scoresOf(answers, "z", some));
  if (own === undefined) return undefined;
  const ratio = (name) => {
    const [a, b] = [network, library].map((answers) => scoresOf(answers, name, some));
    return a === undefined || b === undefined ? undefined : rounded(a.crps / b.crps, 2);
  };
  return {
    galaxies: own.rows,
    sigma_NMAD: rounded(own.sigmaNmad, 4),
    "library's": rounded(exact.sigmaNmad, 4),
    "|dz| > .03": rounded(own.outlier03, 3),
    "library's share": rounded(exact.outlier03, 3),
    "in 68 %": rounded(own.coverage68, 2),
    "in 90 %": rounded(own.coverage90, 2),
    "library's 68 %": rounded(exact.coverage68, 2),
    "library's 90 %": rounded(exact.coverage90, 2),
    "CRPS z / library's": ratio("z"),
    "log M*": ratio("LOGM"),
    "EW(Ha)": ratio("HALPHA_EW"),
  };
}

/** Rows by what is given, and, for all bands, by magnitude. */
async function judge(predictors, oracle, catalog) {
  const wanted = catalog.fields.flatMap(({ name }, j) => (name in WANTED ? [j] : []));
  const rows = Int32Array.from({ length: catalog.rowCount }, (_, i) => i);
  const { magnitude } = redMagnitudes(catalog, rows);
  const tables = { given: [], magnitude: [] };
  for (const [k, question] of contextQuestions(catalog, wanted, "abroad").entries()) {
    const { answers: library } = await oracle.answer(catalog, rows, question);
    for (const { name, predictor } of predictors) {
      const network = await predictTruths(predictor, catalog, rows, question);
      const add = (table, what, some) => {
        const row = describe(network, library, some);
        if (row !== undefined) tables[table].push({ network: name, ...what, ...row });
      };
      add("given", { given: question.title }, () => true);
      if (k > 0) continue;
      for (const [b, to] of MAGNITUDES.slice(1).entries()) {
        const from = MAGNITUDES[b];
        add("magnitude", { r: `${from} - ${to}` }, (row) => magnitude[row] >= from && magnitude[row] < to);
      }
    }
  }
  return tables;
}

const title = "Redshifts abroad";

/** What the section needs, or why it cannot run. */
function settingsOf(root) {
  const { CALEIDO_BENCH_CHECKPOINT: checkpoints, CALEIDO_BENCH_LIBRARY: library } = process.env;
  const data = process.env.CALEIDO_TEST_DATA ?? resolve(root, "../shared/data");
  if (checkpoints === undefined || library === undefined) {
    return "skipped: CALEIDO_BENCH_CHECKPOINT and CALEIDO_BENCH_LIBRARY name checkpoints and clean galaxies";
  }
  const missing = ["filters", "miuscat-ssp", "sdss-spectra", "fors2-spectra"].find(
    (name) => !existsSync(join(data, name)),
  );
  if (missing !== undefined) return `skipped: no ${join(data, missing)} (CALEIDO_TEST_DATA)`;
  return { paths: checkpoints.split(","), library, data };
}

export const abroadSection = async ({ root, threads }) => {
  const settings = settingsOf(root);
  if (typeof settings === "string") return [{ title, rows: [], note: settings }];
  const { paths, library, data } = settings;
  const folder = mkdtempSync(join(tmpdir(), "caleido-abroad-"));
  const engine = await createEngine({ threads });
  const checkpoints = paths.map((path) => loadCheckpoint(path));
  const { survey } = checkpoints[0].config;
  const predictors = checkpoints.map((checkpoint, i) => ({
    name: basename(paths[i]),
    predictor: createPredictor(engine, checkpoint),
  }));
  const request = {
    engine,
    table: "abroad",
    library,
    reporter: silent,
    anyAperture: true,
    libraryChoice: { modelError: MODEL_ERROR },
  };
  const oracle = await openOracle(request, survey, predictors[0].predictor.coder, undefined);
  const tables = [];
  try {
    const sets = await abroadSets({ survey, data, folder, rows: ROWS });
    for (const [name, catalog] of Object.entries(sets)) {
      const { given, magnitude } = await judge(predictors, oracle, catalog);
      tables.push(
        { title: `${title}: ${name}, by what is given`, rows: given },
        { title: `${title}: ${name}, all bands, by magnitude`, rows: magnitude },
      );
    }
    return tables;
  } finally {
    await oracle.close();
    for (const { predictor } of predictors) await predictor.dispose();
    await engine.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
};
