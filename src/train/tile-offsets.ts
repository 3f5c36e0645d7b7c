/** Zero-points of single tiles, or pointings, beside those that all rows of a survey share. */
import { sizesOf, type Templates } from "../model/template-fit.ts";
import { allRows, type Catalog, select } from "../survey/catalog.ts";
import { catalogStore } from "../tokens/batch.ts";
import { fitRow, gatherRows, shelve, weighed } from "./carried-fit.ts";
import { lossOf, measuredFluxes, type Prior, type Scene, shiftsFrom } from "./carried-likelihood.ts";
import type { NetworkCoder } from "./config.ts";
import { minimise } from "./minimise.ts";
import { bandsOf, correctTemplates } from "./spectral-correction.ts";
import type { TileOffsets } from "./tiles-schema.ts";
import { errorsAt, metricAt } from "./zero-point-errors.ts";
import { assumedOf, type Instrument } from "./zero-points.ts";

/** Fewer rows of a tile tell nothing, more nothing more; tiles that are fitted at most, those with the most rows. */
const [FEWEST_ROWS, MOST_ROWS, MOST_TILES] = [100, 250, 24];
/** 1 sigma of a tile's zero-point beside all rows' [ln], and of everything else, which stays. */
const [PRIOR, STILL] = [0.03, 1e-4];
/** Tiles differ where one of them is this many errors (rms over optical and infrared bands) from all; alike ones reach 1 to 1.8. */
const SURE = 2;
/** Times that all carried galaxies are looked at. */
const ROUNDS = 2;
/** A round ends where a step gains less than this in ln. */
const GAIN = 1e-2;

/** Rows of each tile that has enough, most rows first. */
function tilesOf({ tile, rowCount }: Catalog): (readonly [tile: string, rows: number[]])[] {
  const by = new Map<string, number[]>();
  for (let row = 0; row < rowCount; row++) {
    const name = tile?.[row] ?? "";
    if (name !== "") by.set(name, [...(by.get(name) ?? []), row]);
  }
  const full = [...by].filter(([, rows]) => rows.length >= FEWEST_ROWS);
  return full.sort(([, one], [, other]) => other.length - one.length).slice(0, MOST_TILES);
}

/**
 * Zero-points of single tiles of a catalogue's rows beside those of all, the most probable ones under Gaussian priors of .03 in ln,
 * as `fitInstrument` finds those, galaxies' spectra corrected as it says. A grey offset is brightness: each tile's mean over
 * optical and infrared bands stays 0. What a dimming by dust that differs from tile to tile does is among them. None where fewer
 * than two tiles have 100 rows, and where they are alike. A function of its arguments alone.
 */
export function fitTiles(
  coder: NetworkCoder,
  templates: Templates,
  catalog: Catalog,
  { zeroPoints, correction }: Instrument,
): TileOffsets {
  const tiles = tilesOf(catalog);
  if (tiles.length < 2) return [];
  const { nBand } = sizesOf(templates);
  const bands = bandsOf(coder, nBand);
  const { assumed, usual } = assumedOf(bands);
  const modelErrors = assumed.map(({ model }) => model);
  const corrected = shelve(
    coder,
    correctTemplates(coder, templates, correction),
    bands,
    bands.map(() => 0),
  );
  const size = shiftsFrom(nBand) + nBand;
  const start = new Float64Array(size);
  zeroPoints.forEach(({ lnFlux }, j) => (start[j] = lnFlux));
  const shelf = { ...corrected, flux: measuredFluxes(corrected, start) };
  const priors = Array.from({ length: size }, (_, p): Prior => ({ of: [[p, 1]], sigma: p < nBand ? PRIOR : STILL }));
  const noise = zeroPoints.map(({ lnNoise }) => Math.exp(lnNoise));
  const found = tiles.map(([tile, numbers]) => {
    const step = Math.max(1, numbers.length / MOST_ROWS);
    const own = select(
      catalog,
      Int32Array.from(numbers.filter((_, i) => Math.floor(i / step) > Math.floor((i - 1) / step))),
    );
    const given = gatherRows(coder, shelf, catalogStore(own), allRows(own), modelErrors);
    const rows = given.map((row) => weighed(row, noise, modelErrors));
    const at = new Float64Array(size);
    let scene: Scene = { shelf, rows, near: [], priors, tempers: { known: 1, unknown: 1 } };
    for (let round = 0; round < ROUNDS; round++) {
      const models = measuredFluxes(shelf, at);
      scene = { ...scene, near: rows.map((row) => fitRow(shelf, models, row).which) };
      minimise(lossOf(scene), at, GAIN, metricAt(scene, at));
      const grey = usual.reduce((sum, j) => sum + at[j], 0) / Math.max(1, usual.length);
      for (let j = 0; j < nBand; j++) at[j] -= grey;
    }
    const errors = errorsAt(scene, at, usual);
    const isSeen = (j: number): boolean => rows.some(({ weight }) => weight[j] > 0);
    return {
      tile,
      lnFlux: Array.from({ length: nBand }, (_, j) => (isSeen(j) ? at[j] : 0)),
      error: Array.from({ length: nBand }, (_, j) =>
        Math.hypot(errors[j].statistical, errors[j].model, assumed[j].floor),
      ),
      rows: rows.length,
    };
  });
  const pulls = found.map(({ lnFlux, error }) =>
    Math.sqrt(usual.reduce((sum, j) => sum + (lnFlux[j] / error[j]) ** 2, 0) / usual.length),
  );
  return pulls.some((pull) => pull > SURE) ? found : [];
}

/** A catalogue whose tiles' fluxes and errors are multiplied by what they differ by; itself where none is known. */
export function onTiles({ groups, nField }: NetworkCoder, catalog: Catalog, tiles: TileOffsets): Catalog {
  if (tiles.length === 0) return catalog;
  const known = new Map(tiles.map((one) => [one.tile, one.lnFlux.map((x) => Math.exp(x))]));
  if (catalog.tile === undefined || !catalog.tile.some((tile) => known.has(tile))) return catalog;
  const [value, error] = [catalog.value.slice(), catalog.error.slice()];
  catalog.tile.forEach((tile, row) => {
    for (const [b, factor] of (known.get(tile) ?? []).entries()) {
      const at = row * nField + groups.band[b];
      value[at] *= factor;
      error[at] *= factor;
    }
  });
  return { ...catalog, value, error };
}
