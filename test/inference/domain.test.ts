import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DomainView, excessRms, viewDomain } from "../../src/inference/domain.ts";
import { brightnessOf, findingsOf, type TargetFacts, verdictOf } from "../../src/inference/domain-findings.ts";
import { sideBySide } from "../../src/inference/domain-sides.ts";
import { createNetwork, type Network } from "../../src/inference/network.ts";
import { areaError, toldApart } from "../../src/inference/told-apart.ts";
import { createRng } from "../../src/random.ts";
import type { SimulationInput } from "../../src/simulate/options.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { observationSchema } from "../../src/simulate/observation.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { sampleRows } from "../../src/train/tables.ts";
import { type Checkpoint, loadCheckpoint } from "../../src/train/checkpoint.ts";
import { sampleTable } from "../../src/train/sample.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { toyCatalog, toyFields } from "../helpers/toy.ts";

/** The look at a target: what tells it from the simulations, and what is said of it. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("a classifier between two samples", () => {
  const n = 800;
  const alone = Int32Array.from({ length: n }, (_, i) => i);
  const drawn = (seed: string, p: number, mean: number, sigma = 1): Float32Array => {
    const rng = createRng(seed);
    return Float32Array.from({ length: n * p }, (_, i) => (i % p === 1 ? mean + sigma * rng.normal() : rng.normal()));
  };

  it("has the area that two shifted Gaussians have, and none where they are the same", () => {
    // d = 1: Phi(1 / sqrt 2)
    const shifted = toldApart(drawn("a", 5, 0), drawn("b", 5, 1), 5, alone);
    expect(Math.abs(shifted.auc - 0.7602)).toBeLessThan(3 * shifted.error);
    const same = toldApart(drawn("a", 5, 0), drawn("c", 5, 0), 5, alone);
    expect(Math.abs(same.auc - 0.5)).toBeLessThan(3 * same.error);
  });

  it("tells widths from widths", () => {
    expect(toldApart(drawn("a", 3, 0), drawn("b", 3, 0, 2), 3, alone).auc).toBeGreaterThan(0.65);
  });

  it("is not fooled by rows that come in pairs: they are held out together", () => {
    const twins = (seed: string): Float32Array => {
      const half = drawn(seed, 40, 0).subarray(0, 20 * n);
      return Float32Array.from({ length: 40 * n }, (_, i) => half[Math.floor(i / 80) * 40 + (i % 40)]);
    };
    const pairs = alone.map((i) => i >> 1);
    const { auc, error } = toldApart(twins("a"), twins("b"), 40, pairs);
    expect(Math.abs(auc - 0.5)).toBeLessThan(5 * error);
  });

  it("knows its error: that of areas between Gaussian scores, drawn again and again", () => {
    const rng = createRng("areas");
    const areas = Array.from({ length: 400 }, () => {
      const [a, b] = [
        Array.from({ length: 60 }, () => rng.normal()),
        Array.from({ length: 60 }, () => 1 + rng.normal()),
      ];
      return a.reduce((sum, x) => sum + b.filter((y) => y > x).length, 0) / 3600;
    });
    const mean = areas.reduce((sum, x) => sum + x, 0) / areas.length;
    const scatter = Math.sqrt(areas.reduce((sum, x) => sum + (x - mean) ** 2, 0) / areas.length);
    expect(areaError(mean, 60) / scatter).toBeGreaterThan(0.85);
    expect(areaError(mean, 60) / scatter).toBeLessThan(1.2);
  });
});

describe("two tables side by side", () => {
  it("have the same bands row by row, no labels, and only rows with photometry", () => {
    const { source, target, isGiven } = sideBySide(toyCatalog(200, "a"), toyCatalog(150, "b"))!;
    expect(source.rowCount).toBe(target.rowCount);
    const n = toyFields.length;
    let seen = 0;
    for (let at = 0; at < source.state.length; at++) {
      const isHidden = source.state[at] === State.notObserved;
      expect(target.state[at] === State.notObserved).toBe(isHidden);
      if (toyFields[at % n].band === undefined) expect(isHidden).toBe(true);
      else if (!isHidden) seen++;
    }
    expect(seen).toBeGreaterThan(source.rowCount);
    expect([...isGiven]).toEqual(toyFields.map(({ band }) => Number(band !== undefined)));
    const blank = { ...toyCatalog(20, "c"), state: new Uint8Array(20 * n) };
    expect(sideBySide(toyCatalog(20, "a"), blank)).toBeUndefined();
  });
});

const told = (auc: number) => ({ auc, error: 0.015 });
function viewOf(changes: Partial<DomainView> = {}, offsets = [0, 0, 0], ratio = 1): DomainView {
  const bands = offsets.map((value, i) => ({
    name: `B${i}`,
    rows: 400,
    offset: { value, error: 0.005 },
    fluxRatio: ratio,
    errorRatio: ratio,
  }));
  const rng = createRng("brightness");
  const brightness = Float64Array.from({ length: 800 }, (_, i) => rng.normal() + (i < 400 ? 0 : Math.log(ratio)));
  return {
    rows: 400,
    photometry: told(0.5),
    residuals: told(0.5),
    state: told(0.5),
    bands,
    offsetRms: excessRms(bands.map(({ offset }) => offset)),
    map: { scores: new Float64Array(1600), share: Float64Array.of(0.5, 0.1) },
    brightness,
    ...changes,
  };
}
const facts: TargetFacts = {
  path: "sky.fits",
  sourcePath: "sims.parquet",
  rows: 4000,
  fluxUnit: "1e-19 erg/s/cm2/A",
  missing: [],
  bandCount: 3,
  unknown: [],
};
const levels = (some: ReturnType<typeof findingsOf>, level: string): string[] =>
  some.filter((one) => one.level === level).map(({ text }) => text);

describe("what is said of a target", () => {
  it("is that units are wrong where fluxes are, however the colours look", () => {
    for (const ratio of [1000, 1e-3]) {
      const [refused] = levels(findingsOf(facts, viewOf({}, [0, 0, 0], ratio)), "refused");
      expect(refused).toMatch(/^sky\.fits: .*sims\.parquet.*expected 1e-19 erg.*--unit/);
    }
    // that much fainter may also be a deeper survey
    const [warned] = levels(findingsOf(facts, viewOf({}, [0, 0, 0], 1 / 3.631)), "warning");
    expect(warned).toMatch(/or other units\? expected/);
    // as bright as a shallower survey: errors are what they were
    const shallow = viewOf({}, [0, 0, 0], 10);
    const bands = shallow.bands.map((one) => ({ ...one, errorRatio: 1.1 }));
    const inside = { ...shallow, bands, brightness: shallow.brightness.map((x, i) => (i < 400 ? 2 * x : x - 1)) };
    expect(brightnessOf(inside).beyond).toBeLessThan(0.5);
    expect(levels(findingsOf(facts, inside), "refused")).toEqual([]);
  });

  it("names a band in another unit, and one that is far off", () => {
    const said = findingsOf(facts, viewOf({}, [0.01, -7.5, 0.4]));
    expect(levels(said, "refused")[0]).toMatch(/B1 -7\.50;/);
    expect(levels(said, "warning").join()).toMatch(/B2 \+0\.40/);
    // so far off that nothing is expected above its errors
    const view = viewOf();
    const bands = view.bands.map((one, i) => (i === 1 ? { ...one, fluxRatio: 1100, errorRatio: 1000 } : one));
    expect(levels(findingsOf(facts, { ...view, bands }), "refused")[0]).toMatch(/B1 1,100 times the simulated/);
  });

  it("is another population where photometry tells and no band is off, another instrument where bands are", () => {
    expect(verdictOf(viewOf())).toBe("same");
    expect(verdictOf(viewOf({ photometry: told(0.8), residuals: told(0.6) }))).toBe("population");
    expect(verdictOf(viewOf({ photometry: told(0.8) }, [0.05, -0.04, 0.02]))).toBe("instrument");
    // one band among many
    expect(verdictOf(viewOf({}, [0.08, ...Array.from({ length: 60 }, () => 0)]))).toBe("instrument");
    const [population] = levels(findingsOf(facts, viewOf({ photometry: told(0.8) })), "warning");
    expect(population).toMatch(/another population, not another instrument.*--prior/);
  });

  it("counts rows and bands", () => {
    expect(levels(findingsOf({ ...facts, rows: 30 }, viewOf()), "refused")[0]).toMatch(/30 rows .* expected 50/);
    expect(levels(findingsOf({ ...facts, rows: 200 }, viewOf()), "warning")[0]).toMatch(/only 200 rows.*0\.005 mag/);
    const said = findingsOf({ ...facts, missing: ["J0660"], unknown: ["Y"] }, viewOf());
    expect(levels(said, "warning").join("\n")).toMatch(/J0660 \(1 of 3 bands\)[^]*not used: Y/);
    expect(findingsOf({ ...facts, rows: 0 }, undefined)[0].level).toBe("refused");
  });
});

describe("rows of a table without noise", () => {
  it("are observed, each of them: they have errors, and scatter by them about what they are", async () => {
    const out = join(root, "both.parquet");
    await simulate({ survey: "zcosmos", workers: 0, n: 150, seed: "both", out, fluxes: "both" });
    const survey = loadSurvey("zcosmos");
    const options = observationSchema.parse({});
    const observation = { options, isAsked: true };
    const { whole, isHeldOut } = await sampleTable({ path: out, role: "source", observation }, survey);
    const clean = await sampleRows(out, "all", { survey, options: { layout: "clean" } });
    expect(isHeldOut).toBe(false);
    expect(whole.objectId).toEqual(clean.objectId);
    const n = survey.fields.length;
    const away: number[] = [];
    for (let at = 0; at < whole.value.length; at++) {
      if (survey.fields[at % n].band === undefined || whole.state[at] !== State.measured) continue;
      expect(whole.error[at]).toBeGreaterThan(0);
      away.push(Math.abs(whole.value[at] - clean.value[at]) / whole.error[at]);
    }
    expect(away.length).toBeGreaterThan(1000);
    // half of a Gaussian is within .67 sigma; zero-points and models err by .02 besides, where bright fluxes are told to .01
    const middle = away.sort((a, b) => a - b)[away.length >> 1];
    expect(middle).toBeGreaterThan(0.5);
    expect(middle).toBeLessThan(3);
  }, 60_000);
});

describe("simulated targets, seen by the network that comes along", () => {
  let checkpoint: Checkpoint;
  let network: Network;
  let source: Catalog;
  const table = async (name: string, n: number, options: SimulationInput): Promise<Catalog> => {
    const out = join(root, `${name}.parquet`);
    await simulate({ survey: "minijpas", workers: 0, n, seed: name, out, ...options });
    return (await sampleTable({ path: out, role: "unlabelled" }, checkpoint.config.survey)).whole;
  };
  const seen = async (name: string, options: SimulationInput): Promise<DomainView> => {
    const sides = sideBySide(source, await table(name, 160, options))!;
    return viewDomain({ network }, { network }, sides);
  };
  beforeAll(async () => {
    checkpoint = loadCheckpoint("caleido-jpas");
    network = createNetwork(await onnx, checkpoint);
    source = await table("source", 160, {});
  }, 120_000);
  afterAll(() => network.dispose());

  it("are the same, other galaxies, other zero-points: each is called what it is", async () => {
    expect(verdictOf(await seen("same", {}))).toBe("same");
    const near = await seen("near", { redshift: { max: 0.25 } });
    expect(verdictOf(near)).toBe("population");
    expect(near.photometry.auc).toBeGreaterThan(near.residuals.auc + 0.1);
    const shifted = await seen("shifted", { offsets: { rms: 0.07, seed: "shifted" } });
    expect(verdictOf(shifted)).toBe("instrument");
    expect(shifted.residuals.auc).toBeGreaterThan(0.8);
    expect(shifted.offsetRms).toBeGreaterThan(0.04);
    expect(shifted.offsetRms).toBeLessThan(0.11);
  }, 120_000);
});
