import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { photometryExcess } from "../../src/inference/own-photometry.ts";
import { createRng } from "../../src/random.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { allRows, hide } from "../../src/survey/catalog.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { withZeroPoints } from "../../src/train/instrument-layer.ts";
import { sampleRows } from "../../src/train/tables.ts";
import { noInstrument } from "../../src/train/zero-points.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";

/** What is told of networks by a survey's own photometry. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));

it("networks with wrong zero-points know a survey's bands worse, the more so the wronger; labels have no say", async () => {
  const survey = loadSurvey("minijpas");
  const table = join(root, "sky.parquet");
  await simulate({ survey: "minijpas", out: table, n: 60, seed: "sky", workers: 0 });
  const sky = await sampleRows(table, "all", { survey });
  const network = loadCheckpoint("caleido-jpas");
  const rng = createRng("wrong");
  const off = survey.fields.flatMap(({ band }) => (band === undefined ? [] : [rng.normal()]));
  const wrong = (size: number): typeof network => {
    const right = noInstrument(off.length);
    const zeroPoints = right.zeroPoints.map((one, j) => ({ ...one, lnFlux: size * off[j] }));
    return withZeroPoints(network, { ...right, zeroPoints });
  };
  const excess = async (other: typeof network, catalog = sky): Promise<number> =>
    photometryExcess(await onnx, network, other, catalog, allRows(catalog));
  expect(await excess(network)).toBe(0);
  const [near, far] = [await excess(wrong(0.1)), await excess(wrong(0.3))];
  expect(near).toBeGreaterThan(0.01);
  expect(far).toBeGreaterThan(near + 0.1);
  expect(
    await excess(
      wrong(0.1),
      hide(sky, ({ band }) => band === undefined),
    ),
  ).toBe(near);
}, 120_000);
