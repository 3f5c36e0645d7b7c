import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createPredictor, type Predictor } from "../../src/inference/predict.ts";
import { modelSchema } from "../../src/model/transformer.ts";
import { coderOf } from "../../src/train/config.ts";
import { train } from "../../src/train/loop.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { exactPosterior, lineCatalog, zEdges } from "../helpers/spectra.ts";
import { sourceOf } from "../helpers/toy.ts";

/** A small network in a world of one line and one colour, held against Bayes's rule. */

const STEPS = 500;
const ROWS = 500;
const unseen = lineCatalog(ROWS, "unseen");
const nStep = zEdges.length - 1;
const truth = Array.from({ length: ROWS }, (_, row) => {
  const z = unseen.value[4 * row + 2];
  return Math.min(nStep - 1, Math.floor((z / zEdges[nStep]) * nStep));
});

let predictor: Predictor;
beforeAll(async () => {
  const seen = lineCatalog(12_000, "seen");
  const checkpoint = startCheckpoint(seen, {
    model: modelSchema.parse({
      nLatent: 4,
      dModel: 32,
      nLayer: 2,
      nHidden: 64,
      dQuery: 16,
      heads: { redshift: { head: "histogram", from: 0, to: 0.8, bins: nStep } },
      spectrum: { channels: [16, 32], kernel: 9, correlation: { from: 0, to: 0.8, stride: 2 } },
    }),
    optimiser: { rate: 3e-3 },
    training: { steps: STEPS, batch: 128, nTarget: 2, validateEvery: STEPS, checkpointEvery: STEPS },
  });
  const state = await train(
    {
      engine: await onnx,
      coder: coderOf(checkpoint.config),
      sources: [sourceOf(seen)],
      validation: [],
      onProgress: () => {},
      onCheckpoint: () => {},
    },
    checkpoint,
  );
  predictor = createPredictor(await onnx, { ...checkpoint, state });
}, 300_000);
afterAll(() => predictor.dispose());

const mean = (x: readonly number[]): number => x.reduce((sum, one) => sum + one, 0) / x.length;

/** Mean -ln P(the step of z that is true) [nats], of the network and of the best answer there is. */
async function score(given: ("spectrum" | "bands")[]): Promise<{ network: number; exact: number }> {
  const { z } = await predictor.ask(unseen, { given, want: "z" });
  const told = truth.map((k, row) => -Math.log(Math.max(z.cdf(row, zEdges[k + 1]) - z.cdf(row, zEdges[k]), 1e-9)));
  const exact = truth.map((k, row) => -Math.log(exactPosterior(unseen, row, given)[k]));
  return { network: mean(told), exact: mean(exact) };
}

describe("a network that reads spectra", () => {
  it("learns z from a spectrum, from bands, and more from both, near what Bayes's rule allows", async () => {
    const [spectrum, bands, both] = [
      await score(["spectrum"]),
      await score(["bands"]),
      await score(["bands", "spectrum"]),
    ];
    const knowingNothing = Math.log(nStep);
    expect(spectrum.network).toBeLessThan(0.6 * knowingNothing);
    expect(both.network).toBeLessThan(spectrum.network - 0.1);
    expect(both.network).toBeLessThan(bands.network - 1);
    for (const { network, exact } of [spectrum, bands, both]) expect(network).toBeLessThan(exact + 0.5);
  });
});
