import { execFile } from "node:child_process";
import { existsSync, linkSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import {
  createEngine,
  createPredictor,
  drawJoint,
  loadCheckpoint,
  loadRecipe,
  pretrain,
  prepare,
  readWholeCatalog,
  select,
  simulate,
} from "../../dist/index.js";

/**
 * Questions, file to file: `caleido query` as a whole process against the bare network of the nearest rival's shape in
 * PyTorch, in turn; joint draws; and the memory of asking for everything and of training from rows that don't fit.
 */
const run = promisify(execFile);
const ROWS = Number(process.env.CALEIDO_BENCH_ROWS ?? 50_000);
const PAIRS = Number(process.env.CALEIDO_BENCH_PAIRS ?? 3);
const STEPS = 20;
const FIVE = "z,LOGM,LOGZ,AV,HALPHA_EW";
const JOINT = { galaxies: 1000, draws: 100 };

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Wall clock [s], user time of all threads [s] and peak memory [MB] of a whole process, as it tells of itself. */
const measureProcess = async (args) => {
  const tell =
    "process.on('exit',()=>{const r=process.resourceUsage();console.error('usage '+JSON.stringify([r.maxRSS/1024,r.userCPUTime/1e6]))})";
  const start = performance.now();
  const { stderr } = await run(process.execPath, ["--import", `data:text/javascript,${tell}`, ...args], {
    maxBuffer: 1e8,
  });
  const seconds = (performance.now() - start) / 1000;
  const [memory, user] = JSON.parse(/usage (\[.*\])/.exec(stderr)[1]);
  return { seconds, memory, user };
};

/** Galaxies per second of the rival's network alone; undefined where Python, PyTorch or the script is missing. */
const measurePeer = async (root) => {
  const python = process.env.CALEIDO_BENCH_PYTHON ?? "python3";
  const script = resolve(process.env.CALEIDO_PEERS ?? resolve(root, "../shared/peers"), "ojala_shape.py");
  if (!existsSync(script)) return undefined;
  try {
    const { stdout } = await run(python, [script, "--steps", "8"]);
    return JSON.parse(stdout).infer_galaxies_per_s;
  } catch {
    return undefined;
  }
};

const queryRace = async (root, cli, at) => {
  const args = ["query", at("sims.parquet"), "--checkpoint", at("run"), "--given", "bands", "--want", FIVE];
  const ours = [];
  const theirs = [];
  for (let i = 0; i < PAIRS; i++) {
    ours.push(await measureProcess([cli, ...args, "--out", at(`answers${i}.parquet`)]));
    theirs.push(await measurePeer(root));
  }
  const rate = ROWS / median(ours.map(({ seconds }) => seconds));
  const known = theirs.filter((one) => one !== undefined);
  const peer = known.length === 0 ? undefined : median(known);
  return {
    title: `caleido query, file to file, ${ROWS} galaxies, 62 bands given, 5 answers; rival: its network alone`,
    rows: [
      {
        "galaxies / s": Math.round(rate),
        "user time [s]": Number(median(ours.map(({ user }) => user)).toFixed(1)),
        "peak [MB]": Math.round(Math.max(...ours.map(({ memory }) => memory))),
        "rival [galaxies / s]": peer,
        ratio: peer === undefined ? undefined : Number((rate / peer).toFixed(1)),
      },
    ],
    ...(peer === undefined
      ? { note: "race skipped: no ojala_shape.py (CALEIDO_PEERS) or no PyTorch (CALEIDO_BENCH_PYTHON)" }
      : {}),
  };
};

const jointDraws = async (engine, at) => {
  const checkpoint = loadCheckpoint(at("run"));
  const { catalog } = await readWholeCatalog(at("sims.parquet"), checkpoint.config.survey);
  const predictor = createPredictor(engine, checkpoint);
  const time = async (galaxies, draws) => {
    const some = select(
      catalog,
      Array.from({ length: galaxies }, (_, i) => i),
    );
    const start = performance.now();
    await drawJoint(predictor, some, { given: "bands", want: FIVE, draws });
    return (performance.now() - start) / 1000;
  };
  const first = await time(1, 1);
  const all = await time(JOINT.galaxies, JOINT.draws);
  await predictor.dispose();
  return {
    title: `joint draws: ${JOINT.galaxies} galaxies x ${JOINT.draws} draws x 5 fields`,
    rows: [{ "first draw, compiling included [s]": first.toFixed(2), "all [s]": all.toFixed(1) }],
  };
};

const everything = async (cli, at) => {
  const all = ["query", at("sims.parquet"), "--checkpoint", at("run"), "--want", "all", "--out", at("all.parquet")];
  const { seconds, memory } = await measureProcess([cli, ...all]);
  return {
    title: `all 73 fields of ${ROWS} galaxies asked for`,
    rows: [{ "galaxies / s": Math.round(ROWS / seconds), "peak [MB]": Math.round(memory) }],
  };
};

export const querySection = async ({ root }) => {
  const folder = mkdtempSync(join(tmpdir(), "caleido-query-"));
  const at = (name) => join(folder, name);
  const cli = join(root, "dist", "cli.js");
  try {
    await simulate({ survey: "minijpas", out: at("sims.parquet"), n: ROWS, seed: "query" });
    const engine = await createEngine();
    const recipe = loadRecipe("quickstart", [`training.steps=${STEPS}`, `training.validateEvery=${STEPS}`]);
    await pretrain({ engine, data: [at("sims.parquet")], recipe, out: at("run") });
    const tables = [await queryRace(root, cli, at), await jointDraws(engine, at), await everything(cli, at)];
    await engine.dispose();
    return tables;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Rows written to shards, trained on from disk and scored. `CALEIDO_BENCH_SHARDS` rows, the same galaxies again and again. */
const MANY = Number(process.env.CALEIDO_BENCH_SHARDS ?? 200_000);

export const shardsSection = async ({ root }) => {
  const folder = mkdtempSync(join(tmpdir(), "caleido-shards-"));
  const at = (name) => join(folder, name);
  try {
    const part = Math.min(MANY, 100_000);
    await simulate({ survey: "minijpas", out: at("part0.parquet"), n: part / 8, draws: 8, seed: "shards" });
    const tables = Array.from({ length: Math.ceil(MANY / part) }, (_, i) => at(`part${i}.parquet`));
    for (const table of tables.slice(1)) linkSync(tables[0], table);
    await prepare({ tables, survey: "minijpas", out: at("ready"), reading: {}, rowsPerShard: 50_000, seed: 0 });
    for (const table of tables) rmSync(table);
    const script = `
      import { createEngine, evaluate, loadRecipe, pretrain } from ${JSON.stringify(join(root, "dist", "index.js"))};
      const engine = await createEngine();
      const recipe = loadRecipe("quickstart", ["training.steps=50", "training.validateEvery=50"]);
      await pretrain({ engine, data: [${JSON.stringify(at("ready"))}], recipe, out: ${JSON.stringify(at("run"))} });
      await evaluate({ engine, checkpoint: ${JSON.stringify(at("run"))}, table: ${JSON.stringify(at("ready"))}, out: ${JSON.stringify(at("scores"))} });`;
    const { seconds, memory } = await measureProcess(["--input-type=module", "-e", script]);
    const row = { rows: MANY, "s in all": Math.round(seconds), "peak [MB]": Math.round(memory) };
    return [{ title: "training (50 steps) and evaluation from prepared shards", rows: [row] }];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
