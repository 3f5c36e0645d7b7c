import { describe, expect, it } from "vitest";
import { createPredictor, type Predictor } from "../../src/inference/predict.ts";
import { sampleJoint } from "../../src/inference/sampling.ts";
import { modelSchema } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import type { Checkpoint } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { growCheckpoint, grownSurvey } from "../../src/train/grow.ts";
import { train } from "../../src/train/loop.ts";
import { fitStandardisation } from "../../src/tokens/standardise.ts";
import { allFields, bandNames, filled, flagsFor, infrared, rate, type } from "../helpers/kinds.ts";
import { onnx, perturb, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { sourceOf, surveyOfFields, toyCatalog, toyFields } from "../helpers/toy.ts";

/** A network grows: new fields come in, and what it says of the old ones is what it said. */

const engine = await onnx;
const plain = toyCatalog(300);

/** A network that knows `fields`, every parameter of it at work. */
const networkOf = (
  fields: readonly Field[],
  filters: "free" | "function",
  isCalibrated = false,
  templates = 0,
): Checkpoint => {
  const model = modelSchema.parse({ ...tinyModel, filters });
  return perturb(startCheckpoint(filled(plain, fields), { model, isCalibrated, templates }));
};

/** The network with new fields, and the galaxies with their values. */
function grown(old: Checkpoint, added: readonly Field[]): { checkpoint: Checkpoint; catalog: Catalog } {
  const { fields: known } = old.config.survey;
  const wanted = surveyOfFields([...known, ...added.map((field, i) => ({ ...field, id: known.length + i }))]);
  const survey = grownSurvey(old, wanted, new Set(added.map(({ name }) => name)));
  const catalog = filled(plain, survey.fields);
  return { checkpoint: growCheckpoint(old, survey, fitStandardisation(catalog, allRows(catalog))), catalog };
}

/** Everything that a network says when asked about `names` given subsets of them, galaxies one by one and many together. */
async function answersTo(checkpoint: Checkpoint, catalog: Catalog, names: readonly string[]): Promise<unknown[]> {
  const predictor = createPredictor(engine, checkpoint);
  const { fields } = predictor.coder;
  const place = (name: string): number => fields.findIndex((field) => field.name === name);
  const rng = createRng("subsets");
  const said: unknown[] = [];
  for (const count of [1, 5, 16, 17, 300]) {
    for (const share of [0, 0.2, 0.5, 1]) {
      const given = names.filter(() => rng.uniform() < share);
      const wanted = names.filter((_, i) => i === count % names.length || rng.uniform() < 0.5);
      const rows = allRows(catalog).subarray(0, count);
      const states = await predictor.network.encode(catalog, rows, flagsFor(fields, given));
      const raw = await predictor.network.read(states, wanted.map(place));
      said.push(states.scales, states.state, ...raw.map((answer) => answer.raw));
    }
  }
  said.push(await drawsOf(predictor, catalog, names));
  await predictor.dispose();
  return said;
}

/** Joint draws given bands: ordered answers. */
function drawsOf(predictor: Predictor, catalog: Catalog, names: readonly string[]): ReturnType<typeof sampleJoint> {
  const { fields } = predictor.coder;
  const order = names.filter((name) => !bandNames.includes(name) || name === "G");
  const wanted = order.map((name) => fields.findIndex((field) => field.name === name));
  const rows = Int32Array.of(3, 0, 11);
  const isGiven = flagsFor(fields, ["N1", "R", "UV"]);
  return sampleJoint(predictor, catalog, rows, isGiven, wanted, 20, (row) => createRng(`draws ${row}`));
}

const names = toyFields.map(({ name }) => name);

describe("a network that grows", () => {
  it.each([
    { filters: "free", isCalibrated: false, templates: 0 },
    { filters: "function", isCalibrated: false, templates: 0 },
    { filters: "free", isCalibrated: true, templates: 0 },
    { filters: "free", isCalibrated: true, templates: 40 },
  ] as const)(
    "says of old fields bitwise what it said: filters $filters, zero-points $isCalibrated, $templates templates",
    async (kind) => {
      const old = networkOf(toyFields, kind.filters, kind.isCalibrated, kind.templates);
      expect(old.templates?.count ?? 0).toBe(kind.templates);
      const { checkpoint, catalog } = grown(old, [infrared, rate, type]);
      expect(checkpoint.config.survey.fields.map(({ name }) => name)).toStrictEqual([...names, "H", "SFR", "TYPE"]);
      const [before, after] = [await answersTo(old, plain, names), await answersTo(checkpoint, catalog, names)];
      expect(before.length).toBeGreaterThan(100);
      expect(after).toStrictEqual(before);
    },
  );

  it("grows again: classes are old fields, too", async () => {
    const first = grown(networkOf(toyFields, "free"), [type]);
    const old = perturb(first.checkpoint);
    const { checkpoint, catalog } = grown(old, [infrared, rate]);
    expect(checkpoint.config.grownAt).toStrictEqual([10, 11]);
    const known = [...names, "TYPE"];
    const before = await answersTo(old, first.catalog, known);
    expect(await answersTo(checkpoint, catalog, known)).toStrictEqual(before);
  });

  it("keeps its standardisation, and takes that of new fields from the tables", () => {
    const old = networkOf(toyFields, "free");
    const { checkpoint, catalog } = grown(old, [infrared, rate, type]);
    const { standardisation: then } = old.config;
    const { standardisation: now } = checkpoint.config;
    const fitted = fitStandardisation(catalog, allRows(catalog));
    expect(now.fields).toStrictEqual([...then.fields, ...fitted.fields.slice(toyFields.length)]);
    expect(now.absolute).toStrictEqual([...then.absolute, fitted.absolute.at(-1)]);
    expect([now.scale, now.reference]).toStrictEqual([then.scale, then.reference]);
  });

  it("answers for new fields, and from them, once it was trained", async () => {
    const { checkpoint: start, catalog } = grown(networkOf(toyFields, "free"), [infrared, rate, type]);
    const training = { ...start.config.training, steps: 250, batch: 32, nTarget: 4, validateEvery: 250 };
    const config = { ...start.config, training, optimiser: { ...start.config.optimiser, rate: 0.01 } };
    const sources = [sourceOf(catalog)];
    const state = await train(
      {
        engine,
        coder: coderOf(config),
        sources,
        validation: [],
        onProgress: () => {},
        onCheckpoint: () => {},
      },
      { ...start, config },
    );
    const before = await surprises(start, catalog);
    const after = await surprises({ ...start, config, state }, catalog);
    // nats per answer: the rate and the class follow from the bands, the infrared from the rate and a band
    for (const [name, gain] of [
      ["H", 0.3],
      ["SFR", 0.3],
      ["TYPE", 0.3],
    ] as const) {
      expect(before[name] - after[name], name).toBeGreaterThan(gain);
    }
  });
});

/** Mean -ln p of the new fields, each given bands and the other new ones [nats]. */
async function surprises(checkpoint: Checkpoint, catalog: Catalog): Promise<Record<string, number>> {
  const predictor = createPredictor(engine, checkpoint);
  const { coder } = predictor;
  const all = ["H", "SFR", "TYPE"];
  const found: Record<string, number> = {};
  for (const name of all) {
    const j = allFields.findIndex((field) => field.name === name);
    const rows = allRows(catalog).filter((row) => catalog.state[row * allFields.length + j] === State.measured);
    const isGiven = flagsFor(coder.fields, [...bandNames, ...all]);
    const { encoded, scales } = await predictor.predict(catalog, rows, isGiven, [j]);
    const isClass = coder.fields[j].kind === "category";
    let sum = 0;
    rows.forEach((row, i) => {
      const x = catalog.value[row * allFields.length + j];
      sum -= encoded[0].logDensity(i, isClass ? x : coder.encode(j, x, scales[i]));
    });
    found[name] = sum / rows.length;
  }
  await predictor.dispose();
  return found;
}
