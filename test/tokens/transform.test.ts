import { describe, expect, it } from "vitest";
import { createRng } from "../../src/random.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { type Field, type ScalarKind, scalarKinds, State } from "../../src/survey/field.ts";
import { contextScale, referenceSed } from "../../src/tokens/scale.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import { curveAt } from "../../src/model/curve.ts";
import { depthFlux, floorSoftness, scaledSoftness, transformOf } from "../../src/tokens/transform.ts";
import { toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const values: Record<ScalarKind, readonly number[]> = {
  flux: [-300, -1, 0, 1e-3, 2, 50, 1e5],
  ew: [-50, 0, 0.3, 2, 400],
  log: [6, 9.5, 12],
  linear: [-2, 0, 3],
  redshift: [0, 0.01, 0.5, 4],
};

describe.each(scalarKinds)("transform %s", (kind) => {
  const transform = transformOf({ ...toyFields[0], kind } as Field);
  const softness = 1.7;
  it.each(values[kind])("undoes itself and states its slope at %d", (x) => {
    const v = transform.forward(x, softness);
    expect(transform.inverse(v, softness)).toBeCloseTo(x, 9 - Math.ceil(Math.log10(Math.abs(x) + 1)));
    const h = 1e-4 * Math.max(1, Math.abs(x));
    const numeric = (transform.forward(x + h, softness) - transform.forward(x - h, softness)) / (2 * h);
    expect(transform.slope(x, softness) / numeric).toBeCloseTo(1, 6);
    expect(transform.slope(x, softness)).toBeGreaterThan(0);
  });

  it.each(values[kind])("is undone by its curve at %d, whatever the standardisation", (x) => {
    const [rate, shift] = [0.7, -0.4];
    const v = (transform.forward(x, softness) - shift) / rate;
    expect(Math.abs(curveAt(transform.curve(rate, shift, softness), v) - x)).toBeLessThan(1e-9 * (1 + Math.abs(x)));
  });
});

const catalog = toyCatalog(400);
const coder = createFieldCoder(toyFields, fitStandardisation(catalog, allRows(catalog)));
const fieldsAndScales = toyFields.flatMap(({ name, kind }, j) =>
  (j < toyBands ? [0, 3, 120, 9000] : [0, 120]).map((scale) => ({ name, kind: kind as ScalarKind, j, scale })),
);

describe.each(fieldsAndScales)("field $name at scale $scale", ({ kind, j, scale }) => {
  it("decodes what it encodes", () => {
    for (const x of values[kind]) {
      const back = coder.decode(j, coder.encode(j, x, scale), scale);
      expect(Math.abs(back - x)).toBeLessThan(1e-9 * (1 + Math.abs(x) + scale));
    }
  });

  it("decodes along its curve", () => {
    const { shape, factor, rate, shift, offset } = coder.curve(j, scale);
    const f = { linear: (t: number) => t, exp: Math.exp, sinh: Math.sinh }[shape];
    for (const v of [-3, -0.4, 0, 1.7]) {
      const x = coder.decode(j, v, scale);
      expect(Math.abs(offset + factor * f(rate * v + shift) - x)).toBeLessThan(1e-12 * (1 + Math.abs(x)));
    }
  });

  it("propagates errors as a cloud of values does", () => {
    const rng = createRng(`cloud ${j} ${scale}`);
    const soft = j < toyBands ? Math.max(floorSoftness(toyFields[j]), 0.1 * scale) : 1;
    for (const x of values[kind]) {
      const sigma = 0.01 * Math.hypot(x, soft);
      let sum = 0;
      let squares = 0;
      const draws = 4000;
      for (let i = 0; i < draws; i++) {
        const v = coder.encode(j, x + sigma * rng.normal(), scale) - coder.encode(j, x, scale);
        sum += v;
        squares += v * v;
      }
      const spread = Math.sqrt(squares / draws - (sum / draws) ** 2);
      expect(coder.encodeError(j, x, sigma, scale) / spread).toBeGreaterThan(0.95);
      expect(coder.encodeError(j, x, sigma, scale) / spread).toBeLessThan(1.05);
    }
  });
});

describe.each(fieldsAndScales)("bend of $name at scale $scale", ({ kind, j, scale }) => {
  it.each(values[kind])("says where values near %d are encoded", (x) => {
    const { bend, rate } = coder.bend(j, x, scale);
    const v = coder.encode(j, x, scale);
    const slope = 1 / coder.encodeError(j, x, 1, scale);
    for (const d of [-0.5, -0.1, 0.2, 0.6]) {
      const u = rate * d;
      const reach = rate === 0 ? d : (Math.sinh(u) + bend * (Math.cosh(u) - 1)) / rate;
      const distance = coder.decode(j, v + d, scale) - x;
      expect(Math.abs(distance - slope * reach)).toBeLessThan(1e-6 * (Math.abs(x) + Math.abs(distance)));
    }
  });
});

describe.each(fieldsAndScales.filter(({ j }) => j < toyBands))(
  "zero-point of $name at scale $scale",
  ({ kind, j, scale }) => {
    it.each(values[kind])("moves a flux of %d by the slope, and stretches by the curvature", (x) => {
      const h = 1e-4;
      const up = coder.encode(j, x * Math.exp(h), scale);
      const down = coder.encode(j, x * Math.exp(-h), scale);
      expect(coder.zeroPointSlope(j, x, scale)).toBeCloseTo((up - down) / (2 * h), 6);
      // A shift of every flux moves neighbours in encoded space by different amounts: d(slope) / d(encoded).
      const dx = 1e-4 * Math.hypot(x, 1);
      const along =
        (coder.zeroPointSlope(j, x + dx, scale) - coder.zeroPointSlope(j, x - dx, scale)) /
        (coder.encode(j, x + dx, scale) - coder.encode(j, x - dx, scale));
      expect(1 - coder.bend(j, x, scale).bend ** 2).toBeCloseTo(along, 6);
    });
  },
);

describe("softness", () => {
  it("is twice the 1 sigma flux of the survey's median depth", () => {
    // 23 mag AB at 5 sigma: f_nu = 3631 Jy 10^(-0.4 23) / 5 = 4.58e-7 Jy; x c / lambda^2 at 5000 A = 5.5e-19 erg/s/cm2/A.
    const { band } = toyFields[0];
    const expected = (((3631e-23 * 10 ** (-0.4 * 23)) / 5) * 2.99792458e18) / 4000 ** 2 / 1e-19;
    expect(depthFlux(band!) / expected).toBeCloseTo(1, 3);
    expect(floorSoftness(toyFields[0])).toBeCloseTo(2 * depthFlux(band!), 9);
  });

  it("follows the brightness of bright objects and the depth for faint ones", () => {
    expect(scaledSoftness(5, 1e6)).toBeCloseTo(1e5, -1);
    expect(scaledSoftness(5, 1e-3)).toBeCloseTo(5, 6);
  });
});

describe("scale", () => {
  const n = toyFields.length;
  const bands = coder.groups.band;
  const flat = referenceSed(toyFields, "flat");
  const scaleOf = (galaxy: typeof catalog, given: Uint8Array): number => contextScale(galaxy, 0, given, bands, flat);
  const one = (fluxes: readonly number[], errors: readonly number[], states?: readonly number[]) => ({
    ...catalog,
    rowCount: 1,
    value: Float32Array.from({ length: n }, (_, j) => fluxes[j] ?? 0),
    error: Float32Array.from({ length: n }, (_, j) => errors[j] ?? 0),
    state: Uint8Array.from({ length: n }, (_, j) => states?.[j] ?? (j < fluxes.length ? State.measured : 0)),
  });
  const flags = (...given: number[]): Uint8Array => Uint8Array.from({ length: n }, (_, j) => Number(given.includes(j)));

  it("is the weighted mean flux of a bright galaxy", () => {
    const galaxy = one([1000, 1300], [1, 2]);
    expect(scaleOf(galaxy, flags(0, 1))).toBeCloseTo((1000 + 1300 / 4) / 1.25, 1);
  });

  it("stays above zero for noise and for negative fluxes", () => {
    for (const flux of [0, -1, -30, -1e4]) {
      const scale = scaleOf(one([flux], [2]), flags(0));
      expect(scale).toBeGreaterThan(0);
      expect(scale).toBeLessThan(2.1);
    }
  });

  it("looks at the given bands and nothing else", () => {
    const galaxy = one([100, 200, 300], [1, 1, 1]);
    const alone = scaleOf(galaxy, flags(0));
    expect(scaleOf(galaxy, flags(0, 1))).not.toBe(alone);
    galaxy.value.fill(1e7, 1);
    expect(scaleOf(galaxy, flags(0))).toBe(alone);
    expect(scaleOf(galaxy, flags(0, 7, 8))).toBe(alone);
    expect(scaleOf(galaxy, flags())).toBe(0);
    expect(scaleOf(galaxy, flags(6, 7))).toBe(0);
  });

  it("belongs to no band because of its unit: infrared bands weigh by their signal-to-noise", () => {
    const pivots = [5500, 6500, 33_680, 46_180];
    const fields = toyFields.map((field, j) =>
      j < pivots.length ? ({ ...field, band: { ...field.band!, pivot: pivots[j] } } as Field) : field,
    );
    const sed = referenceSed(fields, "sed");
    // a galaxy of typical colours with a signal-to-noise of 20 in the optical and 5 in the infrared, where W1 is 0.1 mag off
    const fluxes = [0, 1, 2, 3].map((j) => 100 * sed[j] * (j > 1 ? 1.1 : 1));
    const errors = [0, 1, 2, 3].map((j) => (100 * sed[j]) / (j > 1 ? 5 : 20));
    const given = flags(0, 1, 2, 3);
    const by = (reference: Float64Array): number =>
      contextScale({ ...one(fluxes, errors), fields }, 0, given, Int32Array.of(0, 1, 2, 3), reference);
    expect(Math.abs(by(sed) / 100 - 1)).toBeLessThan(0.01);
    expect(by(referenceSed(fields, "flat"))).toBeLessThan(25); // their small errors had owned the scale
  });

  it("ignores upper limits and what isn't observed, and counts non-detections", () => {
    const galaxy = one([100, 500, 700], [1, 1, 1], [State.measured, State.upperLimit, State.notObserved]);
    const alone = scaleOf(galaxy, flags(0));
    expect(scaleOf(galaxy, flags(0, 1, 2))).toBe(alone);
    galaxy.state[1] = State.nonDetection;
    expect(scaleOf(galaxy, flags(0, 1))).toBeCloseTo(300, 1);
  });
});

describe("standardisation", () => {
  it("gives encoded training values a mean near 0 and a deviation near 1", () => {
    const all = new Uint8Array(toyFields.length).fill(1);
    toyFields.forEach((_, j) => {
      const encoded: number[] = [];
      for (let row = 0; row < catalog.rowCount; row++) {
        const at = row * toyFields.length + j;
        if (catalog.state[at] === State.notObserved) continue;
        encoded.push(coder.encode(j, catalog.value[at], coder.scaleOf(catalog, row, all)));
      }
      const mean = encoded.reduce((a, b) => a + b) / encoded.length;
      const deviation = Math.sqrt(encoded.reduce((a, v) => a + (v - mean) ** 2, 0) / encoded.length);
      expect(Math.abs(mean)).toBeLessThan(0.1);
      expect(Math.abs(deviation - 1)).toBeLessThan(0.15);
    });
  });

  it("sees the given rows only, and no unobserved value", () => {
    const rows = [3, 1, 4, 15, 9, 26, 5];
    const before = fitStandardisation(catalog, rows);
    const n = toyFields.length;
    const changed = { ...catalog, value: catalog.value.slice(), error: catalog.error.slice() };
    for (let at = 0; at < changed.value.length; at++) {
      if (rows.includes(Math.floor(at / n)) && changed.state[at] !== State.notObserved) continue;
      changed.value[at] = 1e6;
      changed.error[at] = 1;
    }
    expect(fitStandardisation(changed, rows)).toStrictEqual(before);
    expect(fitStandardisation(changed, allRows(catalog))).not.toStrictEqual(before);
  });

  it("isn't moved by one wild value", () => {
    const wild = { ...catalog, value: catalog.value.slice() };
    wild.value[7] = 1e30;
    wild.state[7] = State.measured;
    const { mean, deviation } = fitStandardisation(wild, allRows(catalog)).fields[7];
    const usual = coder.standardisation.fields[7];
    expect(Math.abs(mean - usual.mean)).toBeLessThan(0.1 * usual.deviation);
    expect(deviation / usual.deviation).toBeCloseTo(1, 1);
  });

  it("gives a band that no row has the moments of its neighbours", () => {
    const n = toyFields.length;
    const without = { ...catalog, state: catalog.state.slice() };
    for (let row = 0; row < without.rowCount; row++) without.state[row * n + 1] = State.notObserved;
    const full = fitStandardisation(catalog, allRows(catalog));
    const { fields, absolute } = fitStandardisation(without, allRows(catalog));
    // N2 at 4100 A stands beside N1 at 4000 A, its only neighbour of that kind
    expect(Math.abs(fields[1].mean - full.fields[1].mean)).toBeLessThan(0.3 * full.fields[1].deviation);
    expect(absolute[1]).toStrictEqual(absolute[0]);
  });

  it("survives a field that is never observed and one that never varies", () => {
    const n = toyFields.length;
    const odd = { ...catalog, state: catalog.state.slice(), value: catalog.value.slice() };
    for (let row = 0; row < odd.rowCount; row++) {
      odd.state[row * n + 7] = State.notObserved;
      odd.value[row * n + 8] = 2;
    }
    const odder = createFieldCoder(toyFields, fitStandardisation(odd, allRows(catalog)));
    expect(Number.isFinite(odder.encode(7, 10, 0))).toBe(true);
    expect(odder.encode(8, 2, 0)).toBe(0);
    expect(odder.decode(8, 0, 0)).toBeCloseTo(2, 6);
  });
});
