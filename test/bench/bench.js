import { mkdir, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import { abroadSection } from "./abroad.js";
import { classesSection } from "./classes.js";
import { convolutionSection } from "./convolution.js";
import { deviceSection } from "./device.js";
import { engineSection } from "./engine.js";
import { filtersSection } from "./filters.js";
import { formatsSection } from "./formats.js";
import { librarySection } from "./library.js";
import { prepareSection } from "./prepare.js";
import { querySection, shardsSection } from "./query.js";
import { simulatorSection } from "./simulator.js";
import { spectraSection } from "./spectra.js";
import { trustSection } from "./trust.js";

/**
 * `npm run bench [section ...]`: measures what speed claims rest on, prints tables and writes runs/bench.json.
 * A section is one row below: a function that returns tables of named columns.
 */
const sections = {
  engine: engineSection,
  convolution: convolutionSection,
  prepare: prepareSection,
  simulator: simulatorSection,
  formats: formatsSection,
  query: querySection,
  library: librarySection,
  shards: shardsSection,
};

/** Sections that train for minutes, need a GPU or are about networks of one's own: only by name. */
const longSections = {
  abroad: abroadSection,
  classes: classesSection,
  device: deviceSection,
  filters: filtersSection,
  spectra: spectraSection,
  trust: trustSection,
};

const print = ({ title, note, rows }) => {
  console.log(`\n${title}`);
  if (rows.length > 0) {
    const table = new Table({ head: Object.keys(rows[0]), style: { head: [] } });
    for (const row of rows) table.push(Object.values(row).map((cell) => (cell ?? "-").toString()));
    console.log(table.toString());
  }
  if (note !== undefined) console.log(note);
};

const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!(name in sections) && !(name in longSections)) {
    console.error(
      `bench section ${name} is unknown, expected one of ${Object.keys({ ...sections, ...longSections }).join(", ")}`,
    );
    process.exit(1);
  }
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const threads = Number(process.env.CALEIDO_BENCH_THREADS ?? availableParallelism());
const report = { date: new Date().toISOString(), node: process.version, threads, sections: {} };
const chosen = wanted.length === 0 ? sections : { ...sections, ...longSections };
for (const [name, run] of Object.entries(chosen)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const tables = await run({ root, threads });
  report.sections[name] = tables;
  tables.forEach(print);
}
await mkdir(`${root}runs`, { recursive: true });
await writeFile(`${root}runs/bench.json`, `${JSON.stringify(report, null, 2)}\n`);
console.log("\nwritten: runs/bench.json");
