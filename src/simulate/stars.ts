import { GRID_SIZE, gridIndex, gridLog, gridWavelength, onGrid } from "./grid.ts";
import { STELLAR_SHAPES } from "./stellar-shapes.ts";
import { interpolate } from "./special.ts";

/** Fitted range of the optical model: age [Gyr] and wavelength [Angstrom]; outside, the extensions below take over. */
const YOUNGEST_FITTED = 0.04;
const BLUEST_FITTED = 3500;
const REDDEST_FITTED = 9400;
const [LN_VISUAL, LN_REDDEST] = [Math.log(5500), Math.log(REDDEST_FITTED)];
const METALLICITY_KNOT = 0.06;
/** Lowest fitted [M/H]. */
const POOREST_FITTED = -0.25;

interface Shape {
  /** Zero outside grid indices first <= k < first + values.length. */
  readonly first: number;
  readonly values: Float64Array;
  readonly a: readonly number[];
  readonly m: readonly number[];
  readonly h: readonly number[];
}

const shapeKinds = {
  power: (k: number) => (lambda: number) => Math.log(lambda / 5500) ** k,
  step: (c: number, w: number) => (lambda: number) => 1 / (1 + Math.exp(-(lambda - c) / w)),
  line: (c: number, s: number) => (lambda: number) => Math.exp(-0.5 * ((lambda - c) / s) ** 2),
} satisfies Record<string, (p: number, q: number) => (lambda: number) => number>;

/** The part of a shape on the fitted range that differs from zero. */
function sample(shape: (lambda: number) => number): { first: number; values: Float64Array } {
  const [from, to] = [Math.floor(gridIndex(BLUEST_FITTED)) - 2, Math.ceil(gridIndex(REDDEST_FITTED)) + 2];
  const values = Float64Array.from({ length: to - from }, (_, k) => shape(gridWavelength(from + k)));
  const first = values.findIndex((value) => Math.abs(value) > 1e-6);
  const last = values.findLastIndex((value) => Math.abs(value) > 1e-6);
  return { first: from + first, values: values.slice(first, last + 1) };
}

function readShapes(): Shape[] {
  return STELLAR_SHAPES.trim()
    .split("\n")
    .map((row) => {
      const [head = "", ...groups] = row.split("|");
      const [kind, p, q] = head.trim().split(/\s+/);
      const [a, m, h] = groups.map((group) => group.trim().split(/\s+/).filter(Boolean).map(Number));
      return { ...sample(shapeKinds[kind as keyof typeof shapeKinds](Number(p), Number(q))), a, m, h };
    });
}

function addShape(into: Float64Array, { first, values }: Shape, amplitude: number): void {
  for (let k = 0; k < values.length; k++) into[first + k] += amplitude * values[k];
}

function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let k = coefficients.length - 1; k >= 0; k--) sum = sum * x + coefficients[k];
  return sum;
}

/**
 * Populations younger than the fit, relative to the one at 40 Myr: ln of the luminosity at 5500 A and extra slope
 * -d ln L / d ln lambda. Rounded from the evolution of a burst in Starburst99 (Leitherer et al. 1999, ApJS 123, 3).
 */
const young = {
  age: [0.001, 0.003, 0.006, 0.01, 0.02, 0.04],
  brightness: [0.8, 1.5, 1.5, 1.2, 0.65, 0],
  slope: [0.9, 0.9, 0.6, 0.3, 0.15, 0],
};

/**
 * AB colours that anchor the ultraviolet at 1535, 2300 and 6200 A, solar metallicity, against log10(age/Gyr): rounded
 * from published single-burst tracks (Bruzual & Charlot 2003, MNRAS 344, 1000), with the upturn of old populations
 * (Yi et al. 2005, ApJ 619, L111). Good to about 0.3 mag.
 */
const ultraviolet = {
  logAge: [-3, -2.5, -2, -1.5, -1, -0.7, -0.4, -0.15, 0, 0.18, 0.3, 0.6, 0.85, 1.11],
  nuvMinusR: [-0.9, -0.8, -0.45, 0.0, 0.6, 1.05, 1.9, 2.7, 3.3, 4.0, 4.5, 5.1, 5.5, 5.8],
  fuvMinusNuv: [-0.15, -0.12, -0.05, 0.03, 0.25, 0.5, 1.1, 1.9, 2.6, 2.9, 2.6, 2.0, 1.5, 0.9],
};

/** Blends of metal lines below 3500 A that deepen with age: centre, sigma [Angstrom], depth in ln L of an old population. */
const ultravioletBlends = [
  [2540, 70, 0.5],
  [2800, 25, 0.7],
  [2852, 15, 0.3],
  [3100, 40, 0.25],
  [3360, 25, 0.15],
] as const;

const LN_PER_MAG = Math.log(10) / 2.5;

/** ln L at the two ultraviolet anchors from ln L at 6200 A. */
function ultravioletAnchors(logAge: number, metallicity: number, lnAt6200: number): [number, number] {
  const reddening = metallicity * (logAge < -0.5 ? 0.2 : Math.min(1, 0.2 + 1.6 * (logAge + 0.5)));
  const nuv = interpolate(logAge, ultraviolet.logAge, ultraviolet.nuvMinusR) + reddening;
  const fuv = interpolate(logAge, ultraviolet.logAge, ultraviolet.fuvMinusNuv);
  const lnNuv = lnAt6200 - LN_PER_MAG * nuv + 2 * Math.log(6200 / 2300);
  return [lnNuv - LN_PER_MAG * fuv + 2 * Math.log(2300 / 1535), lnNuv];
}

const EDGE = Math.round(gridIndex(BLUEST_FITTED));

/** ln L lost to the blends at ageing 1. [EDGE] */
const blanketing = (): Float64Array =>
  onGrid((lambda) =>
    ultravioletBlends.reduce((sum, [c, s, depth]) => sum + depth * Math.exp(-0.5 * ((lambda - c) / s) ** 2), 0),
  );

function extendUltraviolet(ln: Float64Array, blends: Float64Array, logAge: number, metallicity: number): void {
  const [lnFuv, lnNuv] = ultravioletAnchors(logAge, metallicity, ln[Math.round(gridIndex(6200))]);
  const xs = [Math.log(1535), Math.log(2300), Math.log(gridWavelength(EDGE))] as const;
  const slopes = [(lnNuv - lnFuv) / (xs[1] - xs[0]), (ln[EDGE] - lnNuv) / (xs[2] - xs[1])] as const;
  const ageing = Math.min(1, Math.max(0, (logAge + 1) / 1.5)) * Math.max(0.3, 1 + 0.7 * metallicity);
  for (let k = 0; k < EDGE; k++) {
    const x = gridLog(k);
    ln[k] = lnNuv + (x - xs[1]) * (x < xs[1] ? slopes[0] : slopes[1]) - ageing * blends[k];
  }
}

/**
 * Colours (Vega) that anchor the infrared, solar metallicity, against log10(age/Gyr): round values, for old populations
 * those of elliptical galaxies, for young ones what population models roughly agree on; Rayleigh-Jeans beyond 3.4 micron.
 * Good to about 0.15 mag for old populations and 0.3 mag below 1 Gyr, where models differ as much; a grid that reaches
 * into the infrared replaces them.
 */
const infrared = {
  logAge: [-1.4, -1, -0.5, 0, 0.3, 0.7, 1, 1.13],
  vMinusK: [1.6, 1.65, 2, 2.6, 2.8, 3.05, 3.2, 3.3],
  jMinusK: [0.75, 0.72, 0.78, 0.92, 0.92, 0.88, 0.86, 0.87],
  hMinusK: [0.17, 0.17, 0.2, 0.27, 0.26, 0.23, 0.21, 0.21],
};
/** AB magnitude of Vega in V, J, H, K and at 3.4 and 4.6 micron (Blanton & Roweis 2007, AJ 133, 734; WISE supplement). */
const vegaAB = { V: 0.02, J: 0.91, H: 1.39, K: 1.85, W1: 2.699, W2: 3.339 };
const K_MINUS_W1 = 0.1;
const W1_MINUS_W2 = -0.03;

/** ln L at the infrared anchors [wavelength in Angstrom, ln L], in order, from ln L at 5500 A. */
function infraredAnchors(logAge: number, metallicity: number, lnAt5500: number): [number, number][] {
  const at = (colours: readonly number[]): number => interpolate(logAge, infrared.logAge, colours);
  const reddening = metallicity * (logAge < -0.5 ? 0.3 : Math.min(0.75, 0.3 + 0.45 * (logAge + 0.5)));
  const k = -(at(infrared.vMinusK) + reddening) + vegaAB.K;
  const magnitudes: readonly (readonly [number, number])[] = [
    [12_350, k + at(infrared.jMinusK) + 0.15 * metallicity + vegaAB.J - vegaAB.K],
    [16_500, k + at(infrared.hMinusK) + vegaAB.H - vegaAB.K],
    [21_600, k],
    [33_700, k - K_MINUS_W1 + vegaAB.W1 - vegaAB.K],
    [46_200, k - K_MINUS_W1 - W1_MINUS_W2 + vegaAB.W2 - vegaAB.K],
  ];
  // magnitudes relative to V; f_nu to f_lambda
  return magnitudes.map(([lambda, magnitude]) => [
    lambda,
    lnAt5500 - LN_PER_MAG * (magnitude - vegaAB.V) - 2 * Math.log(lambda / 5500),
  ]);
}

/** Continues redward of the fit through the infrared anchors, straight in ln lambda between them. */
function extendInfrared(ln: Float64Array, logAge: number, metallicity: number, to: number): void {
  const edge = Math.round(gridIndex(REDDEST_FITTED));
  const from = Math.round(gridIndex(9250));
  const level = ln.subarray(from, edge).reduce((sum, value) => sum + value, 0) / (edge - from);
  const anchors: [number, number][] = [
    [9325, level],
    ...infraredAnchors(logAge, metallicity, ln[Math.round(gridIndex(5500))]),
  ];
  const [xs, ys] = [anchors.map(([lambda]) => Math.log(lambda)), anchors.map(([, value]) => value)];
  const last = xs.length - 1;
  for (let k = edge; k < to; k++) {
    const x = gridLog(k);
    // Rayleigh-Jeans beyond the last anchor
    ln[k] = interpolate(x, xs, ys) - 4 * Math.max(0, x - xs[last]);
  }
}

export interface StellarModel {
  /** ln of the luminosity per wavelength of one Msun formed [ln(erg/s/Angstrom/Msun)], on the grid. [GRID_SIZE] */
  burst(this: void, ageGyr: number, metallicity: number): Float64Array;
}

/**
 * Orthonormal 1 and x (x = ln lambda) over 3600 - 9300 A: the part of a spectrum that is extrapolated in metallicity;
 * `kept` is how much of the features beside it follows, `blueward` what the blue's excess is divided by, on the grid.
 */
function smoothBasis(): { from: number; rows: Float64Array[]; kept: Float64Array; blueward: Float64Array } {
  const [from, to] = [Math.round(gridIndex(3600)), Math.round(gridIndex(9300))];
  const rows: Float64Array[] = [];
  for (let power = 0; power < 2; power++) {
    const row = Float64Array.from({ length: to - from }, (_, i) => ((2 * i) / (to - from) - 1) ** power);
    for (const other of rows) {
      const overlap = row.reduce((sum, value, i) => sum + value * other[i], 0);
      other.forEach((value, i) => (row[i] -= overlap * value));
    }
    const norm = Math.hypot(...row);
    rows.push(row.map((value) => value / norm));
  }
  const kept = rows[0].map((_, i) => {
    const lambda = gridWavelength(from + i);
    return Math.min(1, Math.max(0, (FEATURE_FADE[1] - lambda) / (FEATURE_FADE[1] - FEATURE_FADE[0])));
  });
  const blueward = onGrid((lambda) => 1 + Math.exp((lambda - BLUE_EXCESS.centre) / BLUE_EXCESS.width));
  return { from, rows, kept, blueward };
}

/** How far, in dex, spectral features follow metallicity below the fit; they fade instead of growing without end. */
const FEATURE_REACH = 0.3;
/**
 * How far, in dex, brightness and slope of the continuum follow: mass-to-light ratios level off (Bruzual & Charlot 2003),
 * V - I flattens out while B - V goes on falling, as globular clusters show (Harris 1996, AJ 112, 1487).
 */
const [BRIGHTNESS_REACH, SLOPE_REACH] = [0.45, 1.6];
/** What the blue gains over the slope, in ln L per dex that the slope is behind; and where [Angstrom]. */
const BLUE_EXCESS = { strength: 0.22, centre: 5000, width: 250 } as const;
/** Redward of these wavelengths features no longer follow: band heads would turn into bumps that no star has. */
const FEATURE_FADE = [6000, 6800] as const;

/** d ln L / d [M/H] of the fit at one age, and its smooth part's amplitudes in the basis. */
interface MetalSlope {
  readonly slope: Float64Array;
  readonly amplitudes: readonly number[];
}

/**
 * Changes ln L of [M/H] = POOREST_FITTED to a lower one. The smooth part of the slope is followed as far as
 * BRIGHTNESS_REACH and SLOPE_REACH, the features around it by FEATURE_REACH.
 */
function extrapolate(
  ln: Float64Array,
  { slope, amplitudes }: MetalSlope,
  metallicity: number,
  { from, rows, kept, blueward }: ReturnType<typeof smoothBasis>,
): void {
  const below = metallicity - POOREST_FITTED;
  const upTo = (reach: number): number => -reach * (1 - Math.exp(below / reach));
  const [reached, ...smoothReached] = [FEATURE_REACH, BRIGHTNESS_REACH, SLOPE_REACH].map(upTo);
  const excess = BLUE_EXCESS.strength * (smoothReached[1] - below);
  const [[levels, tilts], [levelSize, tiltSize], [levelReached, tiltReached]] = [rows, amplitudes, smoothReached];
  for (let i = 0; i < levels.length; i++) {
    const level = levelSize * levels[i];
    const tilt = tiltSize * tilts[i];
    ln[from + i] += levelReached * level + tiltReached * tilt + excess / blueward[from + i];
    ln[from + i] += reached * kept[i] * (slope[from + i] - level - tilt);
  }
  // beyond the basis: as at its ends
  const [first, last] = [from, from + levels.length - 1];
  const [blue, red] = [first, last].map((k) => {
    const parts = rows.map((row, j) => amplitudes[j] * row[k - from]);
    const smooth = parts.reduce((sum, part, j) => sum + smoothReached[j] * part, 0);
    return smooth + excess / blueward[k] + (k === first ? reached * (slope[k] - parts[0] - parts[1]) : 0);
  });
  for (let k = 0; k < first; k++) ln[k] += blue;
  for (let k = last + 1; k < GRID_SIZE; k++) ln[k] += red;
}

/** Sums of the shapes at one age: by metallicity, and the slope in it; each is computed when it is first wanted. */
interface FittedAge {
  readonly at: (metallicity: number) => Float64Array;
  readonly metalSlope: () => MetalSlope;
}

function fittedAge(shapes: readonly Shape[], { from, rows }: ReturnType<typeof smoothBasis>, age: number): FittedAge {
  const a = Math.log10(age);
  const sums = new Map<number, Float64Array>();
  let known: MetalSlope | undefined;
  const sumOf = (amplitude: (shape: Shape) => number): Float64Array => {
    const ln = new Float64Array(GRID_SIZE);
    for (const shape of shapes) addShape(ln, shape, amplitude(shape));
    return ln;
  };
  const slopeOf = (): MetalSlope => {
    const slope = sumOf((shape) => polynomial(shape.m, a));
    return { slope, amplitudes: rows.map((row) => row.reduce((sum, value, i) => sum + value * slope[from + i], 0)) };
  };
  return {
    at(metallicity) {
      const h = Math.max(metallicity - METALLICITY_KNOT, 0);
      const amplitude = (shape: Shape): number =>
        polynomial(shape.a, a) + metallicity * polynomial(shape.m, a) + h * polynomial(shape.h, a);
      const sum = sums.get(metallicity) ?? sumOf(amplitude);
      sums.set(metallicity, sum);
      return sum;
    },
    metalSlope: () => (known ??= slopeOf()),
  };
}

/**
 * The built-in single-burst populations: 1 Myr - 14 Gyr, [M/H] -2 - 0.4, extrapolated below the fitted -0.25. From grid
 * index `to` on they are not filled in. Populations of one age after each other share most of the work.
 */
export function createStellarModel(to = GRID_SIZE): StellarModel {
  const shapes = readShapes();
  const blends = blanketing();
  const basis = smoothBasis();
  let last: { readonly age: number; readonly fitted: FittedAge } | undefined;
  return {
    burst(ageGyr, metallicity) {
      const age = Math.max(ageGyr, YOUNGEST_FITTED);
      if (last?.age !== age) last = { age, fitted: fittedAge(shapes, basis, age) };
      const { fitted } = last;
      const ln = fitted.at(Math.max(metallicity, POOREST_FITTED)).slice();
      if (metallicity < POOREST_FITTED) extrapolate(ln, fitted.metalSlope(), metallicity, basis);
      extendInfrared(ln, Math.log10(age), metallicity, to);
      if (ageGyr < YOUNGEST_FITTED) {
        const brightness = interpolate(ageGyr, young.age, young.brightness);
        const tilt = interpolate(ageGyr, young.age, young.slope);
        for (let k = 0; k < to; k++) ln[k] += brightness - tilt * (Math.min(gridLog(k), LN_REDDEST) - LN_VISUAL);
      }
      extendUltraviolet(ln, blends, Math.log10(ageGyr), metallicity);
      return ln;
    },
  };
}
