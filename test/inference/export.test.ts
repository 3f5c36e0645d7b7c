import * as ort from "onnxruntime-node";
import { expect, it } from "vitest";
import { createPredictor } from "../../src/inference/predict.ts";
import { heads } from "../../src/model/heads.ts";
import { contextSignature, emptyArrays, fillContext } from "../../src/tokens/batch.ts";
import { exportNetwork } from "../../src/train/export.ts";
import { onnx, perturb, plainJs, startCheckpoint } from "../helpers/network.ts";
import { distance, everyRow, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const catalog = toyCatalog(64);
const checkpoint = perturb(startCheckpoint(catalog), 0.1);
const isGiven = Uint8Array.from(toyFields, (_, j) => Number(j < toyBands));
const all = toyFields.map((_, j) => j);

it("model.onnx, run by ONNX Runtime alone, gives the answers of the predictor", async () => {
  const engine = await onnx;
  const bytes = await exportNetwork(engine, checkpoint);
  expect(bytes).toBeInstanceOf(Uint8Array);
  const predictor = createPredictor(engine, checkpoint);
  const { mixtures } = await predictor.predict(catalog, everyRow(catalog), isGiven, all);
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
  const own = heads.mixture.read(raw, 64 * toyFields.length, checkpoint.config.model.nComponent);
  expect(distance(own.mean, mixtures.mean)).toBeLessThan(1e-5);
  expect(distance(own.sigma, mixtures.sigma)).toBeLessThan(1e-5);
  await predictor.dispose();
});

it("an engine that doesn't compile exports nothing", async () => {
  expect(await exportNetwork(await plainJs, checkpoint)).toBeUndefined();
});
