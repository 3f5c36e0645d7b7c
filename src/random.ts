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
