import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { Arrays } from "../../src/engine/contract.ts";
import { createLayout, initialise, unpack } from "../../src/model/parameters.ts";
import { recall, recallSize } from "../../src/model/templates.ts";
import { marginals } from "../../src/model/marginals.ts";
import { encode, type ModelConfig, parameterSpecs, readoutsOf } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { emptyArrays } from "../../src/tokens/batch.ts";
import { contextSignature, fillContext } from "../../src/tokens/hosts.ts";
import { coderOf } from "../../src/train/config.ts";
import { drawTemplates, readTemplates, writeTemplates } from "../../src/train/templates.ts";
import { onnx, plainJs, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { distance, sourceOf, toyBands, toyFields } from "../helpers/toy.ts";

/** Clean galaxies that a network carries, against the likelihood worked out one template after the other. */

const kind: Field = {
  id: 10,
  name: "KIND",
  kind: "category",
  unit: "",
  description: "kind",
  range: [0, 1],
  classes: ["a", "b"],
};
const fields = [...toyFields, kind];
const n = fields.length;
const [Z, MASS, KIND] = [6, 7, 10];
const K = 60;
const B = 4;

/** Power laws whose slope is their redshift; without noise, or with. MASS is known of every second one. */
function world(rowCount: number, seed: string, noise: number): Catalog {
  const rng = createRng(seed);
  const value = new Float32Array(rowCount * n);
  const error = new Float32Array(rowCount * n);
  const state = new Uint8Array(rowCount * n).fill(State.measured);
  for (let row = 0; row < rowCount; row++) {
    const z = 0.1 + 0.8 * rng.uniform();
    const bright = 300 * Math.exp(rng.normal());
    fields.forEach(({ band }, j) => {
      const at = row * n + j;
      if (band === undefined) return;
      error[at] = noise * bright;
      value[at] = bright * (band.pivot / 5000) ** (4 * z - 2) + error[at] * rng.normal();
    });
    value.set([z, 10 + z, z, 30 * z, z > 0.5 ? 1 : 0], row * n + toyBands);
    if (row % 2 === 1) state[row * n + MASS] = State.notObserved;
  }
  const objectId = Array.from({ length: rowCount }, (_, i) => `w${i}`);
  return { fields, rowCount, objectId, parentId: objectId, value, error, state };
}

const clean = world(K, "templates", 0);
const seen = world(B, "seen", 0.03);
const { config } = startCheckpoint(world(400, "more", 0.03));
const plain = coderOf(config);
const templates = drawTemplates(plain, [sourceOf(clean)], { nTemplate: K, neighbourhood: 1 }, createRng("draw"))!;
const coder = coderOf(config, templates);
const model = { ...tinyModel, nTemplate: K };
const layout = createLayout(parameterSpecs(model, coder));
const params = initialise(layout, createRng("init"));

/** Contexts of the rows seen: what `isGiven` has, of a catalogue. */
function contexts(isGiven: (j: number, row: number) => boolean, catalog = seen): Arrays {
  const arrays = emptyArrays(contextSignature(B, coder));
  for (let b = 0; b < B; b++) {
    const isContext = Uint8Array.from(fields, (_, j) => Number(isGiven(j, b)));
    fillContext(arrays, b, coder, { catalog, row: b, isContext });
  }
  return arrays;
}

const compiled = onnx.then((engine) =>
  engine.compile(
    (x) => ({ said: recall(coder, templates, unpack(tf.tensor1d(params), layout), x, false) }),
    contextSignature(B, coder),
  ),
);
const ask = async (arrays: Arrays): Promise<Float32Array> =>
  (await (await compiled).run(arrays)).said.data as Float32Array;
const size = recallSize(coder);

/** Mean of the encoded redshift over the templates, weighted by their likelihood: bands of `isGiven`, a free amplitude. */
function meanByHand(
  row: number,
  floor: number,
  isGiven: (j: number) => boolean,
  mass?: number,
  of = templates,
): number {
  const [width, nBand] = [4, toyBands];
  const ln = Array.from({ length: of.count }, (_, k) => {
    let [overlap, norm] = [0, 0];
    for (let j = 0; j < nBand; j++) {
      if (!isGiven(j)) continue;
      const [f, e] = [seen.value[row * n + j], seen.error[row * n + j]];
      const weight = 1 / (e * e + (floor * f) ** 2);
      overlap += weight * f * of.flux[k * nBand + j];
      norm += weight * of.flux[k * nBand + j] ** 2;
    }
    const fit = norm === 0 ? 0 : (0.5 * Math.max(0, overlap) ** 2) / norm;
    if (mass === undefined) return fit;
    const own = of.property[k * width + 1];
    if (Number.isNaN(own)) return fit - 8;
    return fit - (0.5 * (mass - own) ** 2) / 0.1 ** 2;
  });
  const most = Math.max(...ln);
  let [sum, total] = [0, 0];
  ln.forEach((x, k) => {
    sum += Math.exp(x - most) * of.property[k * width];
    total += Math.exp(x - most);
  });
  return sum / total;
}

const isBand = (j: number): boolean => j < toyBands;
const isSome = (j: number): boolean => [0, 2, 5].includes(j);

describe("what the templates say", () => {
  it.each([
    ["all bands", isBand],
    ["three bands", isSome],
  ])("is their likelihood, of %s", async (_what, isGiven) => {
    const said = await ask(contexts(isGiven));
    for (let row = 0; row < B; row++) {
      expect(said[row * size + 2]).toBeCloseTo(meanByHand(row, 0.05, isGiven), 3);
      const second = 2 + 8 + 2 + 192;
      expect(said[row * size + second + 2]).toBeCloseTo(meanByHand(row, 0.015, isGiven), 3);
    }
  });

  it("takes a property for what it says, and templates that don't know it for unlikely", async () => {
    const said = await ask(contexts((j, row) => (j === MASS && row % 2 === 0) || j === 3));
    for (const row of [0, 2]) {
      const mass = coder.encode(MASS, seen.value[row * n + MASS], 0);
      expect(said[row * size + 2]).toBeCloseTo(
        meanByHand(row, 0.05, (j) => j === 3, mass),
        3,
      );
    }
  });

  it("does not look at what isn't given, nor at the brightness", async () => {
    const base = await ask(contexts(isSome));
    const changed = { ...seen, value: seen.value.slice(), error: seen.error.slice() };
    for (let at = 0; at < changed.value.length; at++) {
      if (!isSome(at % n)) changed.value[at] += 1;
      if (!isBand(at % n)) continue;
      changed.value[at] *= 3;
      changed.error[at] *= 3;
    }
    const bands = 2 * toyBands;
    const features = (x: Float32Array): Float32Array => x.filter((_, at) => at % size < size - bands);
    expect(distance(features(await ask(contexts(isSome, changed))), features(base))).toBeLessThan(2e-3);
  });

  it("knows the fluxes of bands that aren't given", async () => {
    const said = await ask(contexts(isSome));
    const isContext = Uint8Array.from(fields, (_, j) => Number(isSome(j)));
    const off: number[] = [];
    for (let row = 0; row < B; row++) {
      const scale = coder.scaleOf(seen, row, isContext);
      for (const j of [1, 3, 4]) {
        const truth = coder.encode(j, seen.value[row * n + j], scale);
        off.push(Math.abs(said[(row + 1) * size - 2 * toyBands + j] - truth));
      }
    }
    // a standard deviation is what one would be off by without them
    expect(off.reduce((sum, x) => sum + x, 0) / off.length).toBeLessThan(0.35);
  });

  it("keeps to the class that is given", async () => {
    const arrays = contexts((j) => j === KIND);
    const said = await ask(arrays);
    for (let row = 0; row < B; row++) {
      const wanted = seen.value[row * n + KIND];
      const shares = [0, 1].map((c) => said[row * size + 2 + 2 * 4 + c]);
      expect(shares[wanted]).toBeGreaterThan(0.99);
    }
  });

  it("is the same in plain JavaScript", async () => {
    const arrays = contexts(isSome);
    const fn = (x: Readonly<Record<string, tf.Tensor>>) => ({
      said: recall(coder, templates, unpack(tf.tensor1d(params), layout), x, false),
    });
    const other = await (await (await plainJs).compile(fn, contextSignature(B, coder))).run(arrays);
    expect(distance(await ask(arrays), other.said.data as Float32Array)).toBeLessThan(1e-4);
  });
});

/** Galaxies of a neighbourhood. */
const alike = 4;
const grouped = drawTemplates(
  plain,
  [sourceOf(world(402, "many", 0))],
  { nTemplate: 402, neighbourhood: alike },
  createRng("draw"),
)!;
const wide = coderOf(config, grouped);

describe("neighbourhoods", () => {
  const many = { ...tinyModel, nTemplate: grouped.count, neighbourhood: alike };
  const params = initialise(createLayout(parameterSpecs(many, wide)), createRng("init"));
  const width = recallSize(wide);
  const run = async (arrays: Arrays): Promise<Float32Array> => {
    const engine = await onnx;
    const layout = createLayout(parameterSpecs(many, wide));
    const fn = (x: Readonly<Record<string, tf.Tensor>>) => ({
      said: recall(wide, grouped, unpack(tf.tensor1d(params), layout), x, false),
    });
    return (await (await engine.compile(fn, contextSignature(B, wide))).run(arrays)).said.data as Float32Array;
  };

  it("hold galaxies that are alike, each once", () => {
    expect(grouped.count).toBe(400);
    const own = Array.from({ length: grouped.count }, (_, k) => grouped.property[k * 4]);
    expect(new Set(own).size).toBeGreaterThan(380); // no galaxy stands for another
    const spread = (k: number): number => Math.max(...own.slice(k, k + alike)) - Math.min(...own.slice(k, k + alike));
    const spreads = Array.from({ length: grouped.count / alike }, (_, g) => spread(g * alike)).sort((a, b) => a - b);
    expect(spreads[50]).toBeLessThan(0.1); // of one number that goes from -1.7 to 1.7: a hundredth of the range is 0.034
  });

  it.each([
    ["all bands", isBand],
    ["three bands", isSome],
  ])("are looked into, galaxy by galaxy, of %s", async (_what, isGiven) => {
    const said = await run(contexts(isGiven));
    const exact = 2 + 8 + 2 + 192 + 9;
    for (let row = 0; row < B; row++) {
      // the likelihood of all 400, one after the other: those that are not looked at have none of it
      expect(said[row * width + exact + 2]).toBeCloseTo(meanByHand(row, 0.015, isGiven, undefined, grouped), 2);
      const [part, ...slices] = said.subarray(row * width + exact - 9, row * width + exact);
      expect(part).toBeGreaterThan(0.9);
      const centres = slices.slice(0, 4);
      expect(centres.toSorted((a, b) => a - b)).toEqual(centres);
      expect(centres.reduce((sum, x) => sum + x / 4, 0)).toBeCloseTo(said[row * width + exact + 2], 2);
    }
  });

  it("leave to the axis what they do not hold", async () => {
    const said = await run(contexts((j) => j === 4)); // one band: its colour is free, all are as likely
    for (let row = 0; row < B; row++) {
      const nodes = said.subarray(row * width + 12, row * width + 12 + 192);
      const rest = nodes.reduce((sum, x) => sum + (x / 3) ** 2 - 1e-6, 0);
      expect(rest + said[row * width + 12 + 192]).toBeCloseTo(1, 2);
      expect(rest).toBeGreaterThan(0.6);
    }
  });

  it("keep their checkpoint's answers when written and read", () => {
    const again = readTemplates(writeTemplates(grouped), alike, "templates.safetensors");
    expect(again).toEqual(grouped);
    expect(() => readTemplates(writeTemplates(grouped), 3, "t.safetensors")).toThrow(
      /400 galaxies; expected whole neighbourhoods of 3/,
    );
  });
});

interface World {
  readonly model: ModelConfig;
  readonly coder: ReturnType<typeof coderOf>;
}

const usual: World = { model, coder };

/** Raw marginals of z and KIND of the rows seen, from an untrained network. */
async function untrained(isGiven: (j: number) => boolean, asked: World = usual) {
  const engine = await onnx;
  const { model, coder } = asked;
  const layout = createLayout(parameterSpecs(model, coder));
  const params = initialise(layout, createRng("init"));
  const readouts = readoutsOf(model, coder).flatMap((family) => family.readouts);
  const of = (column: number) => readouts.find(({ part, members }) => part === "property" && members.includes(column))!;
  const network = await engine.compile(
    (x) => {
      const silent = Object.fromEntries(
        Object.entries(unpack(tf.tensor1d(params), layout)).map(([name, w]) =>
          name.startsWith("head.") && name.endsWith(".out") ? [name, tf.zerosLike(w)] : [name, w],
        ),
      );
      const state = encode(model, coder, silent, x, false);
      const said = (column: number): tf.Tensor3D => marginals(coder, silent, state, of(column));
      return { z: tf.slice(said(Z), [0, 0, 0], [B, 1, -1]), kind: said(KIND) };
    },
    contextSignature(B, coder),
  );
  const { z, kind: shares } = await network.run(contexts(isGiven));
  const width = z.shape[2];
  const raw = z.data as Float32Array;
  return {
    z: (row: number): Float32Array => raw.subarray(row * width, (row + 1) * width),
    spec: of(Z).spec,
    kind: shares.data as Float32Array,
  };
}

describe("a network before its first step", () => {
  it("answers with the likely redshifts and classes", async () => {
    const { z, kind: shares } = await untrained(isBand);
    for (let row = 0; row < B; row++) {
      const truth = seen.value[row * n + Z];
      // two Gaussians of equal weight: their mean is that of the likely templates
      const raw = z(row);
      expect(raw[0]).toBeCloseTo(raw[1], 5);
      expect((raw[2] + raw[3]) / 2).toBeCloseTo(meanByHand(row, 0.05, isBand), 2);
      expect(Math.abs(coder.decode(Z, (raw[2] + raw[3]) / 2, 0) - truth)).toBeLessThan(0.06);
      if (Math.abs(truth - 0.5) < 0.1) continue;
      expect(shares[row * 2 + 1] > shares[row * 2] ? 1 : 0).toBe(seen.value[row * n + KIND]);
    }
  });

  it("spreads over what is possible where little is given", async () => {
    const little = await untrained((j) => j === 4);
    const much = await untrained(isBand);
    const width = (raw: Float32Array): number => raw[3] - raw[2];
    for (let row = 0; row < B; row++) expect(width(little.z(row))).toBeGreaterThan(3 * width(much.z(row)));
  });

  it.each([
    ["all alike", coder, templates],
    ["neighbourhoods", wide, grouped],
  ])("answers so in bins, too: %s", async (_, of, all) => {
    const heads = { redshift: { head: "histogram", from: 0, to: 1, bins: 80 } } as const;
    const inBins = { model: { ...model, nTemplate: all.count, neighbourhood: all.neighbourhood, heads }, coder: of };
    const { z, spec } = await untrained(isBand, inBins);
    if (spec.head !== "histogram") throw new Error("expected bins");
    for (let row = 0; row < B; row++) {
      const share = Array.from(z(row), (x) => Math.exp(x));
      const total = share.reduce((sum, x) => sum + x, 0);
      const mean = share.reduce((sum, x, b) => sum + (x / total) * 0.5 * (spec.edges[b] + spec.edges[b + 1]), 0);
      const byHand = meanByHand(row, all.neighbourhood > 1 ? 0.015 : 0.05, isBand, undefined, all);
      expect(Math.abs(mean - byHand)).toBeLessThan(0.05);
      expect(Math.max(...share) / total).toBeGreaterThan(0.04);
    }
  });
});
