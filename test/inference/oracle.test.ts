import { describe, expect, it } from "vitest";
import { contextQuestions } from "../../src/inference/contexts.ts";
import type { Question, TruthAnswers } from "../../src/inference/evaluate.ts";
import { createAnswerer, vocabularyOf } from "../../src/inference/methods.ts";
import type { Predictions } from "../../src/inference/metrics.ts";
import { gapsOf } from "../../src/inference/oracle.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { toyCatalog, toyFields } from "../helpers/toy.ts";

const all = (catalog: Catalog): Question => ({
  title: "all",
  isGiven: Uint8Array.from(catalog.fields, ({ band }) => Number(band !== undefined)),
  wanted: [6],
});

/** Answers whose CRPS and -ln p are `factor` times, and `more` above, some numbers. */
function answered(rowCount: number, factor: number, more: number): TruthAnswers {
  const rng = createRng("answers");
  const base = Float64Array.from({ length: rowCount }, () => 1 + rng.uniform());
  const predictions: Predictions = {
    truth: base,
    point: base,
    pit: base,
    crps: base.map((x) => factor * x),
    negLogLik: base.map((x) => x + more),
  };
  return new Map([["z", { rows: allRows({ rowCount }), predictions }]]);
}

describe("gaps", () => {
  const catalog = toyCatalog(400, "gaps");
  it("are relative in CRPS and a difference in -ln p, with intervals of paired galaxies", () => {
    const { z } = gapsOf(all(catalog), catalog, allRows(catalog), answered(400, 1.5, 0.25), answered(400, 1, 0), "1");
    for (const end of ["value", "low", "high"] as const) {
      // the same for every galaxy: pairing leaves no scatter
      expect(z.crps[end]).toBeCloseTo(0.5, 10);
      expect(z.negLogLik[end]).toBeCloseTo(0.25, 10);
    }
    expect(z.rows).toBe(400);
  });

  it("stand by signal-to-noise, every galaxy once", () => {
    const { z } = gapsOf(all(catalog), catalog, allRows(catalog), answered(400, 1, 0), answered(400, 1, 0), "1");
    expect(z.bySignal.length).toBeGreaterThan(1);
    expect(z.bySignal.reduce((sum, { rows }) => sum + rows, 0)).toBeLessThanOrEqual(400);
    z.bySignal.slice(1).forEach(({ from }, i) => expect(from).toBe(z.bySignal[i].to));
  });
});

describe("partial questions", () => {
  const { fields } = loadSurvey("minijpas");
  const n = fields.length;
  const rowCount = 30;
  const ids = Array.from({ length: rowCount }, (_, i) => `g${i}`);
  const catalog: Catalog = {
    fields,
    rowCount,
    objectId: ids,
    parentId: ids,
    value: new Float32Array(rowCount * n).fill(1),
    error: new Float32Array(rowCount * n).fill(1),
    state: new Uint8Array(rowCount * n).fill(State.measured),
  };
  const questions = contextQuestions(catalog, [62], "1");

  it("are the six of a survey with narrow bands", () => {
    const given = questions.map(({ title, isGiven }) => [title, isGiven.reduce((sum, flag) => sum + flag, 0)]);
    expect(given).toEqual([
      ["all 60 bands", 60],
      ["every second narrow band", 27],
      ["30 random bands", 60],
      ["blue 27", 27],
      ["red 27", 27],
      ["broad only", 6],
    ]);
    const pivots = (title: string): number[] =>
      fields.flatMap(({ band }, j) =>
        questions.find((one) => one.title === title)!.isGiven[j] === 1 ? [band!.pivot] : [],
      );
    expect(Math.max(...pivots("blue 27"))).toBeLessThan(Math.min(...pivots("red 27")));
  });

  it("a random half differs from galaxy to galaxy, and hides no truth", () => {
    const { catalog: seen } = questions[2];
    const visible = (row: number): string =>
      fields
        .flatMap(({ band }, j) =>
          band !== undefined && band.group !== "uv" && seen!.state[row * n + j] === State.measured ? [j] : [],
        )
        .join();
    const sets = ids.map((_, row) => visible(row));
    for (const set of sets) expect(set.split(",")).toHaveLength(30);
    expect(new Set(sets).size).toBe(rowCount);
    expect(seen!.state[62]).toBe(State.measured);
    expect(catalog.state.every((state) => state === State.measured)).toBe(true);
  });
});

describe("methods of a query", () => {
  const catalog = toyCatalog(60, "methods");
  const isGiven = Uint8Array.from(toyFields, ({ band }) => Number(band !== undefined));
  const question = { catalog, isGiven, wanted: [6, 7] };
  const checkpoint = startCheckpoint(catalog);

  it("a library is asked for where it is needed, and refused where it is not", async () => {
    await expect(vocabularyOf({ checkpoint: "runs/a", method: "library" })).rejects.toThrow(
      /--method library: expected --library/,
    );
    await expect(vocabularyOf({ checkpoint: "runs/a", library: "x.parquet" })).rejects.toThrow(
      /--library: not used by the network/,
    );
    await expect(vocabularyOf({ checkpoint: "nowhere" })).rejects.toThrow(/^nowhere: no checkpoint here/);
  });

  it("the network's answers don't change beside a library's", async () => {
    const engine = await onnx;
    const own = await createAnswerer({
      engine,
      vocabulary: { survey: checkpoint.config.survey, checkpoint, path: "toy" },
      trust: false,
    });
    const answers = await own.predict(question);
    expect(own.columns(answers, [])).toEqual([]);
    await own.dispose();
    expect(answers.rowCount).toBe(60);
  });
});
