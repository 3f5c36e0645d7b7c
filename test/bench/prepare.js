import { spawn } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeTable } from "../../dist/io/formats.js";
import { createRng } from "../../dist/random.js";
import { loadSurvey } from "../../dist/survey/survey.js";

const ROWS = Number(process.env.CALEIDO_BENCH_ROWS ?? 100_000);
const BATCH = 25_000;
const LABELS = { z: [0, 1], LOGM: [8, 11], LOGZ: [-1, 0], AV: [0, 2], AGE: [0, 12], LOGSFR: [-2, 1] };

/** 130 columns of float32 - 62 bands, their errors, 6 labels - and ids: 2 % missing, 1 % bad errors. */
function* batches(schema, bands) {
  const rng = createRng("bench:prepare");
  for (let first = 0; first < ROWS; first += BATCH) {
    const rowCount = Math.min(BATCH, ROWS - first);
    const columns = schema.map((column) => {
      if (column.type === "int64") {
        return { ...column, data: BigInt64Array.from({ length: rowCount }, (_, i) => BigInt(first + i)) };
      }
      if (column.type === "int32") {
        return { ...column, data: Int32Array.from({ length: rowCount }, (_, i) => Math.floor((first + i) / 1000)) };
      }
      const [low, high] = LABELS[column.name] ?? (bands.has(column.name) ? [5, 100] : [0.5, 2]);
      const data = Float32Array.from({ length: rowCount }, () => {
        const u = rng.uniform();
        return u < 0.02 ? NaN : u < 0.03 && !(column.name in LABELS) ? -1 : low + (high - low) * u;
      });
      return { ...column, data };
    });
    yield { rowCount, columns, metadata: {} };
  }
}

/** Runs `caleido prepare` and gives its seconds and its peak memory in MB. */
const prepare = (root, table, out) =>
  new Promise((resolve, reject) => {
    const atExit = 'process.on("exit", () => console.log(`peak ${process.resourceUsage().maxRSS}`))';
    const args = ["--import", `data:text/javascript,${encodeURIComponent(atExit)}`, `${root}dist/cli.js`];
    const start = performance.now();
    const child = spawn(process.execPath, [...args, "prepare", table, "--out", out], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [said, told] = ["", ""];
    child.stdout.on("data", (text) => (said += text));
    child.stderr.on("data", (text) => (told += text));
    child.on("close", (code) => {
      if (code !== 0) return reject(new Error(told));
      const peak = Number(/peak (\d+)/.exec(said)[1]) / 1024;
      return resolve({ seconds: (performance.now() - start) / 1000, peak });
    });
  });

/** Streaming of a table into shards, from each format that large catalogues come in. */
export const prepareSection = async ({ root }) => {
  const survey = loadSurvey("minijpas");
  const bands = new Set(survey.fields.flatMap(({ name, band }) => (band ? [name] : [])));
  const float = (name, unit) => ({ name, type: "float32", width: 1, ...(unit ? { unit } : {}) });
  const schema = [
    { name: "object_id", type: "int64", width: 1 },
    { name: "tile", type: "int32", width: 1 },
    ...[...bands].flatMap((name) => [float(name, survey.fluxUnit), float(`${name}_err`, survey.fluxUnit)]),
    ...Object.keys(LABELS).map((name) => float(name, survey.fields.find((field) => field.name === name).unit)),
  ];
  const folder = await mkdtemp(join(tmpdir(), "caleido-bench-"));
  const rows = [];
  try {
    for (const format of ["parquet", "fits", "csv"]) {
      const table = join(folder, `table.${format}`);
      await writeTable(table, { schema, metadata: {}, rowCount: ROWS }, batches(schema, bands));
      const { seconds, peak } = await prepare(root, table, join(folder, format));
      rows.push({
        format,
        rows: ROWS,
        "file [MB]": Math.round((await stat(table)).size / 1e6),
        "time [s]": Number(seconds.toFixed(1)),
        "rows/s": Math.round(ROWS / seconds),
        "peak memory [MB]": Math.round(peak),
      });
      await rm(table);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const note = "130 float32 columns, split by tile; CALEIDO_BENCH_ROWS sets the rows, which memory must not follow";
  return [{ title: "caleido prepare", note, rows }];
};
