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
import type { TileOffsets } from "./tiles-schema.ts";
import { fitInstrument, type ZeroPoint } from "./zero-points.ts";

/** Files of a run folder that tell what was fitted, to all rows and to tiles. */
const ZERO_POINTS_FILE = "zero-points.csv";
const TILES_FILE = "zero-points-of-tiles.csv";
/** Fewer rows than this in the best band tell nothing. */
const FEWEST_ROWS = 100;
/** Bands that are named at most, those that are off most. */
const NAMED = 6;
/** A band is off where its zero-point is this many errors from nothing. */
const SURE = 3;

const inMagnitudes = (ln: number): string => Math.abs(magnitudesOf(ln)).toFixed(4);

/** Columns of the table: what is added to a band's magnitudes with its 1 sigma error and that error's parts [mag]; rows; scatter of faint rows and the factor that errors are multiplied by. */
const columns: readonly (readonly [string, (one: ZeroPoint) => string])[] = [
  ["zero_point_mag", ({ lnFlux }) => magnitudesOf(lnFlux).toFixed(4)],
  ["error_mag", ({ error }) => inMagnitudes(error)],
  ["statistical_mag", ({ statistical }) => inMagnitudes(statistical)],
  ["model_mag", ({ model }) => inMagnitudes(model)],
  ["rows", ({ count }) => String(count)],
  ["noise", ({ noise }) => (Number.isNaN(noise) ? "" : noise.toFixed(3))],
  ["noise_factor", ({ lnNoise }) => Math.exp(lnNoise).toFixed(3)],
  ["shift_A", ({ shift }) => shift.toFixed(1)],
  ["shift_error_A", ({ shiftError }) => shiftError.toFixed(1)],
];

/** A line a band. */
function tableOf(bands: readonly string[], zeroPoints: readonly ZeroPoint[]): string {
  const head = ["band", ...columns.map(([name]) => name)];
  const lines = zeroPoints.map((one, j) => [bands[j], ...columns.map(([, tell]) => tell(one))]);
  return `${[head, ...lines].map((line) => line.join(",")).join("\n")}\n`;
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
  const off = zeroPoints
    .flatMap(({ lnFlux: x, error }, j) => (Math.abs(x) > SURE * error ? [{ j, x, error }] : []))
    .sort((one, other) => Math.abs(other.x) - Math.abs(one.x));
  const named = off
    .slice(0, NAMED)
    .map(({ j, x, error }) => `${bands[j]} ${magnitudesOf(x).toFixed(3)} +- ${inMagnitudes(error).slice(0, -1)}`);
  const which =
    off.length === 0 ? "" : ` (mag to add${off.length > NAMED ? ", the largest" : ""}: ${named.join(", ")})`;
  reporter.say(
    `zero-points fitted: ${counted(off.length, "band")} off by more than ${SURE} sigma${which}; all in ${ZERO_POINTS_FILE}`,
  );
}

/** Writes what tiles differ by to `zero-points-of-tiles.csv` of the run folder, and says by how much. */
export async function tellTiles(
  coder: NetworkCoder,
  tiles: TileOffsets,
  folder: string,
  reporter: Reporter,
): Promise<void> {
  const bands = Array.from(coder.groups.band, (j) => coder.fields[j].name);
  const lines = tiles.flatMap(({ tile, lnFlux, error, rows }) =>
    lnFlux.map((x, b) => [tile, bands[b], magnitudesOf(x).toFixed(4), inMagnitudes(error[b]), String(rows)].join(",")),
  );
  const head = "tile,band,zero_point_mag,error_mag,rows";
  await writeFileAtomic(join(folder, TILES_FILE), `${[head, ...lines].join("\n")}\n`);
  const all = tiles.flatMap(({ lnFlux }) => lnFlux);
  const rms = Math.abs(magnitudesOf(Math.sqrt(all.reduce((sum, x) => sum + x * x, 0) / all.length)));
  reporter.say(
    `${counted(tiles.length, "tile")} differ by ${rms.toFixed(3)} mag (rms) from that; all in ${TILES_FILE}`,
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
  const instrument = fitInstrument(coder, templates, part.store, part.rows, adapt.passbands);
  const { zeroPoints } = instrument;
  if (zeroPoints.every(({ count }) => count < FEWEST_ROWS)) return trained;
  await tellZeroPoints(coder, zeroPoints, folder, reporter);
  return withInstrument(start, instrument);
}
