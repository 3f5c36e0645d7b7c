import { describe, expect, it } from "vitest";
import { createRng } from "../../src/random.ts";
import { allRows, hide } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { batchShape, drawBatch } from "../../src/tokens/batch.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import {
  type ContextDraw,
  contextDraws,
  type ContextDrawName,
  drawContext,
  type SubsetConfig,
  subsetSchema,
} from "../../src/tokens/subset.ts";
import { sourceOf, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const n = toyFields.length;
const catalog = toyCatalog(300);
const coder = createFieldCoder(toyFields, fitStandardisation(catalog, allRows(catalog)));

/** What each draw promises about a pool: `kept` and `left` partition it. */
const meanings: Record<ContextDrawName, (kept: readonly Field[], left: readonly Field[]) => boolean> = {
  none: (kept) => kept.length === 0,
  all: (_kept, left) => left.length === 0,
  uniform: () => true,
  blue: (kept, left) => kept.length > 0 && left.every((l) => kept.every((k) => k.band!.pivot < l.band!.pivot)),
  red: (kept, left) => kept.length > 0 && left.every((l) => kept.every((k) => k.band!.pivot > l.band!.pivot)),
  block: (kept, left) => kept.length > 0 && isStretch(kept, left),
  hole: (kept, left) => left.length > 0 && isStretch(left, kept),
  broad: (kept, left) => isGroup(kept, left, (group) => group === "broad"),
  narrow: (kept, left) => isGroup(kept, left, (group) => group === "narrow"),
  noUv: (kept, left) => isGroup(kept, left, (group) => group !== "uv"),
};

function isStretch(inside: readonly Field[], outside: readonly Field[]): boolean {
  const pivots = inside.map(({ band }) => band!.pivot);
  return outside.every(({ band }) => band!.pivot < Math.min(...pivots) || band!.pivot > Math.max(...pivots));
}

function isGroup(kept: readonly Field[], left: readonly Field[], isKept: (group: string) => boolean): boolean {
  return kept.every(({ band }) => isKept(band!.group)) && !left.some(({ band }) => isKept(band!.group));
}

describe.each(Object.entries(contextDraws) as [ContextDrawName, ContextDraw][])("context draw %s", (name, draw) => {
  it("keeps what its name says of any pool, and never touches a field outside of it", () => {
    const rng = createRng(name);
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const pool = Int32Array.from([0, 1, 2, 3, 4, 5].filter(() => rng.uniform() < 0.8));
      if (pool.length === 0) continue;
      const isContext = new Uint8Array(n);
      draw(pool, toyFields, rng, isContext);
      const flagged = [...isContext.keys()].filter((j) => isContext[j] === 1);
      expect(flagged.every((j) => pool.includes(j))).toBe(true);
      const left = [...pool].filter((j) => isContext[j] === 0);
      expect(
        meanings[name](
          flagged.map((j) => toyFields[j]),
          left.map((j) => toyFields[j]),
        ),
      ).toBe(true);
      seen.add(`${pool.join()}:${flagged.join()}`);
    }
    if (["uniform", "blue", "red", "block", "hole"].includes(name)) expect(seen.size).toBeGreaterThan(70);
  });

  it("bears an empty pool", () => {
    const isContext = new Uint8Array(n);
    draw(new Int32Array(0), toyFields, createRng("empty"), isContext);
    expect(isContext.every((flag) => flag === 0)).toBe(true);
  });
});

it("uniform draws every subset size equally often", () => {
  const counts = new Float64Array(7);
  const rng = createRng("sizes");
  const pool = Int32Array.of(0, 1, 2, 3, 4, 5);
  for (let i = 0; i < 7000; i++) {
    const isContext = new Uint8Array(n);
    contextDraws.uniform(pool, toyFields, rng, isContext);
    counts[isContext.reduce((a, b) => a + b)]++;
  }
  // 6 degrees of freedom: chi2 above 27 has probability 1e-4.
  expect(counts.reduce((sum, c) => sum + (c - 1000) ** 2 / 1000, 0)).toBeLessThan(27);
});

const settings = (changes: Partial<SubsetConfig> = {}): SubsetConfig => subsetSchema.parse(changes);

describe("a drawn context", () => {
  it("holds observed fields only and leaves at least one to ask", () => {
    const rng = createRng("left");
    const isContext = new Uint8Array(n);
    for (const isFull of [true, false]) {
      for (const config of [settings(), settings({ bands: { all: 1 }, properties: { all: 1 } })]) {
        for (let row = 0; row < catalog.rowCount; row++) {
          drawContext(coder, catalog, row, config, isFull, rng, isContext);
          const observed = toyFields.flatMap((_, j) => (catalog.state[row * n + j] === State.notObserved ? [] : [j]));
          const given = toyFields.flatMap((_, j) => (isContext[j] === 1 ? [j] : []));
          expect(given.every((j) => observed.includes(j))).toBe(true);
          if (observed.length > 0) expect(given.length).toBeLessThan(observed.length);
        }
      }
    }
  });

  it("gives all bands and no property when full, with few losses", () => {
    const rng = createRng("full");
    const isContext = new Uint8Array(n);
    let given = 0;
    let possible = 0;
    for (let row = 0; row < catalog.rowCount; row++) {
      drawContext(coder, catalog, row, settings({ dropout: 0.2 }), true, rng, isContext);
      const has = (j: number): boolean => catalog.state[row * n + j] !== State.notObserved;
      if (![6, 7, 8, 9].some(has)) continue; // without labels a full draw would ask nothing
      for (let j = 0; j < toyBands; j++) possible += Number(has(j));
      given += isContext.reduce((a, b) => a + b);
      expect([...isContext.subarray(toyBands)]).toStrictEqual([0, 0, 0, 0]);
    }
    // Half of the rows lose a uniform 0 .. 20 % of their bands: 5 % on average.
    expect(given / possible).toBeGreaterThan(0.92);
    expect(given / possible).toBeLessThan(0.98);
  });

  it("refuses weights that are all zero or name no draw", () => {
    expect(subsetSchema.safeParse({ bands: { uniform: 0 } }).success).toBe(false);
    expect(subsetSchema.safeParse({ bands: { unifrom: 1 } }).success).toBe(false);
    expect(subsetSchema.safeParse({ properties: { blue: 1 } }).success).toBe(false);
    expect(subsetSchema.safeParse({ fullShare: 0.6, autoregressiveShare: 0.5 }).success).toBe(false);
  });
});

describe("a training batch", () => {
  const config = settings({ fullShare: 0.25, autoregressiveShare: 0.5 });
  const shape = batchShape(64, 4, config, false);
  const draw = (seed: string, sources = [sourceOf(catalog)]): ReturnType<typeof drawBatch> =>
    drawBatch(coder, sources, config, shape, createRng(seed));

  it("divides its galaxies as asked", () => {
    expect(shape).toStrictEqual({ nFull: 16, nMasked: 16, nOrdered: 32, nTarget: 4, hasFilterDropout: false });
    expect(batchShape(7, 4, settings({ fullShare: 1, autoregressiveShare: 0 }), false)).toMatchObject({
      nFull: 7,
      nMasked: 0,
    });
    for (const batch of [1, 2, 3, 5, 33]) {
      const { nFull, nMasked, nOrdered } = batchShape(
        batch,
        4,
        settings({ fullShare: 0.5, autoregressiveShare: 0.5 }),
        false,
      );
      expect([nFull + nMasked + nOrdered, Math.min(nFull, nMasked, nOrdered)]).toStrictEqual([batch, 0]);
    }
  });

  it("depends on the seed alone", () => {
    expect(draw("1")).toStrictEqual(draw("1"));
    expect(draw("1").value.data).not.toStrictEqual(draw("2").value.data);
  });

  it("asks for nothing that it gives, and leaves what isn't given at zero", () => {
    const batch = draw("leak");
    for (let i = 0; i < 64 * n; i++) {
      const isGiven = batch.state.data[i] !== State.notObserved;
      const isAsked = batch.truthState.data[i] !== State.notObserved;
      expect(isGiven && isAsked).toBe(false);
      if (!isGiven) expect([batch.value.data[i], batch.sigma.data[i], batch.slope.data[i]]).toStrictEqual([0, 0, 0]);
      if (!isAsked) expect([batch.truth.data[i], batch.truthSigma.data[i]]).toStrictEqual([0, 0]);
    }
  });

  it("encodes every value relative to the scale of the given bands", () => {
    const one = { ...sourceOf(catalog), rows: Int32Array.of(5), labelled: Int32Array.of(5) };
    const batch = draw("scale", [one]);
    for (let b = 0; b < 64; b++) {
      const isContext = Uint8Array.from({ length: n }, (_, j) => Number(batch.state.data[b * n + j] !== 0));
      const scale = coder.scaleOf(catalog, 5, isContext);
      expect(batch.scale.data[2 * b]).toBe(Math.fround(coder.encodeScale(scale)));
      expect(batch.scale.data[2 * b + 1]).toBe(Number(scale > 0));
      for (let j = 0; j < n; j++) {
        const at = b * n + j;
        const encoded = Math.fround(Math.min(12, Math.max(-12, coder.encode(j, catalog.value[5 * n + j], scale))));
        if (batch.state.data[at] !== 0) expect(batch.value.data[at]).toBe(encoded);
        if (batch.truthState.data[at] !== 0) expect(batch.truth.data[at]).toBe(encoded);
      }
    }
  });

  it("orders distinct asked fields and carries their truths", () => {
    const batch = draw("order");
    const { targetField, targetValue, targetWeight, truth, truthState } = batch;
    let padded = 0;
    for (let a = 0; a < 32; a++) {
      const b = 32 + a;
      const asked = toyFields.filter((_, j) => truthState.data[b * n + j] !== 0).length;
      const used = new Set<number>();
      for (let t = 0; t < 4; t++) {
        const at = a * 4 + t;
        expect(targetWeight.data[at]).toBe(t < asked ? 1 : 0);
        if (t >= asked) {
          padded++;
          continue;
        }
        const j = targetField.data[at];
        used.add(j);
        expect(truthState.data[b * n + j]).not.toBe(0);
        expect(targetValue.data[at]).toBe(truth.data[b * n + j]);
      }
      expect(used.size).toBe(Math.min(4, asked));
    }
    expect(padded).toBeGreaterThan(0);
  });

  it("asks for properties more often, as their weight says", () => {
    const share = (propertyTargetWeight: number): number => {
      const heavy = settings({
        bands: { none: 1 },
        properties: { none: 1 },
        fullShare: 0,
        autoregressiveShare: 1,
        propertyTargetWeight,
      });
      const batch = drawBatch(
        coder,
        [sourceOf(catalog)],
        heavy,
        batchShape(500, 2, heavy, false),
        createRng("weights"),
      );
      let properties = 0;
      let count = 0;
      batch.targetField.data.forEach((j, at) => {
        if (batch.targetWeight.data[at] === 0) return;
        count++;
        if (j >= toyBands) properties++;
      });
      return properties / count;
    };
    // 5.6 bands and 3.2 properties are observed on average; the second of two draws dilutes the weights a little.
    expect(share(1)).toBeGreaterThan(0.3);
    expect(share(1)).toBeLessThan(0.42);
    expect(share(10)).toBeGreaterThan(0.75);
  });

  it("takes full questions from labelled sources only, and marks calibrated ones", () => {
    const blind = hide(catalog, ({ band }) => band === undefined);
    const sources = [sourceOf(catalog), sourceOf(blind, { isCalibrated: true, weight: 3 })];
    const batch = draw("mixed", sources);
    expect(batch.isCalibrated.data.subarray(0, 16).every((flag) => flag === 0)).toBe(true);
    let calibrated = 0;
    for (let b = 16; b < 64; b++) {
      if (batch.isCalibrated.data[b] === 0) continue;
      calibrated++;
      for (let j = toyBands; j < n; j++) {
        expect([batch.state.data[b * n + j], batch.truthState.data[b * n + j]]).toStrictEqual([0, 0]);
      }
    }
    expect(calibrated).toBeGreaterThan(24); // 36 of 48 expected
    expect(calibrated).toBeLessThan(48);
  });

  it("asks bands of rows without labels even where none is labelled", () => {
    const blind = hide(catalog, ({ band }) => band === undefined);
    const batch = draw("blind", [sourceOf(blind)]);
    let asked = 0;
    for (const state of batch.truthState.data.subarray(16 * n)) asked += Number(state !== 0);
    expect(asked).toBeGreaterThan(48);
  });

  it("asks labelled rows only for what all bands tell, where others have no labels", () => {
    const isBlind = (row: number): boolean => row % 3 !== 0;
    const state = catalog.state.map((one, at) =>
      at % n >= toyBands && isBlind(Math.floor(at / n)) ? State.notObserved : one,
    );
    const batch = draw("some", [sourceOf({ ...catalog, state })]);
    for (let b = 0; b < 16; b++) {
      const asked = batch.truthState.data.subarray(b * n + toyBands, (b + 1) * n);
      expect(asked.some((one) => one !== State.notObserved)).toBe(true);
    }
  });

  it("drops the corrections of some bands where their filters are to tell", () => {
    const dropping = batchShape(64, 4, config, true);
    let kept = 0;
    for (let i = 0; i < 200; i++) {
      const { hasDelta } = drawBatch(coder, [sourceOf(catalog)], config, dropping, createRng(`drop ${i}`));
      expect(hasDelta.shape).toStrictEqual([toyBands]);
      for (const one of hasDelta.data) kept += one;
    }
    expect(Math.abs(kept / (200 * toyBands) - (1 - config.filterDropout))).toBeLessThan(0.03);
    expect(draw("none").hasDelta).toBeUndefined();
  });
});
