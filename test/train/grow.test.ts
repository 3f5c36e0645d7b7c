import { describe, expect, it } from "vitest";
import { createPredictor, type Predictor } from "../../src/inference/predict.ts";
import { sampleJoint } from "../../src/inference/sampling.ts";
import { modelSchema } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { parameterIn } from "../../src/model/parameters.ts";
import { allRows, type Catalog, emptyCatalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import type { Checkpoint } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { growCheckpoint, grownSurvey } from "../../src/train/grow.ts";
import { train } from "../../src/train/loop.ts";
import { fitStandardisation } from "../../src/tokens/standardise.ts";
import { allFields, bandNames, filled, flagsFor, infrared, rate, type } from "../helpers/kinds.ts";
import { onnx, perturb, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { lineCatalog, lineFields } from "../helpers/spectra.ts";
import { distance, sourceOf, surveyOfFields, toyCatalog, toyFields } from "../helpers/toy.ts";

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

/** The first three fields of galaxies that have a spectrum besides. */
function withoutSpectra(catalog: Catalog): Catalog {
  const fields = lineFields.slice(0, 3);
  const rest = { ...emptyCatalog(fields, catalog.rowCount), objectId: catalog.objectId, parentId: catalog.parentId };
  for (let at = 0; at < rest.value.length; at++) {
    const from = Math.floor(at / 3) * 4 + (at % 3);
    rest.value[at] = catalog.value[from];
    rest.error[at] = catalog.error[from];
    rest.state[at] = catalog.state[from];
  }
  return rest;
}

describe("a network that grows by a spectrum", () => {
  const galaxies = lineCatalog(3000, "grow");
  const start = startCheckpoint(withoutSpectra(galaxies), {
    model: modelSchema.parse({
      ...tinyModel,
      nLatent: 4,
      dModel: 16,
      heads: { redshift: { head: "histogram", from: 0, to: 0.8, bins: 40 } },
      spectrum: { channels: [8, 16] },
    }),
    optimiser: { rate: 5e-3 },
    training: { steps: 400, batch: 64, nTarget: 2, validateEvery: 400 },
  });
  const survey = grownSurvey(start, surveyOfFields(lineFields), new Set(["spectrum"]));
  const moments = fitStandardisation(galaxies, allRows(galaxies));
  const spread = (checkpoint: Checkpoint, name: string): number =>
    Math.hypot(...parameterIn(checkpoint.state.params, checkpoint.layout, name));

  it("says of old fields what it said, but for rounding, and starts where training reaches it", async () => {
    const old = perturb(start);
    const next = growCheckpoint(old, survey, moments);
    expect(spread(next, "spectrum0.first")).toBeGreaterThan(0);
    expect(spread(next, "embed.spectrum0")).toBe(0);
    expect(next.config.model.spectrum).toMatchObject({ channels: [8, 16], tokens: 16 });
    const said = await Promise.all(
      [old, next].map(async (checkpoint, i) => {
        const predictor = createPredictor(engine, checkpoint);
        const catalog = i === 0 ? withoutSpectra(galaxies) : galaxies;
        const { z } = await predictor.ask(catalog, { given: "bands", want: "z", trust: false });
        await predictor.dispose();
        return z.median;
      }),
    );
    expect(distance(said[1], said[0])).toBeLessThan(1e-4);
  });

  it("finds z in the spectrum once it was trained", async () => {
    const grownStart = growCheckpoint(start, survey, moments);
    const options = {
      engine,
      coder: coderOf(grownStart.config),
      validation: [],
      onProgress: () => {},
      onCheckpoint: () => {},
    };
    const state = await train({ ...options, sources: [sourceOf(galaxies)] }, grownStart);
    const predictor = createPredictor(engine, { ...grownStart, state });
    const unseen = lineCatalog(500, "grown");
    const error = async (given: string): Promise<number> => {
      const { z } = await predictor.ask(unseen, { given, want: "z", trust: false });
      return z.median.reduce((sum, one, row) => sum + Math.abs(one - unseen.value[4 * row + 2]), 0) / 500;
    };
    expect(await error("bands,spectrum")).toBeLessThan(0.7 * (await error("bands")));
    await predictor.dispose();
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
