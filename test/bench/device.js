import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { createEngine, loadRecipe, openTable, pretrain, query, readAll, simulate } from "../../dist/index.js";

/**
 * A GPU beside the CPU: every case of the kernel table against plain JavaScript, answers of the network that comes along,
 * and training steps with growing batches. `CALEIDO_BENCH_DEVICE` names the device (webgpu, or cuda).
 */
const run = promisify(execFile);
const DEVICE = process.env.CALEIDO_BENCH_DEVICE ?? "webgpu";
const ROWS = Number(process.env.CALEIDO_BENCH_ROWS ?? 2000);
const CLEAN = Number(process.env.CALEIDO_BENCH_CLEAN ?? 20_000);
const BATCHES = (process.env.CALEIDO_BENCH_BATCHES ?? "256,1024,4096").split(",").map(Number);
const TOLERANCE = 1e-4;
const STEPS = 8;
const WARM_UPS = 3;
const FIVE = "z,LOGM,LOGZ,AV,HALPHA_EW";
const minute = 60_000;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const round = (value, digits = 1) => Number(value.toFixed(digits));

/** The cases are TypeScript: they are compiled beside what else is written here, unless they were already. */
const compiledCases = async (root) => {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  if (existsSync(compiler)) await run(process.execPath, [compiler, "-p", join(root, "test", "bench")]);
  return pathToFileURL(join(root, "runs", "bench-device", "test", "engine", "parity.js"));
};

/** In a process of its own: a driver that ends it ends no more than that. */
const kernelTable = async (root, device) => {
  const url = await compiledCases(root);
  const script =
    `const { compareKernels } = await import(${JSON.stringify(url.href)});` +
    `console.log(JSON.stringify(await compareKernels(${JSON.stringify(device)}), (_, x) => (Number.isNaN(x) ? "NaN" : x)));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], {
    maxBuffer: 1e8,
    timeout: 10 * minute,
  });
  const cases = JSON.parse(stdout.slice(stdout.indexOf("[{")));
  const apart = cases.filter(({ error }) => !(error < TOLERANCE));
  const errors = cases.map(({ error }) => error).filter(Number.isFinite);
  return {
    title: `kernels on ${device} against plain JavaScript: cases apart by more than ${TOLERANCE} of the largest element`,
    rows: apart.map(({ kernel, entry, what, error, failure }) => ({ kernel, entry, what, error, failure })),
    note: `${cases.length - apart.length} of ${cases.length} cases agree; median difference ${median(errors).toExponential(1)}`,
  };
};

const answersOf = async (engine, table, out) => {
  const ask = () => query({ engine, table, out, given: "bands", want: FIVE });
  await ask(); // compiles
  const start = performance.now();
  await ask();
  const seconds = (performance.now() - start) / 1000;
  const source = await openTable(out);
  const answers = await readAll(source);
  await source.close();
  return { seconds, table: answers };
};

/** Largest difference of every answered number, in the standard deviations that the CPU answers. */
const differences = (device, cpu) => {
  const column = (table, name) => table.columns.find((one) => one.name === name).data;
  return FIVE.split(",").map((field) => {
    const sigma = column(cpu, `${field}_std`);
    const row = { field };
    for (const part of ["median", "q05", "q16", "q84", "q95"]) {
      const [a, b] = [column(device, `${field}_${part}`), column(cpu, `${field}_${part}`)];
      const apart = Array.from(b, (value, i) => Math.abs(a[i] - value) / sigma[i]).toSorted((x, y) => x - y);
      row[`${part}: largest`] = apart.at(-1).toExponential(1);
      if (part === "median") row["median: 99 %"] = apart[Math.floor(0.99 * apart.length)].toExponential(1);
    }
    return row;
  });
};

const queryTable = async (engines, table, folder) => {
  const answers = {};
  for (const [name, engine] of Object.entries(engines)) {
    answers[name] = await answersOf(engine, table, join(folder, `${name}.parquet`));
  }
  const [device] = Object.keys(engines);
  const speeds = Object.entries(answers).map(([name, { seconds }]) => `${name} ${seconds.toFixed(2)} s`);
  return {
    title: `${ROWS} galaxies, 62 bands given, on ${device} and on the CPU: differences in standard deviations of the answer`,
    rows: differences(answers[device].table, answers.cpu.table),
    note: `file to file, compiled before: ${speeds.join(", ")}`,
  };
};

/**
 * Milliseconds of a training step in the engine and from one step to the next, drawing of batches included, and the
 * losses. Ends the run behind the last step that is looked at.
 */
const timeSteps = async (engine, data, out, { recipe, settings = [], steps = STEPS }) => {
  const stop = new AbortController();
  const inEngine = [];
  const ends = [];
  const losses = [];
  const norms = [];
  const watched = {
    ...engine,
    compile: async (fn, signature, label, options) => {
      const compiled = await engine.compile(fn, signature, label, options);
      if (label !== "training step") return compiled;
      const timed = async (inputs) => {
        const start = performance.now();
        const outputs = await compiled.run(inputs);
        ends.push(performance.now());
        inEngine.push(ends.at(-1) - start);
        losses.push(outputs.loss.data[0]);
        norms.push(outputs.gradientNorm.data[0]);
        if (losses.length === steps) stop.abort();
        return outputs;
      };
      return { ...compiled, run: timed };
    },
  };
  const all = [`training.steps=${steps + 1000}`, "training.validateEvery=100000", "training.checkpointEvery=100000"];
  const plan = loadRecipe(recipe, [...all, ...settings]);
  await pretrain({ engine: watched, data: [data], recipe: plan, out, signal: stop.signal }).catch((error) => {
    if (losses.length < steps) throw error; // else it says how to go on
  });
  const between = ends.slice(1).map((end, i) => end - ends[i]);
  return { engineMs: median(inEngine.slice(WARM_UPS)), loopMs: median(between.slice(WARM_UPS - 1)), losses, norms };
};

const stepTable = async (engines, data, folder) => {
  const rows = [];
  for (const batch of BATCHES) {
    const row = { batch };
    for (const [name, engine] of Object.entries(engines)) {
      const out = join(folder, `${name}-${batch}`);
      const setting = { recipe: "jpas", settings: [`training.batch=${batch}`] };
      const { engineMs, loopMs } = await timeSteps(engine, data, out, setting);
      row[`${name}: engine [ms]`] = round(engineMs);
      row[`${name}: step [ms]`] = round(loopMs);
      row[`${name}: galaxies / s`] = Math.round((1000 * batch) / loopMs);
    }
    rows.push(row);
  }
  return {
    title: `training steps of the recipe jpas (${CLEAN} clean galaxies); step: with drawing of batches, from one to the next`,
    rows,
  };
};

export const deviceSection = async ({ root, threads }) => {
  const folder = mkdtempSync(join(tmpdir(), "caleido-device-"));
  const at = (name) => join(folder, name);
  let device;
  try {
    device = await createEngine({ device: DEVICE, threads });
  } catch (error) {
    return [{ title: `device ${DEVICE}`, rows: [], note: `skipped: no such device here: ${error.message}` }];
  }
  try {
    const engines = { [DEVICE]: device, cpu: await createEngine({ threads }) };
    await simulate({ survey: "minijpas", out: at("observed.parquet"), n: ROWS, seed: "device" });
    await simulate({ survey: "minijpas", out: at("clean.parquet"), n: CLEAN, seed: "clean", fluxes: "clean" });
    const tables = [
      await kernelTable(root, DEVICE),
      await queryTable(engines, at("observed.parquet"), folder),
      await stepTable(engines, at("clean.parquet"), folder),
    ];
    for (const engine of Object.values(engines)) await engine.dispose();
    return tables;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
