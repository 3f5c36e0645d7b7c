import type { Rng } from "../random.ts";
import { createCells } from "./cells.ts";
import { interpolate } from "./special.ts";
import type { Star } from "./star-spectra.ts";

/**
 * A line of sight through the Galaxy at latitude 60 degrees: two discs and a halo, their main sequences, giants and white
 * dwarfs, within a range of magnitudes. Rounded numbers; the aim is plausible shares and colours, not star counts to 10 %.
 */

/** sin of the Galactic latitude, away from centre and anticentre. */
const SIN_LATITUDE = Math.sin(Math.PI / 3);
const COS_LATITUDE = Math.cos(Math.PI / 3);
/** Distance of the sun from the Galactic centre [pc]. */
const SUN_DISTANCE = 8200;

interface Component {
  /** Stars per volume relative to the local thin disc. */
  readonly density: (distance: number) => number;
  readonly metallicity: { readonly mean: number; readonly scatter: number };
  /** Absolute magnitude M_r of the main-sequence turn-off; brighter, only giants are left. */
  readonly turnOff: number;
}

const height = (distance: number): number => distance * SIN_LATITUDE;

/**
 * After Juric et al. (2008, ApJ 673, 864, table 10), with fewer stars of the thick disc and halo, as the colours of S-PLUS and
 * the number of stars at high latitudes ask for; metallicities of Ivezic et al. (2008, ApJ 684, 287).
 */
const components: readonly Component[] = [
  {
    density: (d) => Math.exp(-height(d) / 300),
    metallicity: { mean: -0.1, scatter: 0.2 },
    turnOff: 1,
  },
  {
    density: (d) => 0.09 * Math.exp(-height(d) / 800),
    metallicity: { mean: -0.6, scatter: 0.25 },
    turnOff: 4.6,
  },
  {
    density(d) {
      const [x, z] = [SUN_DISTANCE - 0.5 * d * COS_LATITUDE, height(d) / 0.64];
      return 0.0016 * (Math.hypot(x, z) / SUN_DISTANCE) ** -2.8;
    },
    metallicity: { mean: -1.45, scatter: 0.35 },
    turnOff: 4.6,
  },
];

/** Main sequence of solar metallicity: M_r and effective temperature [K] (after Pecaut & Mamajek 2013, ApJS 208, 9). */
const sequence = {
  magnitude: [1.2, 2, 2.65, 3.35, 4.25, 4.75, 5.5, 5.95, 6.85, 7.65, 8.2, 8.9, 9.6, 10.4, 11.9, 13.3, 15.1, 16.4, 17.5],
  temperature: [
    9700, 8080, 7220, 6550, 5930, 5660, 5270, 5040, 4440, 4070, 3870, 3700, 3550, 3410, 3200, 3030, 2850, 2650, 2500,
  ],
};

/** Stars of the main sequence near the sun [1e-3 / pc3 / mag] against M_r (after Kroupa, Tout & Gilmore 1993, MNRAS 262, 545). */
const luminosityFunction = {
  magnitude: [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 16, 17.5],
  density: [0.1, 0.25, 0.6, 1.1, 1.9, 2.4, 2.5, 3.1, 4.5, 7, 9, 9.5, 8.5, 6.5, 5, 4, 2.5],
};
/** Giants [1e-3 / pc3 / mag] and their temperatures and gravities against M_r; and white dwarfs likewise. */
const giants = {
  magnitude: [-1.5, 0, 0.7, 1.5, 2.5, 3.4],
  density: [0.02, 0.05, 0.25, 0.08, 0.1, 0.2],
  temperature: [4150, 4600, 4850, 4900, 5000, 5400],
  gravity: [1.2, 2.2, 2.5, 2.9, 3.3, 3.7],
};
const whiteDwarfs = {
  magnitude: [9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 15.5],
  density: [0.01, 0.05, 0.2, 0.4, 0.7, 1.4, 1.2],
  temperature: [35_000, 25_000, 15_000, 10_500, 8000, 6300, 5000],
};
/** Blue stars of old populations (horizontal branch, stragglers), per giant. */
const BLUE_SHARE = 0.08;

const kinds = ["dwarf", "giant", "whiteDwarf"] as const;
const tables = { dwarf: luminosityFunction, giant: giants, whiteDwarf: whiteDwarfs };

/** Steps of the absolute magnitude and of the distance modulus [mag]. */
const STEP = 0.25;
const MAGNITUDES = { from: -1.5, count: 76 } as const;
const MODULI = { from: 2, count: 76 } as const;

export interface StarDraw {
  readonly star: Star;
  /** Magnitude in the band of the limits [AB]. */
  readonly magnitude: number;
}

/** Absolute magnitude is fainter at the same temperature where metals are few (Ivezic et al. 2008, eq. A2, linear). */
const dimming = (metallicity: number): number => -0.75 * Math.max(-2, Math.min(0.2, metallicity));

function starOf(kind: (typeof kinds)[number], absolute: number, metallicity: number, rng: Rng): Star {
  const spread = Math.exp(0.012 * rng.normal());
  if (kind === "whiteDwarf") {
    const temperature = interpolate(absolute, whiteDwarfs.magnitude, whiteDwarfs.temperature) * spread;
    return { temperature, gravity: 8, metallicity: 0, whiteDwarf: rng.uniform() < 0.75 ? "hydrogen" : "none" };
  }
  if (kind === "giant") {
    if (rng.uniform() < BLUE_SHARE) {
      return { temperature: 6500 + 4000 * rng.uniform(), gravity: 3.3, metallicity, whiteDwarf: undefined };
    }
    const at = (values: readonly number[]): number => interpolate(absolute, giants.magnitude, values);
    const temperature = at(giants.temperature) * (1 - 0.06 * metallicity) * spread;
    return { temperature, gravity: at(giants.gravity), metallicity, whiteDwarf: undefined };
  }
  const temperature = interpolate(absolute - dimming(metallicity), sequence.magnitude, sequence.temperature) * spread;
  return { temperature, gravity: temperature < 4000 ? 4.9 : 4.4, metallicity, whiteDwarf: undefined };
}

/** Stars per square degree and their draws, within the magnitudes bright .. faint. */
export function createStarPopulation(
  bright: number,
  faint: number,
): { readonly perSquareDegree: number; draw(this: void, rng: Rng): StarDraw } {
  const size = MAGNITUDES.count * MODULI.count;
  const weights = new Float64Array(components.length * kinds.length * size);
  const solidAngle = (Math.PI / 180) ** 2;
  components.forEach(({ density, turnOff }, c) => {
    kinds.forEach((kind, k) => {
      const { magnitude, density: function_ } = tables[kind];
      for (let i = 0; i < MAGNITUDES.count; i++) {
        const absolute = MAGNITUDES.from + (i + 0.5) * STEP;
        const isCovered = absolute > magnitude[0] && absolute < magnitude[magnitude.length - 1];
        if (!isCovered || (kind === "dwarf" && absolute < turnOff)) continue;
        const local = 1e-3 * interpolate(absolute, magnitude, function_) * STEP;
        for (let j = 0; j < MODULI.count; j++) {
          const modulus = MODULI.from + (j + 0.5) * STEP;
          const apparent = absolute + modulus;
          if (apparent + STEP < bright || apparent - STEP > faint) continue;
          const distance = 10 ** (1 + modulus / 5);
          const volume = solidAngle * distance ** 3 * (Math.LN10 / 5) * STEP;
          weights[(c * kinds.length + k) * size + i * MODULI.count + j] = local * volume * density(distance);
        }
      }
    });
  });
  const cells = createCells(weights);
  return {
    perSquareDegree: cells.total,
    draw(rng) {
      for (;;) {
        const cell = cells.draw(rng);
        const group = Math.floor(cell / size);
        const { metallicity } = components[Math.floor(group / kinds.length)];
        const kind = kinds[group % kinds.length];
        const absolute = MAGNITUDES.from + (Math.floor((cell % size) / MODULI.count) + rng.uniform()) * STEP;
        const modulus = MODULI.from + ((cell % MODULI.count) + rng.uniform()) * STEP;
        const magnitude = absolute + modulus;
        const star = starOf(kind, absolute, metallicity.mean + metallicity.scatter * rng.normal(), rng);
        if (magnitude >= bright && magnitude <= faint) return { star, magnitude };
      }
    },
  };
}
