import { expect, it } from "vitest";
import { createPredictor } from "../../src/inference/predict.ts";
import { modelSchema } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog, emptyCatalog } from "../../src/survey/catalog.ts";
import { type Field, type ScalarField, State } from "../../src/survey/field.ts";
import { fitStandardisation } from "../../src/tokens/standardise.ts";
import { type Checkpoint, initialState } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { growCheckpoint, grownSurvey } from "../../src/train/grow.ts";
import { phasesOf } from "../../src/train/kept.ts";
import { train } from "../../src/train/loop.ts";
import { onnx, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { sourceOf, surveyOfFields, toyFields } from "../helpers/toy.ts";

/**
 * A band that a network never saw, in the middle of those that it knows. A galaxy is a step at 4000 Angstrom, rest frame:
 * its redshift is known to the distance of the bands around the step, so that the new band halves what is left open there.
 */

const engine = await onnx;
const BREAK = 4000;
/** Bands are this far apart in ln(wavelength), and as wide; the first one. */
const [SPACING, FIRST] = [0.025, Math.log(4500)];
const COUNT = 13;
/** Which one is new. */
const NEW = 6;
const NOISE = 0.02;
const places = Array.from({ length: COUNT }, (_, i) => FIRST + SPACING * i);
const edgesOf = (i: number): [number, number] => [Math.exp(places[i] - SPACING / 2), Math.exp(places[i] + SPACING / 2)];
const narrow = toyFields.find(({ name }) => name === "N1") as ScalarField;
const bandOf = (i: number, id: number): Field => ({
  ...narrow,
  id,
  name: `B${i}`,
  description: `B${i}`,
  band: { ...narrow.band!, pivot: Math.exp(places[i]), edges: edgesOf(i) },
});
const known = Array.from({ length: COUNT }, (_, i) => i).filter((i) => i !== NEW);
const z = toyFields.find(({ name }) => name === "z")!;
const fields: readonly Field[] = [...known.map((i, id) => bandOf(i, id)), { ...z, id: COUNT - 1 }];
const added = bandOf(NEW, COUNT);

/** Galaxies whose step lies anywhere among the bands, or `within` ln(wavelength) of the new one. */
function galaxies(count: number, seed: string, columns: readonly Field[], within = SPACING * (COUNT / 2 - 1)): Catalog {
  const rng = createRng(seed);
  const catalog = emptyCatalog(columns, count);
  for (let row = 0; row < count; row++) {
    const step = places[NEW] + within * (2 * rng.uniform() - 1);
    const bright = 100 * Math.exp(rng.normal());
    const noise = places.map(() => rng.normal());
    columns.forEach(({ name, band }, j) => {
      const at = row * columns.length + j;
      catalog.state[at] = State.measured;
      if (band === undefined) {
        catalog.value[at] = Math.exp(step) / BREAK - 1;
        return;
      }
      const i = Number(name.slice(1));
      const below = Math.min(1, Math.max(0, (step - places[i]) / SPACING + 0.5));
      catalog.error[at] = NOISE * bright;
      catalog.value[at] = bright * (1 - 0.6 * below + NOISE * noise[i]);
    });
  }
  return catalog;
}

/** Trained `steps` further, on what it has. */
async function taught(start: Checkpoint, catalog: Catalog, steps: number): Promise<Checkpoint> {
  const config = { ...start.config, training: { ...start.config.training, steps, validateEvery: steps } };
  const phaseAt = phasesOf({ ...start, config });
  const options = {
    engine,
    coder: coderOf(config),
    sources: [sourceOf(catalog)],
    validation: [],
    onProgress: () => {},
    onCheckpoint: () => {},
    ...(phaseAt === undefined ? {} : { phaseAt }),
  };
  return { ...start, config, state: await train(options, { ...start, config }) };
}

/** Half of the central 68 % of ln(1 + z) less the truth, of galaxies whose step lies in the new band. */
async function scatter(checkpoint: Checkpoint, given: string): Promise<number> {
  const columns = checkpoint.config.survey.fields;
  const asked = galaxies(1000, "asked", columns, SPACING / 2);
  const predictor = createPredictor(engine, checkpoint);
  const answer = await predictor.ask(asked, { given, want: "z", trust: false });
  await predictor.dispose();
  const j = columns.findIndex(({ name }) => name === "z");
  const off = answer.z.median
    .map((one, row) => Math.log((1 + one) / (1 + asked.value[row * columns.length + j])))
    .sort();
  return (off[840] - off[160]) / 2;
}

it("is heeded by its filter alone, and more after a short training that leaves all else as it was", async () => {
  const model = modelSchema.parse({
    ...tinyModel,
    nLatent: 2,
    dModel: 24,
    nHidden: 48,
    nComponent: 4,
    filters: "function",
  });
  const settings = { model, optimiser: { rate: 5e-3 }, training: { batch: 64, nTarget: 2 } };
  const home = galaxies(4000, "home", fields);
  const source = await taught(startCheckpoint(home, settings), home, 600);
  const wide = [...fields, added];
  const survey = grownSurvey(source, surveyOfFields(wide), new Set([added.name]));
  const sky = galaxies(400, "sky", survey.fields);
  const grown = growCheckpoint(source, survey, fitStandardisation(sky, allRows(sky)));
  const start = { ...grown, config: { ...grown.config, freeze: ["known"] } };
  const old = known.map((i) => `B${i}`).join();
  const before = await scatter(start, old);
  const zeroShot = await scatter(start, "bands");
  const tuned = await taught({ ...start, state: initialState(start.state.average) }, sky, 200);
  const after = await scatter(tuned, "bands");
  expect(await scatter(source, "bands")).toBe(before);
  expect(await scatter(tuned, old)).toBe(before);
  expect(zeroShot).toBeLessThan(0.8 * before); // rows of zeros, as free filters begin with, say what is said without it
  expect(after).toBeLessThan(0.8 * zeroShot);
});
