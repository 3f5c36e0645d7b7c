import { Presets, SingleBar } from "cli-progress";
import Table from "cli-table3";
import { isatty } from "node:tty";
import pc from "picocolors";

/** Where the commands speak: results to stdout, everything said on the way to stderr. */
export interface Bar {
  update(done: number, note?: string): void;
  stop(): void;
}

/** Colours on a terminal only: a log file, also that of a CI system, stays plain. NO_COLOR switches them off. */
export const colours = pc.createColors(isatty(2) && process.env.NO_COLOR === undefined);

export function say(text: string): void {
  console.error(text);
}

export function heading(text: string): void {
  console.error(colours.bold(`\n${text}`));
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** A bar on a terminal; elsewhere a plain line every ten seconds. Without a total only the notes are shown. */
export function progressBar(label: string, total: number | undefined): Bar {
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

/** Three or four significant digits, no exponent where it can be avoided. */
export function number(x: number): string {
  if (!Number.isFinite(x)) return "-";
  const size = Math.abs(x);
  if (size === 0) return "0";
  if (size >= 1e5 || size < 1e-4) return x.toExponential(2);
  if (size >= 1000) return x.toFixed(0);
  return x.toFixed(Math.max(0, size < 1 ? 3 - Math.floor(Math.log10(size)) - 1 : 3 - Math.floor(Math.log10(size))));
}
