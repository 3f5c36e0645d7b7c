import { Presets, SingleBar } from "cli-progress";
import Table from "cli-table3";
import { isatty } from "node:tty";
import pc from "picocolors";
import type { Engine } from "../engine/contract.ts";
import type { Bar, Reporter } from "../progress.ts";
import type { RunSetting } from "../train/run-tables.ts";

/** Colours on a terminal only: a log file, also that of a CI system, stays plain. NO_COLOR switches them off. */
export const colours = pc.createColors(isatty(2) && process.env.NO_COLOR === undefined);

export function say(text: string): void {
  console.error(text);
}

export function heading(text: string): void {
  console.error(colours.bold(`\n${text}`));
}

/** A bar on a terminal; elsewhere a plain line every ten seconds. Without a total only the notes are shown. */
function progressBar(label: string, total: number | undefined): Bar {
  const isTerminal = process.stderr.isTTY;
  if (isTerminal) {
    const format = total === undefined ? `  ${label} {note}` : `  ${label} {bar} {percentage}% {note}`;
    const bar = new SingleBar({ format, stream: process.stderr, hideCursor: true, fps: 5 }, Presets.shades_classic);
    bar.start(total ?? 1, 0, { note: "" });
    return { update: (done, note = "") => bar.update(done, { note }), stop: () => bar.stop() };
  }
  let last = performance.now();
  return {
    update(done, note = "") {
      const now = performance.now();
      if (now - last < 10_000 && done < (total ?? Infinity)) return;
      last = now;
      console.error(`  ${label} ${total === undefined ? "" : `${((100 * done) / total).toFixed(0)}% `}${note}`);
    },
    stop: () => {},
  };
}

/** A table of results on stdout. Numbers are to be formatted by the caller. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const table = new Table({
    head: [...head],
    style: { head: process.stdout.isTTY ? ["bold"] : [], border: process.stdout.isTTY ? ["gray"] : [], compact: true },
    colAligns: head.map((_, i) => (i === 0 ? "left" : "right")),
  });
  for (const row of rows) table.push([...row]);
  console.log(table.toString());
}

/** What the library tells of its work goes to stderr, results to stdout. */
export const terminal: Reporter = { say: (line) => say(`  ${line}`), bar: progressBar };

/** Signal that Ctrl-C raises once; a second Ctrl-C ends the process as usual. */
function interruptSignal(onFirst: () => void): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const onInterrupt = (): void => {
    // stays registered: a file that is being written would else take the first Ctrl-C for the end of the process
    if (!controller.signal.aborted) {
      controller.abort();
      onFirst();
      return;
    }
    process.removeListener("SIGINT", onInterrupt);
    process.kill(process.pid, "SIGINT");
  };
  process.on("SIGINT", onInterrupt);
  return { signal: controller.signal, release: () => process.removeListener("SIGINT", onInterrupt) };
}

/** Runs a training verb that Ctrl-C stops after the step in progress, saved. */
export async function interruptible<T>(engine: Engine, work: (setting: RunSetting) => Promise<T>): Promise<T> {
  const { signal, release } = interruptSignal(() => say("\n  stopping after this step; Ctrl-C again to give up"));
  try {
    return await work({ engine, signal, reporter: terminal });
  } finally {
    release();
  }
}
