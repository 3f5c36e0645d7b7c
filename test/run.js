/**
 * `npm test`: every check, then every test; all of them fatal. The last line is `N passed, N failed, N skipped`, each check
 * counted as one test. Arguments go to vitest: `npm test -- test/io`.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const minute = 60_000;

/** Package and command of each check, run by the Node that runs this file. */
const checks = [
  { name: "types", tool: "typescript", bin: "tsc", args: ["--noEmit"] },
  { name: "lint", tool: "oxlint", bin: "oxlint", args: ["--type-aware", "--deny-warnings"] },
  { name: "format", tool: "oxfmt", bin: "oxfmt", args: ["--check"] },
  { name: "unused in the package", tool: "knip", bin: "knip", args: ["--production", "--no-progress"] },
  { name: "unused in the repository", tool: "knip", bin: "knip", args: ["--no-progress"] },
];

/** The JavaScript file behind a tool's command, so that no shell and no PATH decide which Node runs it. */
function binPath(tool, bin) {
  const folder = join(root, "node_modules", tool);
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return join(folder, typeof manifest.bin === "string" ? manifest.bin : manifest.bin[bin]);
}

/**
 * Runs a tool without standard input. Resolves to its exit code; a tool that hangs is killed and counts as failed. What it
 * writes goes to `hear`, or without it to where this process writes.
 */
function run(tool, bin, args, limit, hear) {
  return new Promise((resolve) => {
    const stream = hear === undefined ? "inherit" : "pipe";
    const child = spawn(process.execPath, [binPath(tool, bin), ...args], {
      cwd: root,
      stdio: ["ignore", stream, stream],
      timeout: limit,
      killSignal: "SIGKILL",
    });
    const say = hear ?? ((text) => process.stdout.write(text));
    for (const output of [child.stdout, child.stderr]) output?.setEncoding("utf8").on("data", say);
    child.on("error", (error) => {
      say(`${error.message}\n`);
      resolve(2);
    });
    child.on("close", (code, signal) => {
      if (signal) say(`${bin} was ended by ${signal} (limit: ${limit / minute} minutes)\n`);
      resolve(code ?? 2);
    });
  });
}

const secondsSince = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

/** Runs a check and then shows, in one piece, what it said. Whether it passed. */
async function runCheck({ name, tool, bin, args }) {
  const start = performance.now();
  let said = "";
  const code = await run(tool, bin, args, 10 * minute, (text) => (said += text));
  console.log(`\n== ${name} (${bin} ${args.join(" ")})\n${said.trimEnd()}`.trimEnd());
  console.log(`== ${name}: ${secondsSince(start)}`);
  return code === 0;
}

/** Runs all checks, two at a time: each is one thread for most of its time. Names of those that failed. */
async function runChecks() {
  const waiting = [...checks];
  const failed = [];
  const work = async () => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      if (!(await runCheck(check))) failed.push(check.name);
    }
  };
  await Promise.all([work(), work()]);
  return failed;
}

/** Counts of a vitest JSON report. A file that fails outside its tests, and a run that fails without one, is one failure. */
function countTests(path, exitCode) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    console.log(`vitest left no report: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  const passed = tests.filter((test) => test.status === "passed").length;
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  let failed = tests.filter((test) => test.status === "failed").length + brokenFiles.length;
  if (passed === 0 && failed === 0) {
    console.log("no test ran");
    failed = 1;
  }
  if (exitCode !== 0 && failed === 0) failed = 1;
  return { passed, failed, skipped: tests.length - passed - tests.filter((test) => test.status === "failed").length };
}

async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), "caleido-test-"));
  const report = join(folder, "vitest.json");
  try {
    const args = [
      "run",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...process.argv.slice(2),
    ];
    const exitCode = await run("vitest", "vitest", args, 40 * minute);
    return countTests(report, exitCode);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const failures = await runChecks();
const start = performance.now();
console.log("\n== tests (vitest)");
const tests = await runTests();
console.log(`== tests (vitest): ${secondsSince(start)}`);
const total = {
  passed: tests.passed + checks.length - failures.length,
  failed: tests.failed + failures.length,
  skipped: tests.skipped,
};
if (tests.failed > 0) failures.push("tests");
if (failures.length > 0) console.log(`\nfailed: ${failures.join(", ")}`);
process.exitCode = total.failed > 0 ? 1 : 0;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
