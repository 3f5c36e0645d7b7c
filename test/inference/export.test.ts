import * as ort from "onnxruntime-node";
import { expect, it } from "vitest";
import { createPredictor } from "../../src/inference/predict.ts";
import type { Distribution } from "../../src/model/distribution.ts";
import { headOf } from "../../src/model/heads.ts";
import { readoutsOf } from "../../src/model/transformer.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { emptyArrays } from "../../src/tokens/batch.ts";
import { contextSignature, fillContext } from "../../src/tokens/hosts.ts";
import { exportNetwork } from "../../src/train/export.ts";
import { onnx, perturb, plainJs, startCheckpoint } from "../helpers/network.ts";
import { distance, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const catalog = toyCatalog(64);
const checkpoint = perturb(startCheckpoint(catalog), 0.1);
const isGiven = Uint8Array.from(toyFields, (_, j) => Number(j < toyBands));

/** Three quantiles of every row. */
function quantilesOf(d: Distribution, rows: ArrayLike<number>): Float64Array {
  const out = new Float64Array(3 * rows.length);
  for (let i = 0; i < rows.length; i++) d.quantiles(rows[i], [0.1, 0.5, 0.9], out.subarray(3 * i, 3 * i + 3));
  return out;
}

it("model.onnx, run by ONNX Runtime alone, gives the answers of the predictor", async () => {
  const engine = await onnx;
  const bytes = await exportNetwork(engine, checkpoint);
  expect(bytes).toBeInstanceOf(Uint8Array);
  const predictor = createPredictor(engine, checkpoint);
  const { coder } = predictor;
  const arrays = emptyArrays(contextSignature(64, coder));
  for (const row of allRows(catalog)) fillContext(arrays, row, coder, { catalog, row, isContext: isGiven });
  const session = await ort.InferenceSession.create(bytes!);
  const feeds = Object.fromEntries(
    session.inputNames.map((name) => {
      const { dtype, data, shape } = arrays[name.replace(/^in\./, "")];
      return [name, new ort.Tensor(dtype, data, [...shape])];
    }),
  );
  const out = await session.run(feeds);
  // bands are asked with the others of them given: the exported graph is given all of them
  const properties = toyFields.flatMap(({ band }, j) => (band === undefined ? [j] : []));
  const { encoded } = await predictor.predict(catalog, allRows(catalog), isGiven, properties);
  const [{ spec, readouts }] = readoutsOf(checkpoint.config.model, coder);
  expect(session.outputNames.toSorted()).toStrictEqual(readouts.map(({ name }) => `out.${name}`).toSorted());
  const head = headOf(spec);
  const own = head.read(out["out.property"].data as Float32Array, 64 * properties.length, spec);
  properties.forEach((_, w) => {
    const rows = Int32Array.from({ length: 64 }, (_row, i) => i * properties.length + w);
    expect(distance(quantilesOf(own, rows), quantilesOf(encoded[w], allRows(catalog)))).toBeLessThan(1e-5);
  });
  expect(out["out.band"].dims).toStrictEqual([64, toyBands, head.width(spec)]);
  await predictor.dispose();
});

it("an engine that doesn't compile exports nothing", async () => {
  expect(await exportNetwork(await plainJs, checkpoint)).toBeUndefined();
});
