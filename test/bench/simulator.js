import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { simulateBuiltin } from "../../dist/simulate/builtin.js";
import { createTally, simulateFromSpectra } from "../../dist/simulate/spectra.js";
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

/** Draws of a spectrum: enough that rows, not files, take the time. */
const DRAWS = 200;

/** Best wall clock of a run over files of observed spectra [s]: curves and files included. */
const spectraRow = async (name, paths, input) => {
  let seconds = Infinity;
  let tally = createTally();
  for (let i = 0; i <= REPEATS; i++) {
    const start = performance.now();
    tally = createTally();
    const tables = simulateFromSpectra(paths, { survey, seed: "bench", ...input }, tally);
    while ((await tables.next()).done !== true);
    seconds = Math.min(seconds, (performance.now() - start) / 1000);
  }
  const { spectra, rows } = tally;
  return {
    run: name,
    "spectra read": spectra,
    rows,
    "s in all": Number(seconds.toFixed(3)),
    "rows / s": Math.round(rows / seconds),
  };
};

/** Rows per second from observed spectra: one a spectrum, many where they are, many moved in redshift. */
const spectraTable = async (data) => {
  const title = "simulator: observed spectra (DESI and SDSS)";
  const folders = ["desi-spectra", "sdss-spectra", "filters"].map((name) => resolve(data, name));
  const absent = folders.filter((folder) => !existsSync(folder));
  if (absent.length > 0) return { title, rows: [], note: `skipped: no ${absent.join(", ")} (CALEIDO_TEST_DATA)` };
  const [desi, sdss, filters] = folders;
  const paths = [resolve(desi, "coadd-*.fits"), sdss];
  const moveRedshift = [0.05, 0.4];
  return {
    title,
    rows: [
      await spectraRow("1 draw", paths, { filters }),
      await spectraRow(`${DRAWS} draws`, paths, { filters, draws: DRAWS }),
      await spectraRow(`${DRAWS} draws, moved`, paths, { filters, draws: DRAWS, observed: { moveRedshift } }),
    ],
  };
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
  const data = process.env.CALEIDO_TEST_DATA ?? resolve(root, "../shared/data");
  tables.push(await spectraTable(data));
  const folder = resolve(data, "miuscat-ssp");
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
