import { createRng } from "../../src/random.ts";
import { type Catalog, emptyCatalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { wavelengthsOf } from "../../src/survey/spectrum-grid.ts";

const UNIT = "1e-19 erg/s/cm2/A";
const grid = { from: 4000, to: 9000, pixels: 256 } as const;
/** Rest wavelength of the one line [Angstrom]. */
const LINE = 4500;
const HIGHEST = 0.8;

const band = (id: number, name: string, pivot: number): Field => ({
  id,
  name,
  kind: "flux",
  unit: UNIT,
  description: name,
  range: [-1e9, 1e9],
  band: {
    group: "broad",
    pivot,
    edges: [pivot - 500, pivot + 500],
    rise: [50, 50],
    depth: [24],
    zeroPointError: [0.01],
  },
});

/** Two bands whose colour says a little of z, z, and a spectrum with one line. */
export const lineFields: readonly Field[] = [
  band(0, "G", 4800),
  band(1, "R", 7500),
  { id: 2, name: "z", kind: "redshift", unit: "", description: "redshift", range: [0, 5] },
  {
    id: 3,
    name: "spectrum",
    kind: "spectrum",
    unit: UNIT,
    description: "one line",
    range: [-1e30, 1e30],
    shape: [grid.pixels],
    grid,
  },
];

/** ln(flux ratio) of the bands is twice ln(1 + z) with an error of this in it. */
const COLOUR_ERROR = 0.08;
/** Peak of the line over the noise: even between. */
const PEAKS = [1, 2.5] as const;
/** Width (sigma) of the line [pixels]. */
const WIDTH = 2;
const CONTINUUM = 20;

const wavelengths = wavelengthsOf(grid);
const STEP = Math.log(grid.to / grid.from) / (grid.pixels - 1);
/** Height of the line at redshift z in pixel i, over its peak. */
const profile = (z: number, i: number): number =>
  Math.exp(-0.5 * (Math.log(wavelengths[i] / (LINE * (1 + z))) / (WIDTH * STEP)) ** 2);

/**
 * Galaxies with z even over 0 - 0.8: a line at LINE (1 + z) over a flat continuum lost in the noise, which is now and then
 * as high as the line, and a colour. One pixel in ten is not observed and holds nonsense.
 */
export function lineCatalog(rowCount: number, seed: string): Catalog {
  const rng = createRng(seed);
  const catalog = emptyCatalog(lineFields, rowCount);
  const { value: pixels, ivar } = catalog.arrays!.get("spectrum")!;
  for (let row = 0; row < rowCount; row++) {
    const z = HIGHEST * rng.uniform();
    const bright = 300 * Math.exp(0.5 * rng.normal());
    const colour = Math.log1p(z) + COLOUR_ERROR * rng.normal();
    catalog.value.set([bright, bright * Math.exp(2 * colour), z, 0], row * 4);
    catalog.error.set([1e-4 * bright, 1e-4 * bright, 0, 0], row * 4);
    catalog.state.fill(State.measured, row * 4, row * 4 + 4);
    const noise = 40 * Math.exp(0.2 * rng.normal());
    const peak = noise * (PEAKS[0] + (PEAKS[1] - PEAKS[0]) * rng.uniform());
    for (let i = 0; i < grid.pixels; i++) {
      const at = row * grid.pixels + i;
      const flux = CONTINUUM + peak * profile(z, i) + noise * rng.normal();
      const isObserved = rng.uniform() > 0.1;
      pixels[at] = isObserved ? flux : 1e6;
      ivar[at] = isObserved ? noise ** -2 : 0;
    }
  }
  const ids = Array.from({ length: rowCount }, (_, i) => `s${i}`);
  return { ...catalog, objectId: ids, parentId: ids };
}

/** Edges of equal steps of z over the whole range. */
export const zEdges = Float64Array.from({ length: 81 }, (_, i) => (HIGHEST * i) / 80);

/** ln of a mean of exponentials. */
const logMeanExp = (x: readonly number[]): number => {
  const top = Math.max(...x);
  return top + Math.log(x.reduce((sum, one) => sum + Math.exp(one - top), 0) / x.length);
};

/**
 * P(z in each step | spectrum, colour or both) by Bayes's rule in closed form but for sums over peaks and within steps: a
 * Gaussian likelihood of every observed pixel, one of the colour, a prior even in z.
 */
export function exactPosterior(catalog: Catalog, row: number, given: readonly ("spectrum" | "bands")[]): Float64Array {
  const { value: pixels, ivar } = catalog.arrays!.get("spectrum")!;
  const [g, r] = [catalog.value[row * 4], catalog.value[row * 4 + 1]];
  const first = row * grid.pixels;
  const noise = 1 / Math.sqrt(Math.max(...ivar.subarray(first, first + grid.pixels)));
  const peaks = Array.from({ length: 16 }, (_, k) => noise * (PEAKS[0] + ((PEAKS[1] - PEAKS[0]) * (k + 0.5)) / 16));
  const logLik = (z: number): number => {
    const colour = (Math.log(r / g) / 2 - Math.log1p(z)) / COLOUR_ERROR;
    let [match, norm] = [0, 0]; // sums of data times profile, and of profile squared, over variances
    for (let i = 0; i < grid.pixels; i++) {
      if (ivar[first + i] === 0) continue;
      const height = profile(z, i);
      match += height * (pixels[first + i] - CONTINUUM) * ivar[first + i];
      norm += height * height * ivar[first + i];
    }
    const line = logMeanExp(peaks.map((peak) => peak * match - 0.5 * peak * peak * norm));
    return (given.includes("spectrum") ? line : 0) + (given.includes("bands") ? -0.5 * colour * colour : 0);
  };
  const steps = Array.from({ length: zEdges.length - 1 }, (_, k) =>
    logMeanExp([1 / 6, 1 / 2, 5 / 6].map((part) => logLik(zEdges[k] + part * (zEdges[k + 1] - zEdges[k])))),
  );
  const top = Math.max(...steps);
  const mass = Float64Array.from(steps, (one) => Math.exp(one - top));
  const total = mass.reduce((sum, one) => sum + one, 0);
  return mass.map((one) => one / total);
}
