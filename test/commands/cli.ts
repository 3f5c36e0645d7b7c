import { type ChildProcess, fork, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { openTable } from "../../src/io/formats.ts";
import type { Column, ColumnSchema } from "../../src/io/table.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const cli = join(root, "dist", "cli.js");
const scratch = process.env.CALEIDO_TEST_SCRATCH!;

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function collect(child: ChildProcess): Promise<Result> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs another program. */
function execute(program: string, args: readonly string[], folder = root): Promise<Result> {
  return collect(spawn(program, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] }));
}

/** Does `work` once per test run, whichever worker comes first; the others wait for its folder. */
async function once(name: string, work: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(scratch, name);
  const [done, failed] = [`${folder}.done`, `${folder}.failed`];
  try {
    mkdirSync(folder);
  } catch {
    while (!existsSync(done)) {
      if (existsSync(failed)) throw new Error(`${name} failed in another worker`);
      await sleep(100);
    }
    return folder;
  }
  try {
    await work(folder);
    writeFileSync(done, "");
  } catch (error) {
    writeFileSync(failed, "");
    throw error;
  }
  return folder;
}

function newest(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return Math.max(...files.map((file) => statSync(join(folder, file)).mtimeMs));
}

/** Builds `dist` when it is missing or older than the sources. */
function built(): Promise<string> {
  return once("build", async () => {
    if (existsSync(cli) && statSync(cli).mtimeMs >= newest(join(root, "src"))) return;
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    const { stdout } = await execute(process.execPath, [tsc, "-p", "tsconfig.build.json"]);
    // a type error is the type check's to report: the program is built all the same
    if (!existsSync(cli)) throw new Error(`the build failed:\n${stdout}`);
  });
}

/** Starts `caleido` in `folder`. */
export async function start(
  args: readonly string[],
  folder: string,
): Promise<{ child: ChildProcess; end: Promise<Result> }> {
  await built();
  const child = spawn(process.execPath, [cli, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  return { child, end: collect(child) };
}

/** A process that runs verbs one after the other (`resident.js`), and how it ends. */
interface Resident {
  readonly child: ChildProcess;
  readonly end: Promise<Result>;
}

/** One that holds more makes way for a fresh one: engines of verbs that have ended stay [bytes]. */
const MOST_MEMORY = 1e9;

let resident: Resident | undefined;

function startResident(): Resident {
  const child = fork(join(import.meta.dirname, "resident.js"), {
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  return { child, end: collect(child) };
}

/** A verb in the resident; where that crashes, what it says of it is what a process of the verb's own would have said. */
async function ask(args: readonly string[], folder: string): Promise<Result> {
  resident ??= startResident();
  const { child, end } = resident;
  const answer = new Promise<Result & { readonly memory: number }>((resolve) => child.once("message", resolve));
  child.send({ args, folder });
  const { code, stdout, stderr, memory } = await Promise.race([
    answer,
    end.then((own) => ({ ...own, memory: Infinity })),
  ]);
  if (memory > MOST_MEMORY) {
    resident = undefined;
    child.kill();
  }
  return { code, stdout, stderr };
}

let last: Promise<unknown> = Promise.resolve();

/** Runs `caleido` in `folder`: a test file's verbs one after the other. {@link start} gives a verb a process of its own. */
export async function caleido(args: readonly string[], folder: string): Promise<Result> {
  await built();
  const result = last.then(() => ask(args, folder));
  last = result;
  return result;
}

/** Runs `caleido` under a limit on the size of files, as on a disk that is full. */
export async function caleidoOnFullDisk(blocks: number, args: readonly string[], folder: string): Promise<Result> {
  await built();
  const script = `trap '' XFSZ; ulimit -f ${blocks}; exec "$@"`;
  return execute("bash", ["-c", script, "bash", process.execPath, cli, ...args], folder);
}

/** As {@link caleido}, and it must succeed. */
export async function succeed(args: readonly string[], folder: string): Promise<Result> {
  const result = await caleido(args, folder);
  expect(result.stderr).not.toMatch(/caleido:|internal error/);
  expect(result.code).toBe(0);
  return result;
}

/** The user's mistake: exit code 1 and one line on stderr, which must match every pattern. */
export function expectMistake({ code, stderr }: Result, ...patterns: readonly RegExp[]): void {
  const lines = stderr.trimEnd().split("\n");
  const last = lines.at(-1) ?? "";
  expect(last).toMatch(/^caleido: /);
  for (const pattern of patterns) expect(last).toMatch(pattern);
  // what was said on the way is indented; a stack trace would be, too
  expect(lines.slice(0, -1).filter((line) => (line !== "" && !line.startsWith("  ")) || /^\s+at /.test(line))).toEqual(
    [],
  );
  expect(code).toBe(1);
}

/** A folder of a test's own. */
export function newFolder(name: string): string {
  const folder = join(scratch, `${name}-${process.pid}-${process.hrtime.bigint().toString(36)}`);
  mkdirSync(folder);
  return folder;
}

export const ENGINE = ["--threads", "1"] as const;
export const TINY = [
  "--recipe",
  "quickstart",
  ...ENGINE,
  "--set",
  "training.batch=32",
  "training.validateEvery=20",
  "training.checkpointEvery=10",
  "model.dModel=32",
] as const;

export interface Fixture {
  readonly folder: string;
  /** Simulated galaxies, and a network trained on them for a moment. */
  readonly simulations: string;
  readonly run: string;
}

/** Shared by all tests of a run; nobody writes into it. */
export async function fixture(): Promise<Fixture> {
  const folder = await once("fixture", async (inside) => {
    await succeed(["simulate", "--n", "1500", "--seed", "fixture", "--no-report", "--out", "sims.parquet"], inside);
    await succeed(
      ["pretrain", "sims.parquet", "--out", "run", ...TINY, "training.steps=150", "training.batch=64"],
      inside,
    );
  });
  return { folder, simulations: join(folder, "sims.parquet"), run: join(folder, "run") };
}

export interface ReadTable {
  readonly schema: readonly ColumnSchema[];
  readonly rowCount: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Values of a column as numbers, all rows and elements. */
  numbers(name: string): number[];
  texts(name: string): string[];
}

export async function readTable(path: string): Promise<ReadTable> {
  const source = await openTable(path);
  const parts: Column[][] = [];
  let rowCount = 0;
  for await (const table of source.batches()) {
    parts.push([...table.columns]);
    rowCount += table.rowCount;
  }
  await source.close();
  const cells = (name: string): (string | number | bigint)[] =>
    parts.flatMap((columns) => {
      const column = columns.find((one) => one.name === name);
      if (column === undefined) throw new Error(`${path} has no column ${name}`);
      return Array.from(column.data as ArrayLike<string | number | bigint>);
    });
  return {
    schema: source.schema,
    rowCount,
    metadata: source.metadata,
    numbers: (name) => cells(name).map(Number),
    texts: (name) => cells(name).map(String),
  };
}
