import * as ort from "onnxruntime-node";
import { expect, it } from "vitest";
import { createPredictor, exportNetwork } from "../../src/inference/predict.ts";
import type { Distribution } from "../../src/model/distribution.ts";
import { headOf } from "../../src/model/heads.ts";
import { answerSpec } from "../../src/model/transformer.ts";
import { contextSignature, emptyArrays, fillContext } from "../../src/tokens/batch.ts";
import { onnx, perturb, plainJs, startCheckpoint } from "../helpers/network.ts";
import { distance, everyRow, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const catalog = toyCatalog(64);
const checkpoint = perturb(startCheckpoint(catalog), 0.1);
const isGiven = Uint8Array.from(toyFields, (_, j) => Number(j < toyBands));
const all = toyFields.map((_, j) => j);

/** Three quantiles of every row. */
function quantilesOf(d: Distribution): Float64Array {
  const out = new Float64Array(3 * d.rowCount);
  for (let row = 0; row < d.rowCount; row++) d.quantiles(row, [0.1, 0.5, 0.9], out.subarray(3 * row, 3 * row + 3));
  return out;
}

it("model.onnx, run by ONNX Runtime alone, gives the answers of the predictor", async () => {
  const engine = await onnx;
  const bytes = await exportNetwork(engine, checkpoint);
  expect(bytes).toBeInstanceOf(Uint8Array);
  const predictor = createPredictor(engine, checkpoint);
  const { distribution } = await predictor.predict(catalog, everyRow(catalog), isGiven, all);
  const arrays = emptyArrays(contextSignature(64, toyFields.length));
  for (const row of everyRow(catalog)) fillContext(arrays, row, predictor.coder, catalog, row, isGiven);
  const session = await ort.InferenceSession.create(bytes!);
  const feeds = Object.fromEntries(
    session.inputNames.map((name) => {
      const { dtype, data, shape } = arrays[name.replace(/^in\./, "")];
      return [name, new ort.Tensor(dtype, data, [...shape])];
    }),
  );
  const out = await session.run(feeds);
  const raw = out[session.outputNames[0]].data as Float32Array;
  const spec = answerSpec(checkpoint.config.model);
  const own = headOf(spec).read(raw, 64 * toyFields.length, spec);
  expect(quantilesOf(own)).toHaveLength(64 * toyFields.length * 3);
  expect(distance(quantilesOf(own), quantilesOf(distribution))).toBeLessThan(1e-5);
  await predictor.dispose();
});

it("an engine that doesn't compile exports nothing", async () => {
  expect(await exportNetwork(await plainJs, checkpoint)).toBeUndefined();
});
