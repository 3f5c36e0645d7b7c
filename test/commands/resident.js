/**
 * Runs verbs of the built program in one process, one after the other, for tests that judge what is printed and written and
 * the exit code: `cli.js` is evaluated anew for each, the modules that it loads are loaded once. Takes `{ args, folder }` from
 * the parent process and answers `{ code, stdout, stderr, memory }`.
 */
const cli = new URL("../../dist/cli.js", import.meta.url);
/** A verb whose process would still be running this long after its last line hangs [ms]. */
const PATIENCE = 5000;

/** What keeps this process alive, by name: of itself its three pipes. */
const awaited = () => process.getActiveResourcesInfo().toSorted().join();
const before = [process.stdout, process.stderr, process.channel].map(() => "PipeWrap").join();

/** @throws Error where something else keeps the process alive. */
async function rest() {
  for (const start = performance.now(); awaited() !== before;) {
    if (performance.now() - start > PATIENCE) throw new Error(`the process does not end: ${awaited()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** One verb; the last thing that it does is what a process does at its end. */
async function run(args) {
  const known = process.listeners("exit");
  const result = { code: undefined, stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    process[name].write = (text) => {
      if (result.code === undefined) result[name] += text;
      return true;
    };
  }
  // nothing that comes after is heard: what is thrown passes through the handlers of the program
  process.exit = (code) => {
    result.code ??= code;
    throw new Error(`exit code ${code}`);
  };
  process.argv.splice(1, Infinity, cli.pathname, ...args);
  try {
    await import(`${cli.href}?${performance.now()}`);
  } catch (error) {
    if (result.code === undefined) throw error;
  }
  if (result.code === undefined) await rest();
  result.code ??= 0;
  for (const listener of process.listeners("exit").filter((one) => !known.includes(one))) {
    listener(result.code);
    process.off("exit", listener);
  }
  return result;
}

process.on("message", async ({ args, folder }) => {
  process.chdir(folder);
  process.send({ ...(await run(args)), memory: process.memoryUsage.rss() });
});
