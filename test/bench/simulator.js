import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { simulateBuiltin } from "../../dist/simulate/builtin.js";
import { loadSurvey } from "../../dist/survey/survey.js";

const COUNT = Number(process.env.CALEIDO_BENCH_GALAXIES ?? 8_000);
const REPEATS = 2;

const survey = loadSurvey("minijpas");

/** Wall clock of a whole run with n galaxies [s]: threads and templates included, and the time until the first table. */
const time = async (input) => {
  const start = performance.now();
  let rows = 0;
  let first = 0;
  for await (const table of simulateBuiltin({ survey, seed: "bench", ...input })) {
    if (rows === 0) first = performance.now() - start;
    rows += table.rowCount;
  }
  return { seconds: (performance.now() - start) / 1000, first: first / 1000 };
};

/** Best of a few: other work on the machine can only slow a run. */
const best = async (input) => {
  let found = await time(input);
  for (let i = 1; i < REPEATS; i++) {
    const next = await time(input);
    if (next.seconds < found.seconds) found = next;
  }
  return found;
};

const row = async (name, input) => {
  const { seconds, first } = await best(input);
  return {
    run: name,
    galaxies: input.n,
    "s in all": Number(seconds.toFixed(2)),
    "s to the first table": Number(first.toFixed(2)),
    "galaxies / s": Math.round(input.n / seconds),
    // without the start: what a longer run gains
    "galaxies / s after it": Math.round(input.n / (seconds - first)),
  };
};

const parts = {
  "all physics": {},
  "Calzetti for all": { physics: { attenuation: "calzetti" } },
  "no nebular continuum": { physics: { nebularContinuum: false } },
  "no velocity dispersion": { physics: { velocityDispersion: false } },
  "no enrichment": { physics: { enrichment: 0 } },
  "no Milky Way dust": { foreground: { ebv: 0 } },
  "none of these": {
    physics: { attenuation: "calzetti", nebularContinuum: false, velocityDispersion: false, enrichment: 0 },
    foreground: { ebv: 0 },
  },
};

/** Galaxies per second by number of threads, by number of galaxies, by source of stars and by part of the physics. */
export const simulatorSection = async ({ root }) => {
  const n = COUNT;
  const workers = [await row("1 worker", { n, workers: 1 }), await row("2 workers", { n, workers: 2 })];
  const growth = [];
  for (const factor of [0.25, 0.5, 1, 2])
    growth.push(await row("2 workers", { n: Math.round(n * factor), workers: 2 }));
  const physics = [];
  for (const [name, input] of Object.entries(parts)) physics.push(await row(name, { n: n / 2, workers: 2, ...input }));
  const tables = [
    { title: "simulator: threads", rows: workers },
    { title: "simulator: growth with the number of galaxies", rows: growth },
    { title: "simulator: what each part costs (2 workers)", rows: physics },
  ];
  const folder = resolve(process.env.CALEIDO_TEST_DATA ?? resolve(root, "../shared/data"), "miuscat-ssp");
  if (!existsSync(folder)) {
    tables.push({ title: "simulator: SSP grid", rows: [], note: `skipped: no ${folder} (CALEIDO_TEST_DATA)` });
    return tables;
  }
  tables.push({
    title: "simulator: source of the stars (2 workers)",
    rows: [await row("built-in", { n, workers: 2 }), await row("MIUSCAT grid", { n, workers: 2, ssp: [folder] })],
  });
  return tables;
};
