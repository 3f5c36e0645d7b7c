import { gridLog, gridWavelength } from "./grid.ts";
import { interpolate } from "./special.ts";
import { STAR_COLOURS, STAR_FEATURES } from "./star-features.ts";

/** What the spectrum of a star depends on. */
export interface Star {
  /** Effective temperature [K], 2300 - 40,000. */
  readonly temperature: number;
  /** log10 of the surface gravity [cm/s2]. */
  readonly gravity: number;
  /** [Fe/H] */
  readonly metallicity: number;
  /** Which lines a white dwarf has; undefined for other stars. */
  readonly whiteDwarf: "hydrogen" | "none" | undefined;
}

export interface StarModel {
  /** Fills f_lambda, 1 at 5500 Angstrom of its black body, at the grid indices from <= k < to. */
  render(this: void, star: Star, into: Float64Array, from: number, to: number): void;
}

type Group = "balmer" | "metal" | "dwarf" | "molecule";

interface Feature {
  readonly group: Group;
  /** Depth at unit strength; zero outside grid indices first <= k < first + values.length. */
  readonly first: number;
  readonly values: Float64Array;
  readonly depths: readonly number[];
}

const shapes = {
  line: (c: number, s: number) => (lambda: number) => Math.exp(-0.5 * ((lambda - c) / s) ** 2),
  wing: (c: number, w: number) => (lambda: number) => 1 / (1 + ((lambda - c) / w) ** 2),
  edge: (c: number, w: number) => (lambda: number) => 1 / (1 + Math.exp((lambda - c) / w)),
  head: (c: number, w: number) => (lambda: number) => {
    const onset = 1 / (1 + Math.exp(-(lambda - c) / 6));
    return onset * Math.exp(-Math.max(0, lambda - c) / w);
  },
} satisfies Record<string, (p: number, q: number) => (lambda: number) => number>;

/** Depth below which a feature ends, of its greatest. */
const NEGLIGIBLE = 5e-3;

function readFeatures(from: number, to: number): { temperatures: readonly number[]; features: Feature[] } {
  const [head = "", ...rows] = STAR_FEATURES.trim().split("\n");
  const numbersOf = (text: string): number[] => text.trim().split(/\s+/).map(Number);
  const features = rows.map((row): Feature => {
    const [name = "", depths = ""] = row.split("|");
    const [group, kind, p, q] = name.trim().split(/\s+/);
    const shape = shapes[kind as keyof typeof shapes](Number(p), Number(q));
    const whole = Float64Array.from({ length: to - from }, (_, k) => shape(gridWavelength(from + k)));
    const first = Math.max(
      0,
      whole.findIndex((value) => value > NEGLIGIBLE),
    );
    const last = whole.findLastIndex((value) => value > NEGLIGIBLE);
    return {
      group: group as Group,
      first: from + first,
      values: whole.slice(first, last + 1),
      depths: numbersOf(depths),
    };
  });
  return { temperatures: numbersOf(head.split("|")[1] ?? ""), features };
}

interface ColourTable {
  readonly lnWavelength: readonly number[];
  readonly lnTemperature: readonly number[];
  readonly rows: readonly (readonly number[])[];
}

function readColours(): ColourTable {
  const [head, ...rows] = STAR_COLOURS.trim()
    .split("\n")
    .map((row) => row.split("|").map((part) => part.trim().split(/\s+/).map(Number)));
  return {
    lnWavelength: head[1].map(Math.log),
    lnTemperature: rows.map(([temperature]) => Math.log(temperature[0])),
    rows: rows.map(([, values]) => values),
  };
}

/** Correction at each pivot for one temperature. */
function coloursAt({ lnTemperature, rows, lnWavelength }: ColourTable, temperature: number): number[] {
  const x = Math.log(temperature);
  return lnWavelength.map((_, j) =>
    interpolate(
      x,
      lnTemperature,
      rows.map((row) => row[j]),
    ),
  );
}

/** How strong a group is beside the table's: metals and gravity of a dwarf of about half the sun's metals. */
function strengths({ gravity, metallicity, whiteDwarf }: Star): Record<Group, number> {
  if (whiteDwarf !== undefined) {
    return { balmer: whiteDwarf === "hydrogen" ? 1 : 0, metal: 0, dwarf: 0, molecule: 0 };
  }
  const metals = 10 ** (0.3 * (metallicity + 0.3));
  const isGiant = gravity < 3.5;
  return {
    balmer: 1,
    metal: metals * (isGiant ? 1.2 : 1),
    dwarf: metals * (isGiant ? 0.5 : 1),
    molecule: 10 ** (0.15 * metallicity),
  };
}

/** Pressure broadens the lines of white dwarfs: their shapes, moved by so many grid points (150 km/s), are averaged. */
const PRESSURE = [-18, -9, 0, 9, 18] as const;
const HC_OVER_K = 1.438777e8; // Angstrom K

/** Line blanketing of the continuum [ln f per dex], and where it sets in [Angstrom]. */
const BLANKETING = { strength: 0.14, centre: 4300, width: 250 } as const;

/**
 * Spectra of stars: a black body with the absorption of `STAR_FEATURES`, corrected to observed colours; metals dim the
 * blue. Grid indices from <= k < to only.
 */
export function createStarModel(from: number, to: number): StarModel {
  const { temperatures, features } = readFeatures(from, to);
  const colours = readColours();
  const lnV = Math.log(5500);
  const blanketing = Float64Array.from(
    { length: to - from },
    (_, k) => 1 / (1 + Math.exp((gridWavelength(from + k) - BLANKETING.centre) / BLANKETING.width)),
  );
  return {
    render(star, into, low, high) {
      const { temperature, metallicity, whiteDwarf } = star;
      const strength = strengths(star);
      const correction = whiteDwarf === undefined ? coloursAt(colours, temperature) : undefined;
      const scale = HC_OVER_K / temperature;
      const atV = 5 * lnV + Math.log(Math.expm1(scale / 5500));
      const metals = whiteDwarf === undefined ? BLANKETING.strength * Math.max(-2, metallicity + 0.3) : 0;
      let segment = 0;
      const { lnWavelength } = colours;
      for (let k = low; k < high; k++) {
        const x = gridLog(k);
        let ln = atV - 5 * x - Math.log(Math.expm1(scale * Math.exp(-x))) - metals * blanketing[k - from];
        if (correction !== undefined) {
          while (segment < lnWavelength.length - 2 && x > lnWavelength[segment + 1]) segment += 1;
          const f = (x - lnWavelength[segment]) / (lnWavelength[segment + 1] - lnWavelength[segment]);
          const t = Math.min(1, Math.max(0, f));
          ln += (1 - t) * correction[segment] + t * correction[segment + 1];
        }
        into[k] = ln;
      }
      for (const { group, first, values, depths } of features) {
        const depth = strength[group] * interpolate(temperature, temperatures, depths);
        if (depth < 1e-4) continue;
        const places = whiteDwarf === undefined ? [0] : PRESSURE;
        for (const shift of places) {
          const share = depth / places.length;
          const start = Math.max(first + shift, low);
          const end = Math.min(first + shift + values.length, high);
          for (let k = start; k < end; k++) into[k] -= share * values[k - first - shift];
        }
      }
      for (let k = low; k < high; k++) into[k] = Math.exp(into[k]);
    },
  };
}
