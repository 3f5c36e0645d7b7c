import { describe, expect, it } from "vitest";
import type { ModelConfig } from "../../src/model/transformer.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { train } from "../../src/train/loop.ts";
import { runTraining } from "../../src/train/run.ts";
import { onnx, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { sourceOf, toyCatalog } from "../helpers/toy.ts";

const catalog = toyCatalog(120);
const start = (dropout?: number, steps = 6) => {
  const model: ModelConfig = { ...tinyModel, ...(dropout === undefined ? {} : { dropout }) };
  return startCheckpoint(catalog, {
    model,
    training: { steps, batch: 8, nTarget: 3, validateEvery: 3, checkpointEvery: 3 },
  });
};

/** A run, with the losses of its steps. */
async function run(first: ReturnType<typeof start>, stopAfter = Infinity) {
  const controller = new AbortController();
  const losses: number[] = [];
  const validations: (number | undefined)[] = [];
  const state = await train(
    {
      engine: await onnx,
      coder: coderOf(first.config),
      sources: [sourceOf(catalog)],
      validation: [sourceOf(catalog)],
      onProgress: ({ step, loss, validation }) => {
        losses.push(loss);
        validations.push(validation);
        if (step >= stopAfter) controller.abort();
      },
      onCheckpoint: () => {},
      signal: controller.signal,
    },
    first,
  );
  return { state, losses, validations };
}

describe("training with dropout", () => {
  it("is the same twice and goes on where it stopped, bit by bit", async () => {
    const whole = await run(start(0.3));
    expect((await run(start(0.3))).losses).toEqual(whole.losses);
    const first = start(0.3);
    const half = await run(first, 3);
    expect(half.state.step).toBeLessThan(6);
    const rest = await run({ ...first, state: half.state });
    expect(rest.state.params).toStrictEqual(whole.state.params);
    expect(rest.state.average).toStrictEqual(whole.state.average);
    expect([...half.losses, ...rest.losses]).toEqual(whole.losses);
  });

  it("draws the batches of a run without: its masks have a stream of their own", async () => {
    const [none, zero, some] = [await run(start()), await run(start(0)), await run(start(0.3))];
    expect(zero.state.params).toStrictEqual(none.state.params);
    expect(some.losses[0]).not.toBe(none.losses[0]);
    // dropping next to nothing of the same galaxies is next to the same
    const little = await run(start(1e-7));
    expect(Math.abs(little.losses[0] - none.losses[0])).toBeLessThan(1e-4);
  });

  it("validates the whole network: without a step, dropout changes nothing there", async () => {
    const still = (dropout?: number) => {
      const first = start(dropout, 3);
      return run({
        ...first,
        config: { ...first.config, optimiser: { ...first.config.optimiser, rate: 0, weightDecay: 0 } },
      });
    };
    const [none, some] = [await still(), await still(0.5)];
    expect(some.validations.at(-1)).toBe(none.validations.at(-1));
    expect(some.losses).not.toEqual(none.losses);
  });

  it("is written down with the network, and only there", async () => {
    const folderOf = async (dropout?: number): Promise<string> => {
      const first = start(dropout, 2);
      const folder = scratch();
      await runTraining(
        {
          engine: await onnx,
          folder: `${folder}/run`,
          coder: coderOf(first.config),
          sources: [sourceOf(catalog)],
          validation: [],
          finalFiles: () => Promise.resolve({}),
          onProgress: () => {},
        },
        first,
      );
      return `${folder}/run`;
    };
    expect(loadCheckpoint(await folderOf(0.2)).config.model.dropout).toBe(0.2);
    expect(loadCheckpoint(await folderOf()).config.model).not.toHaveProperty("dropout");
  });
});
