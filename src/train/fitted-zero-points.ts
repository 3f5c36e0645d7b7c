/** An adaptation begins with zero-points that are fitted to the target's photometry, where its network carries galaxies. */
import { join } from "node:path";
import { makeFolder, writeFileAtomic } from "../io/atomic.ts";
import type { Reporter } from "../progress.ts";
import { counted } from "../text.ts";
import { magnitudesOf } from "./calibration.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { coderOf, type NetworkCoder } from "./config.ts";
import { withInstrument } from "./instrument-layer.ts";
import type { TrainingTable } from "./tables.ts";
import { fitInstrument, type ZeroPoint } from "./zero-points.ts";

/** File of a run folder that tells what was fitted. */
const ZERO_POINTS_FILE = "zero-points.csv";
/** Fewer rows than this in the best band tell nothing. */
const FEWEST_ROWS = 100;
/** A band is off where its zero-point is this many errors from nothing. */
const SURE = 3;

/** A line a band: what is added to its magnitudes, 1 sigma [mag], rows, and the scatter of faint rows in errors as given. */
function tableOf(bands: readonly string[], zeroPoints: readonly ZeroPoint[]): string {
  const lines = zeroPoints.map(({ lnFlux, error, count, noise }, j) =>
    [
      bands[j],
      magnitudesOf(lnFlux).toFixed(4),
      Math.abs(magnitudesOf(error)).toFixed(4),
      count,
      Number.isNaN(noise) ? "" : noise.toFixed(3),
    ].join(","),
  );
  return `${["band,zero_point_mag,error_mag,rows,noise", ...lines].join("\n")}\n`;
}

/** Writes what was fitted to `zero-points.csv` of the run folder, and says which bands are off. */
export async function tellZeroPoints(
  coder: NetworkCoder,
  zeroPoints: readonly ZeroPoint[],
  folder: string,
  reporter: Reporter,
): Promise<void> {
  const bands = Array.from(coder.groups.band, (j) => coder.fields[j].name);
  makeFolder(folder);
  await writeFileAtomic(join(folder, ZERO_POINTS_FILE), tableOf(bands, zeroPoints));
  const off = zeroPoints.flatMap(({ lnFlux: x, error }, j) =>
    Math.abs(x) > SURE * error
      ? [`${bands[j]} ${magnitudesOf(x).toFixed(3)} +- ${Math.abs(magnitudesOf(error)).toFixed(3)}`]
      : [],
  );
  reporter.say(
    `zero-points fitted: ${counted(off.length, "band")} off by more than ${SURE} sigma${off.length === 0 ? "" : ` (mag to add: ${off.join(", ")})`}; all in ${ZERO_POINTS_FILE}`,
  );
}

/**
 * `start` with the zero-points that its unlabelled tables' training rows say, and the spectra of the galaxies that it carries
 * corrected, which training keeps; zero-points are told in `zero-points.csv` of the run folder. As it is, to train its zero-points,
 * where the recipe says so, where the network carries no galaxies, or too few rows are there.
 */
export async function withFittedZeroPoints(
  start: Checkpoint,
  tables: readonly TrainingTable[],
  folder: string,
  reporter: Reporter,
): Promise<Checkpoint> {
  const { config, templates } = start;
  const { adapt } = config;
  const part = tables.find(({ record }) => record.role === "unlabelled")?.parts.train;
  if (adapt === undefined || adapt.zeroPoints === "trained" || adapt.calibrationRate === 0) return start;
  const trained = { ...start, config: { ...config, adapt: { ...adapt, zeroPoints: "trained" as const } } };
  if (templates === undefined || part === undefined) return trained;
  const coder = coderOf(config, templates);
  const instrument = fitInstrument(coder, templates, part.store, part.rows);
  const { zeroPoints } = instrument;
  if (zeroPoints.every(({ count }) => count < FEWEST_ROWS)) return trained;
  await tellZeroPoints(coder, zeroPoints, folder, reporter);
  return withInstrument(start, instrument);
}
