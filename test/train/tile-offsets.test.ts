import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNetwork } from "../../src/inference/network.ts";
import { createRng } from "../../src/random.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { type Checkpoint, loadCheckpoint, saveAverages } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { sampleRows } from "../../src/train/tables.ts";
import { fitTiles, onTiles } from "../../src/train/tile-offsets.ts";
import type { TileOffsets } from "../../src/train/tiles-schema.ts";
import { noInstrument } from "../../src/train/zero-points.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";

/** Zero-points of single tiles, put into simulated rows and taken out again. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const { config, templates } = loadCheckpoint("caleido-jpas");
const coder = coderOf(config, templates);
const bands = Array.from(coder.groups.band);
const n = coder.nField;
/** Optical bands: ultraviolet ones are poorly told. */
const optical = bands.flatMap((j, b) => (config.survey.fields[j].band!.pivot > 3000 ? [b] : []));
const TILES = ["a", "b", "c", "few"];
const tileOf = (row: number): string => (row % 12 === 0 ? "few" : TILES[row % 3]);
const rng = createRng("tiles");
/** [tile][band] ln of what fluxes are too bright by, the mean of optical bands 0. */
const truth = new Map(
  TILES.map((tile) => {
    const drawn = bands.map(() => 0.03 * rng.normal());
    const grey = optical.reduce((sum, b) => sum + drawn[b], 0) / optical.length;
    return [tile, drawn.map((x) => x - grey)] as const;
  }),
);
let sky: Catalog;
let shifted: Catalog;
let found: TileOffsets;

beforeAll(async () => {
  const survey = loadSurvey("minijpas");
  const table = join(root, "sky.parquet");
  await simulate({ survey: "minijpas", out: table, n: 720, seed: "tiles", zeroPointScale: 0, workers: 0 });
  const read = await sampleRows(table, "all", { survey });
  sky = { ...read, tile: Array.from({ length: read.rowCount }, (_, row) => tileOf(row)) };
  const [value, error] = [sky.value.slice(), sky.error.slice()];
  for (let row = 0; row < sky.rowCount; row++) {
    for (const [b, j] of bands.entries()) {
      const factor = Math.exp(truth.get(tileOf(row))![b]);
      value[row * n + j] *= factor;
      error[row * n + j] *= factor;
    }
  }
  shifted = { ...sky, value, error };
  found = fitTiles(coder, templates!, shifted, noInstrument(bands.length));
}, 120_000);

describe("zero-points of tiles", () => {
  it("come back, of those with rows enough", () => {
    expect(found.map(({ tile }) => tile).sort()).toStrictEqual(["a", "b", "c"]);
    for (const { tile, lnFlux, error } of found) {
      const pairs = optical.map((b) => [-truth.get(tile)![b], lnFlux[b], error[b]] as const);
      const rms = Math.sqrt(pairs.reduce((sum, [x, y]) => sum + (y - x) ** 2, 0) / pairs.length);
      const before = Math.sqrt(pairs.reduce((sum, [x]) => sum + x ** 2, 0) / pairs.length);
      const slope = pairs.reduce((sum, [x, y]) => sum + x * y, 0) / pairs.reduce((sum, [x]) => sum + x * x, 0);
      expect(before).toBeGreaterThan(0.02);
      expect(rms).toBeLessThan(0.012);
      expect(Math.abs(slope - 1)).toBeLessThan(0.15);
      const pulls = Math.sqrt(pairs.reduce((sum, [x, y, e]) => sum + ((y - x) / e) ** 2, 0) / pairs.length);
      expect(pulls).toBeLessThan(2);
      expect(pulls).toBeGreaterThan(0.3);
    }
  });

  it("are none where tiles are alike", () => {
    expect(fitTiles(coder, templates!, sky, noInstrument(bands.length))).toStrictEqual([]);
  });

  it("are taken out of the rows of their tiles alone, errors too", () => {
    const back = onTiles(coder, shifted, found);
    const at = (catalog: Catalog, row: number, b: number): number => catalog.value[row * n + bands[b]];
    const few = Array.from({ length: sky.rowCount }, (_, row) => row).filter((row) => tileOf(row) === "few");
    for (const row of few) for (const b of optical) expect(at(back, row, b)).toBe(at(shifted, row, b));
    const [b] = optical;
    const a = found.find(({ tile }) => tile === tileOf(1))!;
    expect(at(back, 1, b) / at(shifted, 1, b)).toBeCloseTo(Math.exp(a.lnFlux[b]), 5);
    expect(back.error[n + bands[b]] / shifted.error[n + bands[b]]).toBeCloseTo(Math.exp(a.lnFlux[b]), 5);
    // one tile, or none, is no reason to look
    expect(fitTiles(coder, templates!, { ...sky, tile: sky.tile!.map(() => "a") }, noInstrument(62))).toStrictEqual([]);
    const { tile: _none, ...without } = sky;
    expect(fitTiles(coder, templates!, without, noInstrument(62))).toStrictEqual([]);
    expect(onTiles(coder, without, found)).toBe(without);
  });

  it("travel with a checkpoint, whose network sees rows without them", async () => {
    const network = { ...loadCheckpoint("caleido-jpas"), tiles: found };
    await saveAverages(join(root, "adapted"), { ...network, config: { ...network.config, isCalibrated: true } });
    const adapted = loadCheckpoint(join(root, "adapted"));
    expect(adapted.tiles).toStrictEqual(found);
    const { tiles: _tiles, ...bare } = adapted;
    const engine = await onnx;
    const rows = Int32Array.from({ length: 40 }, (_, i) => i);
    const statesOf = async (one: Checkpoint, catalog: Catalog): Promise<Float32Array> => {
      const asked = createNetwork(engine, one);
      const { state } = await asked.encode(
        catalog,
        rows,
        Uint8Array.from(coder.fields, ({ band }) => Number(band !== undefined)),
      );
      await asked.dispose();
      return state;
    };
    const own = await statesOf(adapted, shifted);
    expect(own).toStrictEqual(await statesOf(bare, onTiles(coder, shifted, found)));
    expect(own).not.toStrictEqual(await statesOf(bare, shifted));
    // simulations have none
    const plain = { ...adapted, config: { ...adapted.config, isCalibrated: false } };
    expect(await statesOf(plain, shifted)).not.toStrictEqual(own);
  }, 60_000);
});
