import { createRng, type Rng } from "../random.ts";
import { entry, type ObservedBand } from "./instrument.ts";
import type { Losses } from "./missing.ts";
import type { SimulationOptions } from "./options.ts";

/** One place on the sky, observed once: what its objects share. */
export interface Pointing {
  /** Index of the survey's tile, whose depth, seeing and exposures the bands have. */
  readonly tile: number;
  /** What tables call it: the tile, with a number where objects share it. */
  readonly name: string;
  /** [nBand] The tile, or the layer of the band's instrument; -1 where no layer is. */
  readonly parts: Int16Array;
  /** [nBand] Factor of the flux that the error of the zero-point makes. */
  readonly zeroPoints: Float64Array;
  /** Where the image of each band ends in the margin of the tile: see `Losses`. */
  readonly ends: readonly number[];
  /** E(B-V) of the Milky Way in front, and what a dust map says of it [mag]. */
  readonly ebv: number;
  readonly mapped: number;
}

const PER_MAG = 0.4 * Math.LN10;

/** What pointings are drawn with. */
export interface PointingSetup {
  readonly bands: readonly ObservedBand[];
  /** Places of the bands whose instruments have layers. */
  readonly layered: readonly number[];
  /** Names of the survey's tiles. */
  readonly tiles: readonly string[];
  readonly options: SimulationOptions;
  readonly losses: Losses;
}

/** The tile, or the layer of each instrument that has layers: the same for all bands of an instrument. */
function drawParts({ bands, layered, options }: PointingSetup, tile: number, rng: Rng): Int16Array {
  const u = rng.uniform();
  const parts = new Int16Array(bands.length).fill(tile);
  for (const j of layered) {
    const layers = bands[j].collector?.layers ?? [];
    const total = layers.reduce((sum, { share }) => sum + share, 0);
    const scale = (options.uvCoverage ?? total) / total;
    let covered = 0;
    parts[j] = layers.findIndex(({ share }) => u < (covered += share * scale));
  }
  return parts;
}

function drawReddening({ foreground }: SimulationOptions, rng: Rng): Pick<Pointing, "ebv" | "mapped"> {
  const { range } = foreground;
  const ebv =
    range === undefined
      ? foreground.ebv * 10 ** (foreground.scatter * rng.normal())
      : range[0] + (range[1] - range[0]) * rng.uniform();
  return { ebv, mapped: ebv * Math.max(0, 1 + foreground.mapError * rng.normal()) };
}

/**
 * A pointing of the survey. Its zero-point errors have a size of their own, from nothing (recalibrated on the colours of
 * stars or galaxies) to what the survey states.
 */
export function drawPointing(setup: PointingSetup, rng: Rng): Pointing {
  const { bands, options, tiles, losses } = setup;
  const tile = rng.integer(tiles.length);
  const parts = drawParts(setup, tile, rng);
  const size = options.systematics * options.zeroPointScale * rng.uniform();
  const zeroPoints = new Float64Array(bands.length);
  for (let j = 0; j < bands.length; j++) {
    const { band, offset } = bands[j];
    const error = entry(band.zeroPointError, Math.max(0, parts[j]));
    zeroPoints[j] = Math.exp(-PER_MAG * (offset + size * error * rng.normal()));
  }
  return { tile, name: tiles[tile], parts, zeroPoints, ends: losses.drawEnds(rng), ...drawReddening(options, rng) };
}

/** The pointings that all objects of a simulation share; none where every row has its own. */
export function sharedPointings(setup: PointingSetup): Pointing[] {
  const { pointings = 0, seed } = setup.options;
  return Array.from({ length: pointings }, (_, p) => {
    const pointing = drawPointing(setup, createRng(`${seed}:pointing:${p}`));
    return { ...pointing, name: `${pointing.name}-${p}` };
  });
}
