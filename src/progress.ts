/** How work that takes a while tells of itself: the library speaks to a reporter, the caller decides where that goes. */
import { counted, duration } from "./text.ts";

/** Progress of one piece of work. */
export interface Bar {
  /** `done` of the bar's total; `note` is what to show beside it. */
  update(this: void, done: number, note?: string): void;
  stop(this: void): void;
}

export interface Reporter {
  /** A line for a person: what was found, left out or written. */
  say(this: void, line: string): void;
  /** Without a total only the notes can be shown. */
  bar(this: void, label: string, total: number | undefined): Bar;
}

/** Says nothing. */
export const silent: Reporter = {
  say: () => {},
  bar: () => ({ update: () => {}, stop: () => {} }),
};

/** `| 1,200 rows | 340 rows/s | 5 s left`, after so many seconds; without a total nobody knows what is left. */
export function rateNote(done: number, total: number | undefined, seconds: number): string {
  const rate = done / Math.max(seconds, 1e-3);
  const left = total === undefined ? "" : ` | ${duration(Math.max(0, total - done) / rate)} left`;
  return `| ${counted(done, "row")} | ${Math.round(rate).toLocaleString("en-US")} rows/s${left}`;
}
