import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPredictor, type Predictor } from "../../src/inference/predict.ts";
import { query } from "../../src/inference/query.ts";
import { askSpectrum, type SpectrumAnswer } from "../../src/inference/spectrum-answers.ts";
import { scoreSpectrum } from "../../src/inference/spectrum-scores.ts";
import { readAll } from "../../src/io/columns.ts";
import { openTable, writeTable } from "../../src/io/formats.ts";
import { schemaOf } from "../../src/io/columns.ts";
import { modelSchema } from "../../src/model/transformer.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { convertUnit } from "../../src/survey/units.ts";
import { catalogTable } from "../../src/survey/table.ts";
import { type Checkpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { train } from "../../src/train/loop.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { BRIGHTNESS, LOSS, powerLaw, slopeCatalog } from "../helpers/slopes.ts";
import { sourceOf, toyCatalog } from "../helpers/toy.ts";

/** A small network in a world where spectra follow from two properties, held against the closed form. */

const CELLS = 16;
const ROWS = 300;
const STEPS = 500;
const { catalog, loss } = slopeCatalog(ROWS, "unseen");
const column = catalog.arrays!.get("spectrum")!;
const root = scratch();

let checkpoint: Checkpoint;
let predictor: Predictor;
beforeAll(async () => {
  const seen = slopeCatalog(6000, "seen").catalog;
  const start = startCheckpoint(seen, {
    model: modelSchema.parse({
      nLatent: 2,
      dModel: 32,
      nLayer: 1,
      nHidden: 64,
      dQuery: 16,
      spectrum: { channels: [8, 16], kernel: 5, tokens: 4, out: { cells: CELLS, rank: 8, hidden: 64, redshift: 0.1 } },
    }),
    optimiser: { rate: 4e-3 },
    subsets: { spectra: { hidden: 3, window: 2 }, properties: { uniform: 1, all: 2 }, fullShare: 0 },
    training: { steps: STEPS, batch: 96, nTarget: 1, validateEvery: STEPS, checkpointEvery: STEPS },
  });
  const state = await train(
    {
      engine: await onnx,
      coder: coderOf(start.config),
      sources: [sourceOf(seen)],
      validation: [],
      onProgress: () => {},
      onCheckpoint: () => {},
    },
    start,
  );
  checkpoint = { ...start, state };
  predictor = createPredictor(await onnx, checkpoint);
}, 300_000);
afterAll(() => predictor.dispose());

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Over all cells: median of the answer over `truth`, half 68 % widths in ln(flux), and how often truths are in the 68 % interval. */
function compare(answer: SpectrumAnswer, truth: (row: number, wavelength: number) => number) {
  const out = new Float64Array(3);
  const [ratios, widths, inside]: number[][] = [[], [], []];
  for (let at = 0; at < ROWS * CELLS; at++) {
    if (answer.isAnswered[at] === 0) continue;
    const row = Math.floor(at / CELLS);
    answer.distribution.quantiles(at, [0.16, 0.5, 0.84], out);
    const wavelength = answer.wavelength[at % CELLS];
    ratios.push(Math.log(out[1] / truth(row, wavelength)));
    widths.push(0.5 * Math.log(out[2] / out[0]));
    const clean = loss[row] * powerLaw(catalog.value[row * 3], catalog.value[row * 3 + 1], wavelength);
    inside.push(Number(clean > out[0] && clean < out[2]));
  }
  const spread = middle(ratios.map(Math.abs)) / 0.6745;
  return {
    offset: middle(ratios),
    spread,
    width: middle(widths),
    inside: inside.reduce((a, b) => a + b) / inside.length,
  };
}
const ofRow = (row: number, wavelength: number): number =>
  powerLaw(catalog.value[row * 3], catalog.value[row * 3 + 1], wavelength);

describe("spectra that a network answers", () => {
  it("follow from the properties as they do in this world: within 3 %, as uncertain as the light that is lost", async () => {
    const answer = await askSpectrum(predictor, checkpoint, catalog, { given: "properties" });
    const { offset, spread, width, inside } = compare(answer, ofRow);
    expect(Math.abs(offset)).toBeLessThan(0.03);
    expect(spread).toBeLessThan(0.04);
    expect(Math.abs(width / LOSS - 1)).toBeLessThan(0.25);
    expect(Math.abs(inside - 0.68)).toBeLessThan(0.07);
  });

  it("know no brightness where none is told: as uncertain as the world is", async () => {
    const answer = await askSpectrum(predictor, checkpoint, catalog, { given: "POWER" });
    const { offset, width, inside } = compare(answer, (row, at) => powerLaw(0, catalog.value[row * 3 + 1], at));
    expect(Math.abs(offset)).toBeLessThan(0.15);
    expect(Math.abs(width / Math.hypot(BRIGHTNESS, LOSS) - 1)).toBeLessThan(0.2);
    expect(Math.abs(inside - 0.68)).toBeLessThan(0.08);
  });

  it("continue a window that is given, and leave it out", async () => {
    const ivar = column.ivar.map((w, i) => (i % 64 < 32 ? w : 0));
    const half: Catalog = { ...catalog, arrays: new Map([["spectrum", { ...column, ivar }]]) };
    const answer = await askSpectrum(predictor, checkpoint, half, { given: "spectrum" });
    expect(Array.from(answer.isAnswered.subarray(0, CELLS), Number)).toEqual(
      Array.from({ length: CELLS }, (_, c) => Number(c >= CELLS / 2)),
    );
    const { offset, spread, width, inside } = compare(answer, (row, at) => loss[row] * ofRow(row, at));
    expect(Math.abs(offset)).toBeLessThan(0.05);
    // without the window it would be .6 at the ends; a network that has seen more would be nearer to the noise
    expect(spread).toBeLessThan(0.4 * BRIGHTNESS);
    expect(width / spread).toBeLessThan(2);
    // wider than they have to be after so few steps, and not too narrow
    expect(inside).toBeGreaterThan(0.6);
  });

  it("are scored against what was observed, and against what is true", async () => {
    const answer = await askSpectrum(predictor, checkpoint, catalog, { given: "properties" });
    const truth = { ...column, value: column.value.slice() };
    const scores = scoreSpectrum(answer, catalog, allRows(catalog), truth)!;
    expect([scores.galaxies, scores.cells]).toEqual([ROWS, ROWS * CELLS]);
    expect(Math.abs(scores.coverage68.value - 0.68)).toBeLessThan(0.07);
    expect(Math.abs(scores.coverage90.value - 0.9)).toBeLessThan(0.05);
    expect(Math.abs(scores.chi - 1)).toBeLessThan(0.2);
    // the CRPS of a Gaussian is 0.234 of its half 68 % width where it is right, on average 0.5642
    const sigma = Math.hypot(LOSS, 5 / Math.sqrt(4) / 50);
    expect(scores.crps.value / (0.5642 * sigma)).toBeGreaterThan(0.8);
    expect(scores.crps.value / (0.5642 * sigma)).toBeLessThan(1.5);
    expect(scores.clean!.error).toBeGreaterThan(0.7 * LOSS);
  });
});

describe("query --want spectrum", () => {
  const table = join(root, "asked.parquet");
  let network: string;
  beforeAll(async () => {
    network = join(root, "network");
    await saveCheckpoint(network, checkpoint);
    const own = catalogTable(catalog, allRows(catalog), { isExact: false, hasError: [], hasState: [] });
    const columns = own.columns.filter(({ name }) => ["object_id", "LEVEL", "POWER"].includes(name));
    await writeTable(table, { schema: columns.map(schemaOf), metadata: {} }, [{ ...own, columns }]);
  });
  const ask = async (out: string, want = "spectrum"): Promise<number> =>
    query({ engine: await onnx, checkpoint: network, table, want, out: join(root, out) });

  it.each(["parquet", "fits", "arrow", "vot", "ecsv", "csv"])("writes vectors that come back from %s", async (kind) => {
    expect(await ask(`answers.${kind}`)).toBe(ROWS);
    const source = await openTable(join(root, `answers.${kind}`));
    const { columns } = await readAll(source);
    await source.close();
    const of = (name: string) => columns.find((one) => one.name === name)!;
    const names = ["", "_err", "_mean", "_q05", "_q16", "_q84", "_q95", "_wavelength"].map((end) => `spectrum${end}`);
    expect(columns.map(({ name }) => name)).toEqual(["object_id", ...names]);
    for (const name of names) expect([name, of(name).width]).toEqual([name, CELLS]);
    const answer = await askSpectrum(predictor, checkpoint, catalog, { given: "properties" });
    const out = new Float64Array(3);
    for (const at of [0, 5, 77, ROWS * CELLS - 1]) {
      answer.distribution.quantiles(at, [0.16, 0.5, 0.84], out);
      expect(Number(of("spectrum").data[at])).toBeCloseTo(out[1], 2);
      expect(Number(of("spectrum_err").data[at])).toBeCloseTo(0.5 * (out[2] - out[0]), 2);
      expect(Number(of("spectrum_wavelength").data[at])).toBeCloseTo(answer.wavelength[at % CELLS], 3);
    }
    // answers in CSV have nothing before their header line
    if (kind !== "csv") expect(convertUnit(of("spectrum").unit!, "1e-19 erg/s/cm2/A")?.factor).toBeCloseTo(1, 12); // prettier-ignore
  });

  it("answers numbers beside it", async () => {
    await ask("both.parquet", "spectrum,POWER");
    const source = await openTable(join(root, "both.parquet"));
    const names = source.schema.map(({ name }) => name);
    await source.close();
    expect(names).toEqual(expect.arrayContaining(["POWER_median", "spectrum", "spectrum_wavelength"]));
  });

  it("is refused in one line by networks that have no decoder, surveys without a spectrum, other methods and priors", async () => {
    const engine = await onnx;
    const bare = join(root, "bare");
    await saveCheckpoint(bare, startCheckpoint(catalog));
    const refusal = (request: object): Promise<number> =>
      query({ engine, checkpoint: bare, table, want: "spectrum", ...request });
    await expect(refusal({})).rejects.toThrow(
      /^--want spectrum: this network reads spectra but answers none; expected one trained with model.spectrum.out/,
    );
    const photometric = join(root, "photometric");
    await saveCheckpoint(photometric, startCheckpoint(toyCatalog(40)));
    for (const want of ["spectrum", "spectra"]) {
      await expect(refusal({ checkpoint: photometric, want })).rejects.toThrow(
        new RegExp(`^--want ${want}: the survey has no spectrum, expected one`),
      );
    }
    await expect(refusal({ checkpoint: network, method: "library", library: table })).rejects.toThrow(
      /--want spectrum: --method library answers no spectra/,
    );
    await expect(predictor.ask(catalog, { want: "spectrum" })).rejects.toThrow(
      /ask: spectrum is a spectrum; .*askSpectrum/,
    );
  });
});
