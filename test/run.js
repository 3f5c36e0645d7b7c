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

/** Runs a tool without standard input. Resolves to its exit code; a tool that hangs is killed and counts as failed. */
function run(tool, bin, args, limit) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [binPath(tool, bin), ...args], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      timeout: limit,
      killSignal: "SIGKILL",
    });
    child.on("error", (error) => {
      console.log(error.message);
      resolve(2);
    });
    child.on("close", (code, signal) => {
      if (signal) console.log(`${bin} was ended by ${signal} (limit: ${limit / minute} minutes)`);
      resolve(code ?? 2);
    });
  });
}

async function section(name, body) {
  const start = performance.now();
  console.log(`\n== ${name}`);
  const result = await body();
  console.log(`== ${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return result;
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

const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
for (const { name, tool, bin, args } of checks) {
  const isClean = (await section(`${name} (${bin} ${args.join(" ")})`, () => run(tool, bin, args, 10 * minute))) === 0;
  total[isClean ? "passed" : "failed"] += 1;
  if (!isClean) failures.push(name);
}
const tests = await section("tests (vitest)", runTests);
for (const key of Object.keys(total)) total[key] += tests[key];
if (tests.failed > 0) failures.push("tests");
if (failures.length > 0) console.log(`\nfailed: ${failures.join(", ")}`);
process.exitCode = total.failed > 0 ? 1 : 0;
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
