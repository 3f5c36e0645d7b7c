import seedrandom from "seedrandom";

/** A seeded stream of random numbers: the only source of randomness in Caleido. */
export interface Rng {
  /** Uniform in [0, 1), 32 bits. */
  uniform(): number;
  /** Standard normal (Box & Muller 1958, one of the pair kept for the next call). */
  normal(): number;
  /** Uniform integer in 0 .. n - 1. */
  integer(n: number): number;
}

/** The same seed gives the same stream on every machine. Derive streams by name: `createRng(`${seed}:step:${step}`)`. */
export function createRng(seed: string): Rng {
  const alea = seedrandom.alea(seed);
  let spare: number | undefined;
  return {
    uniform: () => alea(),
    integer: (n) => Math.floor(alea() * n),
    normal: () => {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - alea()));
      const angle = 2 * Math.PI * alea();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}

/** A fast stream. */
export interface QuickRng extends Rng {
  /** Fills an array with the standard normals that as many calls of `normal` would give, in half the time. */
  fillNormals(into: Float64Array): void;
}

/** Layers of the ziggurat, where its tail begins, and the area of each layer. */
const [LAYERS, TAIL, AREA] = [128, 3.442619855899, 9.91256303526217e-3];

/** Widths of the layers, the part of each that lies below the curve whatever the height, and heights of the curve. */
function createZiggurat(): {
  readonly width: Float64Array;
  readonly inside: Float64Array;
  readonly height: Float64Array;
} {
  const [width, inside, height] = [0, 1, 2].map(() => new Float64Array(LAYERS)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const density = (x: number): number => Math.exp(-0.5 * x * x);
  width[0] = AREA / density(TAIL);
  inside[0] = TAIL / width[0];
  height[0] = 1;
  let x = TAIL;
  for (let i = LAYERS - 1; i > 0; i--) {
    const next = i > 1 ? Math.sqrt(-2 * Math.log(AREA / x + density(x))) : 0;
    [width[i], inside[i], height[i]] = [x, next / x, density(x)];
    x = next;
  }
  return { width, inside, height };
}

const ziggurat = createZiggurat();

/** Numbers thrown away before the seeds are mixed. */
const WARM_UP = 12;

/**
 * A stream that begins where `rng` stands, a function of its next three numbers, and is three times as fast: for work that
 * draws hundreds of numbers a galaxy. sfc32 (Doty-Humphrey, PractRand 0.95), normals by the ziggurat (Marsaglia & Tsang
 * 2000, J. Stat. Soft. 5, 8), layer and place from different bits (Doornik 2005).
 */
export function quickRng(rng: Rng): QuickRng {
  const word = (): number => (rng.uniform() * 2 ** 32) | 0;
  let [a, b, c] = [word(), word(), word()];
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum;
  };
  const uniform = (): number => (next() >>> 0) / 2 ** 32;
  const tail = (): number => {
    for (;;) {
      const [x, y] = [-Math.log(1 - uniform()) / TAIL, -Math.log(1 - uniform())];
      if (2 * y > x * x) return TAIL + x;
    }
  };
  for (let i = 0; i < WARM_UP; i++) next();
  const { width, inside, height } = ziggurat;
  const normalFrom = (bits: number): number => {
    for (let drawn = bits; ; drawn = next()) {
      const layer = drawn & (LAYERS - 1);
      const place = (drawn >> 7) / 2 ** 24;
      if (Math.abs(place) < inside[layer]) return place * width[layer];
      if (layer === 0) return place < 0 ? -tail() : tail();
      const x = place * width[layer];
      if (height[layer] + uniform() * (height[layer - 1] - height[layer]) < Math.exp(-0.5 * x * x)) return x;
    }
  };
  return {
    uniform,
    integer: (n) => Math.floor(uniform() * n),
    normal: () => normalFrom(next()),
    fillNormals(into) {
      // the state in variables of this loop, but for the one normal in 40 that is not inside its layer
      let [p, q, r, n] = [a, b, c, counter];
      for (let i = 0; i < into.length; i++) {
        const bits = (((p + q) | 0) + n) | 0;
        n = (n + 1) | 0;
        p = q ^ (q >>> 9);
        q = (r + (r << 3)) | 0;
        r = (((r << 21) | (r >>> 11)) + bits) | 0;
        const layer = bits & (LAYERS - 1);
        const place = (bits >> 7) / 2 ** 24;
        if (Math.abs(place) < inside[layer]) {
          into[i] = place * width[layer];
          continue;
        }
        [a, b, c, counter] = [p, q, r, n];
        into[i] = normalFrom(bits);
        [p, q, r, n] = [a, b, c, counter];
      }
      [a, b, c, counter] = [p, q, r, n];
    },
  };
}

/** Shuffles the first `count` places of `items` in place (Fisher & Yates), drawing from all of it. */
export function shuffleInPlace(items: Int32Array | Uint32Array | number[], rng: Rng, count = items.length): void {
  const last = Math.min(count, items.length - 1);
  for (let i = 0; i < last; i++) {
    const j = i + rng.integer(items.length - i);
    const kept = items[i];
    items[i] = items[j]!;
    items[j] = kept;
  }
}
