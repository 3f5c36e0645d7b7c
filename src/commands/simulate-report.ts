import type { SimulationOptions } from "../simulate/options.ts";
import { version } from "../version.ts";
import { type LookRequest, writeLook } from "./look-report.ts";
import { duration } from "./terminal.ts";

/** A finished simulation: what was asked for, what came, how long it took. */
export interface FinishedSimulation extends Pick<LookRequest, "sample" | "others" | "out" | "figures"> {
  readonly options: SimulationOptions;
  /** Built-in galaxies, which are selected by magnitude; observed spectra are taken as they come. */
  readonly isBuiltin: boolean;
  readonly command: readonly string[];
  readonly seconds: number;
}

function selectionWords({ selection, redshift }: SimulationOptions): string {
  const { min, max, median } = redshift;
  const shape = median === undefined ? "volume and mass function" : `n(z) with median ${median}`;
  return `${selection.bright} < ${selection.band} < ${selection.faint} AB mag without noise, z ${min} – ${max}, ${shape}`;
}

/** Writes the page of a simulation; returns the number of its figures. */
export async function writeSimulationReport(finished: FinishedSimulation): Promise<number> {
  const { options, isBuiltin, command, seconds, sample } = finished;
  const selection = isBuiltin ? selectionWords(options) : "";
  const noise = [
    `noise × ${options.noiseScale}`,
    `zero-point errors × ${options.zeroPointScale}`,
    ...(options.offsets === undefined ? [] : [`fixed zero-point offsets of ${options.offsets.rms} mag rms`]),
  ];
  return writeLook({
    ...finished,
    title: isBuiltin ? "A simulated survey" : "Observed spectra, seen by a survey",
    facts: [
      ["command", `caleido ${command.join(" ")}`],
      ["seed", String(options.seed)],
      ...(isBuiltin ? [["selection", selection] as const] : []),
      ["instrument", noise.join(", ")],
      [
        "time",
        `${duration(seconds)}, ${Math.round(sample.rowCount / seconds).toLocaleString("en-US")} rows/s, start-up included`,
      ],
      ["Caleido", version],
    ],
    ...(isBuiltin ? { selection, limit: { band: options.selection.band, faint: options.selection.faint } } : {}),
  });
}
