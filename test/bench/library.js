import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createEngine,
  createFieldCoder,
  createLibrary,
  createLibraryPredictor,
  createRng,
  fitStandardisation,
  loadSurvey,
  readWholeCatalog,
  select,
  simulate,
} from "../../dist/index.js";

/**
 * The exact answer: galaxies weighted against a library of CALEIDO_BENCH_LIBRARY rows (default 1,000,000), each a simulated
 * galaxy whose colours are tilted and scattered a little, so that none is there twice.
 */
const ROWS = Number(process.env.CALEIDO_BENCH_LIBRARY ?? 1_000_000);
const SIMULATED = 5000;
const GALAXIES = 1024;

/** The simulated galaxies again and again, tilted and scattered by a few per cent. */
function* scattered(catalog, rows) {
  const n = catalog.fields.length;
  const bands = catalog.fields.flatMap(({ band }, j) => (band === undefined ? [] : [[j, Math.log(band.pivot / 6000)]]));
  for (let made = 0; made < rows; made += catalog.rowCount) {
    const rng = createRng(`scattered ${made}`);
    const value = catalog.value.slice();
    for (let row = 0; row < catalog.rowCount; row++) {
      const tilt = 0.1 * rng.normal();
      for (const [j, place] of bands) value[row * n + j] *= Math.exp(tilt * place + 0.02 * rng.normal());
    }
    yield { ...catalog, value };
  }
}

export const librarySection = async ({ threads }) => {
  const folder = mkdtempSync(join(tmpdir(), "caleido-library-"));
  const at = (name) => join(folder, name);
  const survey = loadSurvey("minijpas");
  const engine = await createEngine({ threads });
  try {
    await simulate({ survey: "minijpas", n: SIMULATED, seed: "library", fluxes: "clean", out: at("clean.parquet") });
    await simulate({ survey: "minijpas", n: GALAXIES, seed: "asked", out: at("asked.parquet") });
    const { catalog: clean } = await readWholeCatalog(at("clean.parquet"), survey, { layout: "clean" });
    const { catalog } = await readWholeCatalog(at("asked.parquet"), survey);
    const all = Array.from({ length: catalog.rowCount }, (_, i) => i);
    const coder = createFieldCoder(survey.fields, fitStandardisation(catalog, all));
    const library = await createLibrary("scattered", scattered(clean, ROWS), { survey });
    const predictor = createLibraryPredictor(engine, library, coder);
    const isGiven = Uint8Array.from(survey.fields, ({ band }) => Number(band !== undefined));
    const wanted = survey.fields.flatMap(({ name }, j) => (["z", "LOGM", "HALPHA_EW"].includes(name) ? [j] : []));
    await predictor.predict(select(catalog, all.slice(0, 512)), all.slice(0, 512), isGiven, wanted);
    const used = process.cpuUsage();
    const start = performance.now();
    await predictor.predict(catalog, all, isGiven, wanted);
    const seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(used);
    await predictor.dispose();
    library.close();
    const row = {
      "library rows": ROWS,
      "galaxies / s": Number((GALAXIES / seconds).toFixed(1)),
      "galaxies / CPU-second": Number((GALAXIES / ((user + system) / 1e6)).toFixed(1)),
      "peak [MB]": Math.round(process.resourceUsage().maxRSS / 1024),
    };
    return [{ title: `${GALAXIES} galaxies weighted by a library, 62 bands given, 3 answers`, rows: [row] }];
  } finally {
    await engine.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
};
