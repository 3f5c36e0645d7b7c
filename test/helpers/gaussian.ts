import { createRng, type Rng } from "../../src/random.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { type Field, type ScalarKind, State } from "../../src/survey/field.ts";

/**
 * A catalogue whose every conditional is known in closed form. Each galaxy is g ~ N(0, covariance); field j shows
 * o_j = g_j + noise_j n_j through a monotone map to its unit, so that o given any other o's is Gaussian.
 */
interface GaussianWorld {
  readonly fields: readonly Field[];
  readonly covariance: readonly (readonly number[])[];
  /** Possible errors of each field in g; a galaxy has one of them at random. */
  readonly noises: readonly (readonly number[])[];
}

interface Scale {
  /** From g to the field's unit, and its derivative: closed forms, not the code under test. */
  toUnit(g: number): number;
  slope(g: number): number;
  fromUnit(x: number): number;
}

const BAND_FLUX = 3000;
const BAND_SPREAD = 0.5;

const scales: Record<ScalarKind, Scale> = {
  flux: {
    toUnit: (g) => BAND_FLUX * Math.exp(BAND_SPREAD * g),
    slope: (g) => BAND_SPREAD * BAND_FLUX * Math.exp(BAND_SPREAD * g),
    fromUnit: (x) => Math.log(x / BAND_FLUX) / BAND_SPREAD,
  },
  log: { toUnit: (g) => 10 + 0.7 * g, slope: () => 0.7, fromUnit: (x) => (x - 10) / 0.7 },
  linear: { toUnit: (g) => 3 * g - 5, slope: () => 3, fromUnit: (x) => (x + 5) / 3 },
  redshift: {
    toUnit: (g) => Math.exp(0.5 + 0.1 * g) - 1,
    slope: (g) => 0.1 * Math.exp(0.5 + 0.1 * g),
    fromUnit: (x) => (Math.log(1 + x) - 0.5) / 0.1,
  },
  ew: {
    toUnit: (g) => 4 * Math.sinh(1 + g),
    slope: (g) => 4 * Math.cosh(1 + g),
    fromUnit: (x) => Math.asinh(x / 4) - 1,
  },
};

export const scaleOf = (world: GaussianWorld, j: number): Scale => scales[world.fields[j].kind as ScalarKind];

function field(id: number, name: string, kind: ScalarKind, pivot?: number): Field {
  const plain = {
    id,
    name,
    kind,
    unit: pivot === undefined ? "" : "uJy",
    description: name,
    range: [-1e9, 1e9] as const,
  };
  if (pivot === undefined) return plain;
  const band = {
    group: "broad",
    pivot,
    edges: [pivot - 50, pivot + 50] as const,
    rise: [10, 10] as const,
    depth: [23],
    zeroPointError: [0.01],
  };
  return { ...plain, band };
}

/** Two bands and a property of every kind, driven by three hidden causes. The last field has two noise levels. */
export function createWorld(): GaussianWorld {
  const rng = createRng("world");
  const fields = [
    field(0, "b1", "flux", 4000),
    field(1, "b2", "flux", 6000),
    field(2, "z", "redshift"),
    field(3, "mass", "log"),
    field(4, "age", "linear"),
    field(5, "metal", "log"),
    field(6, "line", "ew"),
  ];
  const loadings = fields.map(() => [rng.normal(), rng.normal(), rng.normal()]);
  const own = fields.map(() => 0.15 + 0.25 * rng.uniform());
  const covariance = loadings.map((a, i) =>
    loadings.map((b, j) => {
      const dot = (u: number[], v: number[]): number => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
      const shared = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
      return i === j ? 1 : shared * Math.sqrt((1 - own[i]) * (1 - own[j]));
    }),
  );
  const noises = [[0.1], [0.15], [0], [0], [0], [0.5], [0.1, 0.7]];
  return { fields, covariance, noises };
}

/** Lower triangular L with L L^T = `a`. */
function cholesky(a: readonly (readonly number[])[]): number[][] {
  const l = a.map(() => new Array<number>(a.length).fill(0));
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i][j];
      for (let k = 0; k < j; k++) sum -= l[i][k] * l[j][k];
      l[i][j] = i === j ? Math.sqrt(sum) : sum / l[j][j];
    }
  }
  return l;
}

interface Sample {
  readonly catalog: Catalog;
  /** [row * nField] o in g's units. */
  readonly observed: Float64Array;
  /** [row * nField] 1 sigma of o. */
  readonly noise: Float64Array;
}

export function sampleWorld(world: GaussianWorld, rowCount: number, rng: Rng): Sample {
  const n = world.fields.length;
  const l = cholesky(world.covariance);
  const size = rowCount * n;
  const observed = new Float64Array(size);
  const noise = new Float64Array(size);
  const value = new Float32Array(size);
  const error = new Float32Array(size);
  for (let row = 0; row < rowCount; row++) {
    const e = world.fields.map(() => rng.normal());
    for (let j = 0; j < n; j++) {
      const at = row * n + j;
      noise[at] = world.noises[j][rng.integer(world.noises[j].length)];
      for (let k = 0; k <= j; k++) observed[at] += l[j][k] * e[k];
      observed[at] += noise[at] * rng.normal();
      value[at] = scaleOf(world, j).toUnit(observed[at]);
      error[at] = noise[at] * scaleOf(world, j).slope(observed[at]);
    }
  }
  const ids = Array.from({ length: rowCount }, (_, i) => `g${i}`);
  const state = new Uint8Array(size).fill(State.measured);
  return {
    catalog: { fields: world.fields, rowCount, objectId: ids, parentId: ids, value, error, state },
    observed,
    noise,
  };
}

/**
 * g of `wanted` given o of `known` (values `o`, errors `noise`): mean and covariance by the Schur complement. Errors of
 * the wanted values are not included.
 */
export function condition(
  world: GaussianWorld,
  known: readonly number[],
  wanted: readonly number[],
  o: (j: number) => number,
  noise: (j: number) => number,
): { mean: number[]; covariance: number[][] } {
  const c = world.covariance;
  const l = cholesky(known.map((i) => known.map((j) => c[i][j] + (i === j ? noise(i) ** 2 : 0))));
  const solve = (right: number[]): number[] => {
    const y = right.slice();
    for (let i = 0; i < y.length; i++) {
      for (let k = 0; k < i; k++) y[i] -= l[i][k] * y[k];
      y[i] /= l[i][i];
    }
    return y;
  };
  const u = solve(known.map(o));
  const rows = wanted.map((t) => solve(known.map((j) => c[t][j])));
  const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
  return {
    mean: rows.map((row) => dot(row, u)),
    covariance: wanted.map((s, i) => wanted.map((t, j) => c[s][t] - dot(rows[i], rows[j]))),
  };
}
