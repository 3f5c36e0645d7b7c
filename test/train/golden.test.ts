import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { createPredictor, readRaw } from "../../src/inference/predict.ts";
import type { Distribution } from "../../src/model/distribution.ts";
import { normalCdf } from "../../src/model/normal.ts";
import { parameterIn } from "../../src/model/parameters.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { type Checkpoint, loadCheckpoint } from "../../src/train/checkpoint.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import { onnx } from "../helpers/network.ts";

/**
 * A checkpoint of release 0.2.0 (format version 2), and what that release answers with it. Made with its own code: 150
 * galaxies of `simulate --survey minijpas`, eleven of their fields, one value in ten hidden and one in ten a limit or a
 * non-detection; a network of 2 latents of 6 was saved, loaded as `adapt` does, and trained for 40 steps of 16 galaxies
 * with zero-points. `answers.json` has the first eight galaxies and the mixtures of `predict` and `predictNext`, in
 * encoded space, with the learned zero-points and without.
 */
interface Golden {
  readonly fields: readonly string[];
  readonly rowCount: number;
  readonly value: readonly number[];
  readonly error: readonly number[];
  readonly state: readonly number[];
  readonly answers: readonly GoldenAnswers[];
}

/** Mixtures of row i and field w stand at (i * wanted.length + w) * 2; with `drawn` of the last field alone, at i * 2. */
interface GoldenAnswers {
  readonly isCalibrated: boolean;
  readonly given: readonly string[];
  readonly wanted: readonly string[];
  /** [row, wanted - 1] encoded values of the fields before the last: an ordered question. */
  readonly drawn?: readonly number[];
  readonly scales: readonly number[];
  readonly weight: readonly number[];
  readonly mean: readonly number[];
  readonly sigma: readonly number[];
}

const folder = fileURLToPath(new URL("golden", import.meta.url));
const read = (name: string): Buffer => readFileSync(`${folder}/${name}`);
const golden = JSON.parse(read("answers.json").toString()) as Golden;
const COMPONENTS = 2;
const checkpoint = loadCheckpoint(folder, { forTraining: true });
const { fields } = checkpoint.config.survey;
const place = (name: string): number => fields.findIndex((field) => field.name === name);
const ids = Array.from({ length: golden.rowCount }, (_, i) => `g${i}`);
const catalog: Catalog = {
  fields,
  rowCount: golden.rowCount,
  objectId: ids,
  parentId: ids,
  value: Float32Array.from(golden.value),
  error: Float32Array.from(golden.error),
  state: Uint8Array.from(golden.state),
};

/** What is asked of today's code: distributions of the wanted fields, or of the last one in order. */
async function answer(
  { isCalibrated, given, wanted: names, drawn }: GoldenAnswers,
  of: Checkpoint,
): Promise<{ scales: Float64Array; encoded: readonly Distribution[] }> {
  const predictor = createPredictor(await onnx, { ...of, config: { ...of.config, isCalibrated } });
  try {
    const wanted = names.map(place);
    const isGiven = Uint8Array.from(fields, ({ name }) => Number(given.includes(name)));
    const rows = allRows(catalog);
    if (drawn === undefined) return await predictor.predict(catalog, rows, isGiven, wanted);
    const { network } = predictor;
    const states = await network.encode(catalog, rows, isGiven);
    const marginals = await network.read(states, wanted);
    const last = await network.chain(states, rows, wanted.length, async ({ ask }) => {
      let raw = new Float32Array(0);
      for (const [t, field] of wanted.entries()) {
        const column = (at: number): Float32Array =>
          Float32Array.from(rows, (row) => drawn[row * (wanted.length - 1) + at]);
        const before = t === 0 ? {} : { before: { field: wanted[t - 1], value: column(t - 1) } };
        raw = Float32Array.from(await ask({ field, marginal: marginals[t].raw, ...before }));
      }
      return raw;
    });
    return { scales: states.scales, encoded: [readRaw(marginals.at(-1)!.family, last)] };
  } finally {
    await predictor.dispose();
  }
}

/** Largest difference between distributions and the mixtures of the old answers, in probability and in ln of the density. */
function worstOf(old: GoldenAnswers, encoded: readonly Distribution[]): number {
  let worst = 0;
  for (const [w, distribution] of encoded.entries()) {
    for (const row of allRows(catalog)) {
      const from = (row * encoded.length + w) * COMPONENTS;
      const parts = [from, from + 1].map((k) => ({ p: old.weight[k], mean: old.mean[k], sigma: old.sigma[k] }));
      for (const { mean, sigma } of parts) {
        for (const v of [mean - 2 * sigma, mean, mean + sigma]) {
          const cdf = parts.reduce((sum, part) => sum + part.p * normalCdf((v - part.mean) / part.sigma), 0);
          const density = parts.reduce((sum, part) => {
            const u = (v - part.mean) / part.sigma;
            return sum + (part.p * Math.exp(-0.5 * u * u)) / (part.sigma * Math.sqrt(2 * Math.PI));
          }, 0);
          const off = [
            distribution.cdf(row, v) - cdf,
            Math.exp(distribution.logDensity(row, v) - Math.log(density)) - 1,
          ];
          worst = Math.max(worst, ...off.map(Math.abs));
        }
      }
    }
  }
  return worst;
}

const describeOf = ({ isCalibrated, given, wanted, drawn }: GoldenAnswers): string =>
  `${wanted.join(drawn === undefined ? ", " : " > ")} given ${given.join(", ") || "nothing"}` +
  (isCalibrated ? ", zero-points applied" : "");

describe("a checkpoint of release 0.2.0", () => {
  it.each(golden.answers.map((old) => ({ name: describeOf(old), old })))("answers as then: $name", async ({ old }) => {
    const { scales, encoded } = await answer(old, checkpoint);
    expect(encoded).toHaveLength(old.drawn === undefined ? old.wanted.length : 1);
    scales.forEach((scale, row) => expect(scale / (old.scales[row] || 1)).toBeCloseTo(Math.sign(old.scales[row]), 6));
    expect(worstOf(old, encoded)).toBeLessThan(1e-4);
  });

  it("answers otherwise with other weights, or other zero-points", async () => {
    const { average } = checkpoint.state;
    const moved = { ...checkpoint, state: { ...checkpoint.state, average: average.map((p) => p + 1e-2) } };
    const [old] = golden.answers;
    expect(worstOf(old, (await answer(old, moved)).encoded)).toBeGreaterThan(1e-3);
    const bare = await answer({ ...old, isCalibrated: false }, checkpoint);
    expect(worstOf(old, bare.encoded)).toBeGreaterThan(1e-3);
  });

  it("has the fields that it had, and of their bands what it did not keep and the survey's file still says", () => {
    expect(fields.map(({ name }) => name)).toStrictEqual(golden.fields);
    const { fields: known } = loadSurvey("minijpas");
    const bare = (JSON.parse(read("config.json").toString()) as { fields: { band?: object }[] }).fields;
    const lost = ["notches", "instrument", "seeing", "exposure"] as const;
    for (const { band } of bare) for (const key of lost) expect(band ?? {}).not.toHaveProperty(key);
    // GALEX has got a third layer since: values stay encoded by the depth of then
    const then: Record<string, object> = { FUV: { depth: [(19.9 + 22.6) / 2] } };
    for (const { name, band } of fields) {
      const today = known.find((one) => one.name === name)!.band;
      expect(band).toStrictEqual(today === undefined ? undefined : { ...today, ...then[name] });
    }
    for (const key of lost) expect(fields.some(({ band }) => band?.[key] !== undefined)).toBe(true);
  });

  it("goes on from the moments that it had", () => {
    const { layout, state } = checkpoint;
    expect(state.step).toBe(40);
    const { tensors: model } = readSafetensors(read("model.safetensors"), "model.safetensors");
    const { tensors: moments } = readSafetensors(read("optimizer.safetensors"), "optimizer.safetensors");
    const vectors = [
      { tensors: model, prefix: "", vector: state.average },
      { tensors: model, prefix: "raw.", vector: state.params },
      { tensors: moments, prefix: "first.", vector: state.first },
      { tensors: moments, prefix: "second.", vector: state.second },
    ];
    const moved: string[] = [];
    for (const { tensors, prefix, vector } of vectors) {
      for (const { name } of layout.specs) {
        const old = tensors[`${prefix}${name}`];
        const own = parameterIn(vector, layout, name);
        if (old === undefined) moved.push(name);
        else expect(own).toStrictEqual(old.data.slice(0, own.length));
      }
    }
    expect([...new Set(moved)]).toStrictEqual(["embed.band", "embed.property"]);
    // rows of the one matrix of then are found again by their weights: the moments must have gone the same way
    const width = model["embed.fields"].shape[1];
    const rowsIn = (data: Float32Array): string[] =>
      Array.from({ length: data.length / width }, (_, i) => data.subarray(i * width, (i + 1) * width).join());
    const now = (vector: Float32Array): string[] =>
      ["embed.band", "embed.property"].flatMap((name) => rowsIn(parameterIn(vector, layout, name)));
    const then = rowsIn(model["embed.fields"].data);
    const from = now(state.average).map((row) => then.indexOf(row));
    expect(from.toSorted((a, b) => a - b)).toStrictEqual(then.map((_, i) => i));
    for (const { tensors, prefix, vector } of vectors) {
      const old = rowsIn(tensors[`${prefix}embed.fields`].data);
      expect(now(vector)).toStrictEqual(from.map((i) => old[i]));
    }
  });
});
