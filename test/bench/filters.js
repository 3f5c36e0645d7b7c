import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createEngine,
  createPredictor,
  loadCheckpoint,
  loadRecipe,
  loadSurvey,
  openTable,
  pretrain,
  readWholeCatalog,
  simulate,
  writeTable,
} from "../../dist/index.js";

/**
 * What a network knows of a filter it was never trained with: four narrow bands are held out of training altogether and
 * given at query time. Three networks of the quickstart's size, of equal steps: rows of bands free; functions of the
 * filter; functions of the filter without the four bands. Not among the sections that run by default: it takes as long as
 * three quickstarts.
 */
const HELD_OUT = ["J0450", "J0560", "J0680", "J0790"];
const GALAXIES = Number(process.env.CALEIDO_BENCH_GALAXIES ?? 45_000);
const STEPS = Number(process.env.CALEIDO_BENCH_STEPS ?? 3_200);
const UNSEEN = 4_000;

/** The same table without some columns. */
const withoutColumns = async (path, names, out) => {
  const source = await openTable(path);
  const isKept = ({ name }) => !names.some((one) => name === one || name.startsWith(`${one}_`));
  async function* kept() {
    for await (const table of source.batches()) yield { ...table, columns: table.columns.filter(isKept) };
  }
  await writeTable(out, { schema: source.schema.filter(isKept), metadata: {} }, kept());
  await source.close();
};

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** sigma_NMAD of (z_phot - z) / (1 + z), and the share of truths inside the 68 % interval. */
const scoreRedshift = async (engine, folder, catalog, given) => {
  const predictor = createPredictor(engine, loadCheckpoint(folder));
  const { z } = await predictor.ask(catalog, { given, want: "z" });
  const j = catalog.fields.findIndex(({ name }) => name === "z");
  const truth = Array.from({ length: catalog.rowCount }, (_, i) => catalog.value[i * catalog.fields.length + j]);
  const dz = truth.map((x, i) => (z.median[i] - x) / (1 + x));
  const middle = median(dz);
  const [low, high] = [z.quantile(0.16), z.quantile(0.84)];
  const inside = truth.filter((x, i) => x >= low[i] && x <= high[i]).length / truth.length;
  await predictor.dispose();
  return { scatter: 1.4826 * median(dz.map((x) => Math.abs(x - middle))), inside };
};

export const filtersSection = async () => {
  const folder = process.env.CALEIDO_BENCH_FOLDER ?? mkdtempSync(join(tmpdir(), "caleido-filters-"));
  const at = (name) => join(folder, name);
  const engine = await createEngine();
  if (!existsSync(at("all.parquet"))) {
    await simulate({ survey: "minijpas", out: at("all.parquet"), n: GALAXIES, seed: "filters" });
    await simulate({ survey: "minijpas", out: at("unseen.parquet"), n: UNSEEN, seed: "filters-unseen" });
    await withoutColumns(at("all.parquet"), HELD_OUT, at("held-out.parquet"));
  }
  const { catalog } = await readWholeCatalog(at("unseen.parquet"), loadSurvey("minijpas"));
  const bands = catalog.fields.filter(({ band }) => band !== undefined).map(({ name }) => name);
  const without = bands.filter((name) => !HELD_OUT.includes(name));
  const networks = [
    { name: "free rows, all bands in training", filters: "free", table: "all.parquet" },
    { name: "functions of the filter, all bands in training", filters: "function", table: "all.parquet" },
    { name: `functions of the filter, without ${HELD_OUT.join(", ")}`, filters: "function", table: "held-out.parquet" },
    { name: `free rows, without ${HELD_OUT.join(", ")}`, filters: "free", table: "held-out.parquet" },
  ];
  const rows = [];
  for (const [i, { name, filters, table }] of networks.entries()) {
    const settings = [`training.steps=${STEPS}`, `model.filters=${filters}`];
    const out = at(`network${i}`);
    const start = performance.now();
    if (!existsSync(join(out, "checkpoint"))) {
      await pretrain({ engine, data: [at(table)], recipe: loadRecipe("quickstart", settings), out });
    }
    const seconds = (performance.now() - start) / 1000;
    const all = await scoreRedshift(engine, out, catalog, bands);
    const few = await scoreRedshift(engine, out, catalog, without);
    rows.push({
      network: name,
      "training [s]": Math.round(seconds),
      "z sigma_NMAD, all bands given": all.scatter.toFixed(5),
      "without the four": few.scatter.toFixed(5),
      "68 % interval covers": all.inside.toFixed(3),
    });
    console.log(rows.at(-1));
  }
  if (process.env.CALEIDO_BENCH_FOLDER === undefined) rmSync(folder, { recursive: true, force: true });
  return [{ title: `A filter that training never saw (${UNSEEN} unseen galaxies)`, rows }];
};
