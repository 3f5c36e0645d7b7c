import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adapt, type Domain, resumeAdaptation } from "../../src/inference/adaptation.ts";
import { silent } from "../../src/progress.ts";
import { type Catalog, hide } from "../../src/survey/catalog.ts";
import { type AdaptConfig, adaptSchema } from "../../src/train/adapt.ts";
import { type Checkpoint, loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { trainingSchema } from "../../src/train/config.ts";
import type { RunSetting } from "../../src/train/run-tables.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { writeCatalog } from "../helpers/tables.ts";
import { surveyOfFields, toyCatalog, toyFields } from "../helpers/toy.ts";

/** An adaptation that chooses: what is made, what is kept, and that it goes on where it stopped. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const simulated = toyCatalog(400, "source");
const sky = toyCatalog(400, "sky");
const start = startCheckpoint(simulated, { templates: 64 });
const steps = { steps: 12, batch: 8, nTarget: 2, validateEvery: 6, checkpointEvery: 4 };

beforeAll(async () => {
  const survey = { ...surveyOfFields(toyFields), headline: ["z"] };
  const config = { ...start.config, survey, training: { ...start.config.training, ...steps } };
  await saveCheckpoint(at("init"), { ...start, config });
  await writeCatalog(at("source.arrow"), simulated);
  await writeCatalog(at("sky.arrow"), sky);
  await writeCatalog(
    at("bare.arrow"),
    hide(sky, ({ band }) => band === undefined),
  );
});

const domainOf = (name: string): Domain => JSON.parse(readFileSync(join(at(name), "domain.json"), "utf8")) as Domain;

async function adapted(
  name: string,
  labelled?: string,
  more: Partial<RunSetting> = {},
  own: Partial<AdaptConfig> = {},
): Promise<Checkpoint> {
  const { model, optimiser, subsets } = start.config;
  const training = trainingSchema.parse(steps);
  return adapt({
    engine: await onnx,
    init: at("init"),
    source: at("source.arrow"),
    unlabelled: at("bare.arrow"),
    ...(labelled === undefined ? {} : { labelled: at(labelled) }),
    out: at(name),
    anyTarget: true,
    recipe: { survey: "toy", model, optimiser, subsets, training, adapt: adaptSchema.parse(own) },
    ...more,
  });
}

/** Raised when a note has been shown, as Ctrl-C would be. */
function stoppingAt(wanted: string): Partial<RunSetting> {
  const stop = new AbortController();
  const update = (_done: number, note = ""): void => {
    if (note.startsWith(wanted)) stop.abort();
  };
  return { signal: stop.signal, reporter: { ...silent, bar: () => ({ update, stop: () => {} }) } };
}

describe("an adaptation without labels", () => {
  it("makes a network anew, keeps one of what labels have no say in, and says which", async () => {
    const network = await adapted("none");
    const { way, isKept } = domainOf("none");
    expect(["instrument", "retaught"]).toContain(way);
    expect(isKept).toBe(false);
    expect(existsSync(join(at("none"), "stages", "retaught", "checkpoint"))).toBe(true);
    expect(existsSync(join(at("none"), "stages", "folds-1"))).toBe(false);
    expect(loadCheckpoint(at("none")).state.average).toStrictEqual(network.state.average);
    expect(network.config.isCalibrated).toBe(true);
    expect(network.config.data.map(({ role }) => role)).toStrictEqual(["source", "unlabelled"]);
    expect(readFileSync(join(at("none"), "zero-points.csv"), "utf8").split("\n")).toHaveLength(8);
  }, 120_000);
});

describe("an adaptation without labels, and without teaching anew", () => {
  it("trains nothing: zero-points and spectra are put right", async () => {
    const network = await adapted("still", undefined, {}, { anew: "never" });
    expect(domainOf("still").way).toBe("instrument");
    expect(existsSync(join(at("still"), "stages"))).toBe(false);
    expect(loadCheckpoint(at("still")).state.average).toStrictEqual(network.state.average);
  }, 60_000);
});

describe("an adaptation with labels", () => {
  let whole: Checkpoint;
  beforeAll(async () => {
    whole = await adapted("whole", "sky.arrow");
  }, 240_000);

  it("is taught by labels that its judging rows are none of", () => {
    const { way, heldOut } = domainOf("whole");
    expect(way).toBeDefined();
    for (const fold of [1, 2, 3, 4, 5]) {
      expect(existsSync(join(at("whole"), "stages", `folds-${fold}`, "log.jsonl"))).toBe(true);
      expect(existsSync(join(at("whole"), "stages", `folds-${fold}`, "steps"))).toBe(false);
    }
    expect(heldOut.target === undefined || heldOut.target.after !== undefined).toBe(true);
    const page = readFileSync(join(at("whole"), "adaptation.html"), "utf8");
    expect(page.includes("Training: mean of five, the first")).toBe(true);
  });

  it("goes on where it stopped, and ends bitwise the same", async () => {
    await expect(adapted("cut", "sky.arrow", stoppingAt("mean of five 6/"))).rejects.toThrow(/adapt --resume .*cut/);
    expect(existsSync(join(at("cut"), "checkpoint"))).toBe(false);
    const resumed = await resumeAdaptation({ engine: await onnx, folder: at("cut") });
    expect(domainOf("cut").way).toBe(domainOf("whole").way);
    expect(resumed.state.average).toStrictEqual(whole.state.average);
    expect(resumed.recalibration).toStrictEqual(whole.recalibration);
    await expect(resumeAdaptation({ engine: await onnx, folder: at("cut") })).rejects.toThrow(/complete/);
  }, 240_000);

  it("changes with its labels", async () => {
    const { value } = sky;
    const other: Catalog = {
      ...sky,
      value: value.map((x, i) => (toyFields[i % toyFields.length].name === "z" ? x / 2 : x)),
    };
    await writeCatalog(at("other.arrow"), other);
    const changed = await adapted("changed", "other.arrow");
    expect(changed.state.average).not.toStrictEqual(whole.state.average);
  }, 240_000);
});
