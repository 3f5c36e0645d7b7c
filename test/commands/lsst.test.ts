import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { evaluate, loadRecipe, prepare, pretrain, query, type Table } from "../../src/index.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { at, withData } from "../simulate/data.ts";

/** A broad-band survey from its files to photometric redshifts, with the test files of RAIL: nothing of ours made them. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));

withData("rail-dc2")("LSST's six bands, DC2 as RAIL has it", () => {
  it("prepared, trained for moments and asked: redshifts as good as those of neighbours in colour", async () => {
    const engine = await onnx;
    const [prepared, run] = ["prepared", "run"].map((name) => join(root, name));
    const table = at("rail-dc2/test_dc2_training_9816.hdf5");
    const parts = await prepare({ tables: [table], survey: "lsst", out: prepared, rowsPerShard: 2000 });
    expect(Object.values(parts).reduce((sum, { rows }) => sum + rows, 0)).toBe(10_225);
    const recipe = loadRecipe("quickstart", ["survey=lsst", "model.dModel=64", "training.steps=300"]);
    await pretrain({ engine, data: [prepared], recipe, out: run });
    const { questions, rows } = await evaluate({
      engine,
      checkpoint: run,
      table: prepared,
      baselineTable: prepared,
      methods: ["trainZ", "knn"],
      out: join(root, "evaluation"),
    });
    expect(rows).toBe(parts.test.rows);
    const scores = questions["all bands"].scores.z;
    const of = (method: string, metric: "sigmaNmad" | "crps"): number => scores[method][metric]!.value;
    for (const metric of ["sigmaNmad", "crps"] as const) {
      expect(of("caleido", metric)).toBeLessThan(of("trainZ", metric) / 4);
      expect(of("caleido", metric)).toBeLessThan(1.25 * of("knn", metric));
    }
    expect(scores.caleido.coverage68!.value).toBeGreaterThan(0.6);
    expect(scores.caleido.coverage68!.value).toBeLessThan(0.76);
    const answers: Table[] = [];
    const asked = { engine, checkpoint: run, given: "bands", want: "z" };
    const onAnswers = (batch: Table): void => void answers.push(batch);
    expect(await query({ ...asked, table: prepared, onAnswers })).toBe(10_225);
    const ids = answers.flatMap(({ columns }) => columns.find(({ name }) => name === "object_id")!.data as string[]);
    expect(new Set(ids).size).toBe(10_225);
  }, 400_000);
});
