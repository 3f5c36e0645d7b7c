import type { Rng } from "../random.ts";
import type { SimulationOptions } from "./options.ts";

/** Why a band of an object has no flux. */
const mechanisms = {
  spectrum: "the spectrum does not reach it",
  footprint: "outside the sky of the instrument's layers",
  edge: "near the edge of the tile",
  star: "halo of a bright star",
  neighbour: "blended with a neighbour",
  artefact: "cosmic ray, satellite, bad pixels",
  faint: "below the detection limit",
};
type Mechanism = keyof typeof mechanisms;

/** Mechanisms with what they mean. The place in this list + 1 is a mechanism's code; 0 = the band has a flux. */
export const MECHANISMS = Object.entries(mechanisms) as readonly (readonly [Mechanism, string])[];

export const codeOf = (mechanism: Mechanism): number => MECHANISMS.findIndex(([name]) => name === mechanism) + 1;

/** What the mechanisms need to know of a band. */
export interface ExposedBand {
  readonly pivot: number;
  /** Bands of one tray share their dithers and so the edge of their image; undefined: another instrument, not on the image. */
  readonly tray: string | undefined;
  /** FWHM [arcsec] of every tile; undefined where the survey doesn't say. */
  readonly seeing: Float64Array | undefined;
}

/** Band filters that are in front of the camera together; the band's place among those of its group. */
export const TRAY_SIZE = 14;

/** Two bands' images end alike within this part of the dithered margin when they share a tray. */
const DITHER = 0.1;
/** Part of the bright stars that are red, and so cost the red bands first. */
const RED_STARS = 0.7;

/** Causes of missing bands that come with an object's place on the image, correlated from band to band. */
export interface Losses {
  /** Where the image of each band ends in the margin of a pointing, 0 (inside) ... 1. */
  drawEnds(rng: Rng): number[];
  /** Fills `cause` [nBand] for one object of a pointing. */
  draw(pointing: { readonly tile: number; readonly ends: readonly number[] }, rng: Rng, cause: Uint8Array): void;
}

/** Rank of each value in 0 ... 1, the largest at 0. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[b] - values[a]);
  const rank = values.map(() => 0);
  order.forEach((i, place) => (rank[i] = (place + 0.5) / values.length));
  return rank;
}

/**
 * Losses of a survey. An object near the edge, under a star's halo or blended loses half of the bands on average, so the
 * part of the objects that this happens to is twice the mechanism's share of `missingFraction`.
 */
export function createLosses(
  bands: readonly ExposedBand[],
  options: Pick<SimulationOptions, "missing" | "missingFraction">,
  tileCount: number,
): Losses {
  const shares = Object.values(options.missing).reduce((sum, share) => sum + share, 0);
  const part = (share: number): number => (shares > 0 ? (options.missingFraction * share) / shares : 0);
  const affected = (share: number): number => Math.min(1, 2 * part(share));
  const [edge, star, neighbour] = [options.missing.edge, options.missing.star, options.missing.neighbour].map(affected);
  const artefact = part(options.missing.artefact);

  const onImage = bands.flatMap(({ tray }, j) => (tray === undefined ? [] : [j]));
  const fromRed = ranks(onImage.map((j) => bands[j].pivot));
  const trays = [...new Set(onImage.map((j) => bands[j].tray))];
  const trayOf = onImage.map((j) => trays.indexOf(bands[j].tray));
  const blurred = Array.from({ length: tileCount }, (_, tile) =>
    ranks(onImage.map((j) => bands[j].seeing?.[tile % bands[j].seeing.length] ?? 1)),
  );
  return {
    drawEnds(rng) {
      const trayEnds = trays.map(() => rng.uniform());
      return trayOf.map((tray) => trayEnds[tray] + DITHER * (rng.uniform() - 0.5));
    },
    draw({ tile, ends }, rng, cause) {
      const mark = (mechanism: Mechanism, isLost: (k: number) => boolean): void => {
        onImage.forEach((j, k) => {
          if (cause[j] === 0 && isLost(k)) cause[j] = codeOf(mechanism);
        });
      };
      const [nearEdge, nearStar, blended] = [rng.uniform(), rng.uniform(), rng.uniform()];
      if (nearEdge < edge) {
        const place = rng.uniform();
        mark("edge", (k) => place > ends[k]);
      }
      if (nearStar < star) {
        const [severity, isRed] = [rng.uniform(), rng.uniform() < RED_STARS];
        mark("star", (k) => (isRed ? fromRed[k] : 1 - fromRed[k]) < severity);
      }
      if (blended < neighbour) {
        const severity = rng.uniform();
        mark("neighbour", (k) => blurred[tile][k] < severity);
      }
      if (artefact > 0) mark("artefact", () => rng.uniform() < artefact);
    },
  };
}
