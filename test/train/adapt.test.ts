import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silent } from "../../src/progress.ts";
import { createRng } from "../../src/random.ts";
import { type Catalog, hide } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { batchShape, drawBatch } from "../../src/tokens/batch.ts";
import { type AdaptConfig, adaptSchema } from "../../src/train/adapt.ts";
import { type Checkpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { coderOf, trainingSchema } from "../../src/train/config.ts";
import { readLog } from "../../src/train/run.ts";
import { readTrainingTable } from "../../src/train/tables.ts";
import { beginAdaptation, trainAdaptation } from "../../src/train/verbs.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { writeCatalog } from "../helpers/tables.ts";
import { toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

/** What adaptation makes of labels: those of an unlabelled table, and those that half of a labelled table lacks. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const n = toyFields.length;
const ROWS = 150;
const source = toyCatalog(ROWS, "source");
const target = toyCatalog(ROWS, "target");
const start: Checkpoint = perturb(startCheckpoint(source), 0.1);
const init = join(root, "init");
beforeAll(() => saveCheckpoint(init, start));

const write = (name: string, catalog: Catalog, isThere?: (field: Field) => boolean): Promise<string> =>
  writeCatalog(join(root, `${name}.arrow`), catalog, isThere);

async function adapted(
  name: string,
  unlabelled: string,
  labelled?: string,
  changes: { readonly optimiser?: Checkpoint["config"]["optimiser"]; readonly adapt?: Partial<AdaptConfig> } = {},
): Promise<Checkpoint> {
  const { model, optimiser, subsets } = start.config;
  const request = {
    engine: await onnx,
    init,
    source: await write("source", source),
    unlabelled,
    ...(labelled === undefined ? {} : { labelled }),
    out: join(root, name),
    recipe: {
      survey: "minijpas",
      model,
      optimiser: changes.optimiser ?? optimiser,
      subsets,
      training: trainingSchema.parse({ steps: 6, batch: 16, nTarget: 3, validateEvery: 3, checkpointEvery: 6 }),
      adapt: adaptSchema.parse(changes.adapt ?? {}),
    },
  };
  return trainAdaptation(request, request.out, await beginAdaptation(request));
}

describe("labels in a table that is there for its photometry", () => {
  it("change nothing, bit by bit", async () => {
    const other = { ...target, value: target.value.map((x, at) => (at % n < toyBands ? x : 2 * x + 1)) };
    const isBand = ({ band }: Field): boolean => band !== undefined;
    const bare = await adapted("bare", await write("target-bare", target, isBand));
    const own = await adapted("own", await write("target", target));
    const changed = await adapted("changed", await write("target-changed", other));
    expect(own.state.step).toBe(6);
    expect(own.state.params).not.toStrictEqual(start.state.params);
    expect(own.state).toStrictEqual(bare.state);
    expect(changed.state).toStrictEqual(bare.state);
    const losses = (name: string): (number | undefined)[] => readLog(join(root, name)).map((line) => line.validation);
    expect(losses("own")).toStrictEqual(losses("bare"));
    // the same labels do count in a table that is there for them
    const labelled = await adapted("labelled", join(root, "target.arrow"), join(root, "target-changed.arrow"));
    const relabelled = await adapted("relabelled", join(root, "target.arrow"), join(root, "target.arrow"));
    expect(labelled.state.params).not.toStrictEqual(relabelled.state.params);
  }, 120_000);
});

describe("an adaptation that makes everything worse", () => {
  it("keeps the network as it was, and its record says so", async () => {
    const { optimiser } = start.config;
    // every number moves by 0.1 and more in a step
    const changes = {
      optimiser: { ...optimiser, rate: 0.05, warmup: 0, averaging: 0 },
      adapt: { calibrationRate: 2, calibrationShare: 0, networkRate: 4 },
    };
    const { state, config } = await adapted("worse", await write("target", target), undefined, changes);
    expect(config.best?.step).toBe(0);
    expect(state.average).toStrictEqual(start.state.average);
    const lines = readLog(join(root, "worse")).flatMap(({ validation }) => validation ?? []);
    expect(Math.min(...lines)).toBeGreaterThan(config.best!.validation);
  }, 60_000);
});

describe("a labelled table half of whose rows have no labels", () => {
  const none = hide(target, ({ band }) => band === undefined);
  const half = { ...target, state: target.state.map((state, at) => (at < (ROWS / 2) * n ? none.state[at] : state)) };

  it("is asked for labels where they are", async () => {
    const path = await write("half", half);
    const { survey } = start.config;
    const table = await readTrainingTable({ path, role: "labelled" }, { survey, reporter: silent });
    const { store, rows, labelled } = table.parts.train;
    expect(labelled.length).toBeGreaterThan(0.3 * rows.length);
    expect(labelled.length).toBeLessThan(0.6 * rows.length);
    const { subsets } = start.config;
    const shape = batchShape(64, 3, { ...subsets, fullShare: 0.5 }, false);
    const sources = [{ store, rows, labelled, weight: 1, isCalibrated: true }];
    const { truthState } = drawBatch(coderOf(start.config), sources, subsets, shape, createRng("half"));
    for (let b = 0; b < shape.nFull; b++) {
      const asked = truthState.data.slice(b * n + toyBands, (b + 1) * n);
      expect(asked.some((state) => state !== State.notObserved)).toBe(true);
    }
    table.close();
  });

  it("adapts, with finite losses", async () => {
    const { state } = await adapted("half-run", await write("target", target), await write("half", half));
    expect(state.step).toBe(6);
    expect(state.average.every(Number.isFinite)).toBe(true);
    const lines = readFileSync(join(root, "half-run", "log.jsonl"), "utf8")
      .trimEnd()
      .split("\n");
    const losses = lines.map((line) => (JSON.parse(line) as { loss: number }).loss);
    expect(losses.length).toBeGreaterThan(0);
    expect(losses.every((loss) => Number.isFinite(loss) && loss !== 0)).toBe(true);
  }, 60_000);
});
