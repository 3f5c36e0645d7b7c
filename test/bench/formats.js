import { execFileSync } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { formats, openTable, writeTable } from "../../dist/io/formats.js";

const ROWS = 200_000;
const COLUMNS = 130;
const BATCH = 65_536;

const schema = Array.from({ length: COLUMNS }, (_, j) => ({ name: `band_${j}`, type: "float32", width: 1 }));

/** Numbers with the spread and the digits of fluxes, the same in every batch. */
const values = schema.map((_, j) =>
  Float32Array.from({ length: BATCH }, (_unused, i) => Math.sin(i * (j + 1)) * 1e3 + j),
);

function* batches() {
  for (let start = 0; start < ROWS; start += BATCH) {
    const rowCount = Math.min(BATCH, ROWS - start);
    const columns = schema.map((column, j) => ({ ...column, data: values[j].subarray(0, rowCount) }));
    yield { rowCount, columns, metadata: {} };
  }
}

/** An HDF5 file as h5py would make it, a dataset per column: the format is only read. */
async function writeHdf5(path) {
  const { File, ready } = await import("h5wasm/node");
  await ready;
  const file = new File(path, "w");
  for (let j = 0; j < COLUMNS; j++) {
    const data = Float32Array.from({ length: ROWS }, (_, i) => values[j][i % BATCH]);
    file.create_dataset({ name: `band_${j}`, data });
  }
  file.close();
}

async function write(path) {
  if (path.endsWith(".h5")) await writeHdf5(path);
  else await writeTable(path, { schema, metadata: {}, rowCount: ROWS }, batches());
}

async function read(path) {
  const source = await openTable(path);
  let rows = 0;
  for await (const table of source.batches()) rows += table.rowCount;
  await source.close();
  if (rows !== ROWS) throw new Error(`${path}: ${rows} rows, expected ${ROWS}`);
}

const works = { write, read };

/** Seconds and peak memory of one work, in a process of its own. */
function measure(work, path) {
  const out = execFileSync(process.execPath, [fileURLToPath(import.meta.url), work, path], { encoding: "utf8" });
  return JSON.parse(out);
}

/** Writes and reads a table of 200,000 x 130 float32 in every format. */
export async function formatsSection() {
  const folder = await mkdtemp(join(tmpdir(), "caleido-bench-"));
  const rows = [];
  try {
    for (const { name, extensions, write: isWritten } of Object.values(formats)) {
      const path = join(folder, `table${extensions[0]}`);
      const writing = measure("write", path);
      const reading = measure("read", path);
      rows.push({
        format: name,
        "write [s]": isWritten ? writing.seconds.toFixed(2) : "-",
        "write CPU [s]": isWritten ? writing.cpu.toFixed(2) : "-",
        "write peak [MB]": isWritten ? writing.megabytes.toFixed(0) : "-",
        "read [s]": reading.seconds.toFixed(2),
        "read CPU [s]": reading.cpu.toFixed(2),
        "read peak [MB]": reading.megabytes.toFixed(0),
        "file [MB]": ((await stat(path)).size / 1e6).toFixed(0),
      });
      await rm(path);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const note = "Each in a process of its own; the memory holds Node and one batch of numbers (about 100 MB), too.";
  return [{ title: `${ROWS} x ${COLUMNS} float32 (${((ROWS * COLUMNS * 4) / 1e6).toFixed(0)} MB)`, note, rows }];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [work, path] = process.argv.slice(2);
  const start = performance.now();
  const before = process.cpuUsage();
  await works[work](path);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  console.log(
    JSON.stringify({ seconds, cpu: (user + system) / 1e6, megabytes: process.resourceUsage().maxRSS / 1000 }),
  );
}
