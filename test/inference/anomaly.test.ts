import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { look } from "../../src/explore/look.ts";
import { scoreAnomalies } from "../../src/inference/anomaly.ts";
import { createPredictor, type Predictor } from "../../src/inference/predict.ts";
import { readAll, schemaOf } from "../../src/io/columns.ts";
import { openTable, writeTable } from "../../src/io/formats.ts";
import { allRows, type Catalog, select } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { catalogTable } from "../../src/survey/table.ts";
import { saveCheckpoint } from "../../src/train/checkpoint.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

/** Objects with one flux that can't be, among galaxies that a network which never trained finds as odd as any. */

const ROWS = 120;
const n = toyFields.length;
const [R, ODD] = [4, [17, 63]];
const checkpoint = startCheckpoint(toyCatalog(300, "start"));

function withOdd(): Catalog {
  const usual = toyCatalog(ROWS, "anomaly");
  const catalog = select(usual, allRows(usual));
  for (const row of ODD) {
    catalog.value[row * n + R] = 1e6;
    catalog.error[row * n + R] = 10;
    catalog.state[row * n + R] = State.measured;
  }
  return catalog;
}

const catalog = withOdd();
let predictor: Predictor;
beforeAll(async () => {
  predictor = createPredictor(await onnx, checkpoint);
});

describe("anomalies", () => {
  it("are the objects with a flux that can't be, and that band is told", async () => {
    const { score, worst } = await scoreAnomalies(predictor, catalog, allRows(catalog));
    const order = Array.from(score.keys()).sort((a, b) => score[b] - score[a]);
    expect(order.slice(0, 2).sort((a, b) => a - b)).toEqual(ODD);
    for (const row of ODD) expect(worst[row]).toBe(R);
  });

  it("tell of fluxes that are there, and of no others", async () => {
    const { bands, deviation, excess } = await scoreAnomalies(predictor, catalog, allRows(catalog));
    expect([...bands].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
    for (let row = 0; row < ROWS; row++) {
      const states = bands.map((j) => catalog.state[row * n + j]);
      const isFlux = states.map((state) => state === State.measured || state === State.nonDetection);
      const others = isFlux.filter(Boolean).length;
      bands.forEach((_, b) => {
        const at = row * bands.length + b;
        expect(Number.isNaN(deviation[at])).toBe(Number.isNaN(excess[at]));
        if (!isFlux[b]) expect(deviation[at]).toBeNaN();
        else if (others > 2) expect(deviation[at]).not.toBeNaN();
      });
    }
  });

  it("do not depend on who else is in the table", async () => {
    const [all, one] = [allRows(catalog), [ODD[0]]];
    const [many, alone] = [
      await scoreAnomalies(predictor, catalog, all),
      await scoreAnomalies(predictor, catalog, one),
    ];
    expect(alone.score[0]).toBeCloseTo(many.score[ODD[0]], 3);
  });

  it("stand first on the page of look, and every object in the table of scores", async () => {
    const root = scratch();
    const at = (name: string): string => join(root, name);
    await saveCheckpoint(at("network"), checkpoint);
    const isBand = toyFields.map((_, j) => j < toyBands);
    const table = catalogTable(catalog, allRows(catalog), { isExact: false, hasError: isBand, hasState: isBand });
    await writeTable(at("own.parquet"), { schema: table.columns.map(schemaOf), metadata: {} }, [table]);
    await look({
      table: at("own.parquet"),
      out: at("page.html"),
      figures: at("png"),
      network: { checkpoint: at("network"), engine: await onnx },
      strange: { most: 3, scores: at("scores.fits") },
    });
    const page = readFileSync(at("page.html"), "utf8");
    expect(page.indexOf("Strangest objects")).toBeLessThan(page.indexOf("What is in the table"));
    for (const row of ODD) expect(page).toContain(`t${row}: `);
    expect(existsSync(at("png/02-strangest.png"))).toBe(true);
    const source = await openTable(at("scores.fits"));
    const { columns, rowCount } = await readAll(source);
    await source.close();
    expect(rowCount).toBe(ROWS);
    const of = (name: string) => columns.find((column) => column.name === name)!.data;
    expect(of("anomaly_band")[ODD[0]]).toBe("R");
    expect(of("R_deviation")[ODD[0]]).toBeGreaterThan(5);
  }, 240_000);
});
