import type { Field } from "../survey/field.ts";
import { type Rng, shuffleInPlace } from "../random.ts";

/**
 * A way to draw what is given. It sets `isContext[j]` for members of `pool` (observed fields, ascending ids);
 * flags are 0 on entry.
 */
export type ContextDraw = (pool: Int32Array, fields: readonly Field[], rng: Rng, isContext: Uint8Array) => void;

function keepWhere(isKept: (field: Field) => boolean): ContextDraw {
  return (pool, fields, _rng, isContext) => {
    for (const j of pool) if (isKept(fields[j]!)) isContext[j] = 1;
  };
}

/** Cuts the pool's wavelength range at a random band: `side` -1 keeps the blue part, 1 the red one. */
function keepSide(side: -1 | 1): ContextDraw {
  return (pool, fields, rng, isContext) => {
    if (pool.length === 0) return;
    const cut = fields[pool[rng.integer(pool.length)]!]!.band?.pivot ?? 0;
    for (const j of pool) if (((fields[j]!.band?.pivot ?? 0) - cut) * side >= 0) isContext[j] = 1;
  };
}

/** One contiguous stretch of wavelength is kept (`isInside`) or removed. */
function block(isInside: boolean): ContextDraw {
  return (pool, fields, rng, isContext) => {
    if (pool.length === 0) return;
    const pick = (): number => fields[pool[rng.integer(pool.length)]!]!.band?.pivot ?? 0;
    const a = pick();
    const b = pick();
    for (const j of pool) {
      const pivot = fields[j]!.band?.pivot ?? 0;
      const isBetween = pivot >= Math.min(a, b) && pivot <= Math.max(a, b);
      if (isBetween === isInside) isContext[j] = 1;
    }
  };
}

/** All draws work on bands; those that look at no wavelength (`none`, `all`, `uniform`) also on properties. */
export const contextDraws = {
  none: () => {},
  all: keepWhere(() => true),
  /** Every subset size is equally likely. */
  uniform: (pool, _fields, rng, isContext) => {
    const size = rng.integer(pool.length + 1);
    const order = pool.slice();
    shuffleInPlace(order, rng, size);
    for (let i = 0; i < size; i++) isContext[order[i]!] = 1;
  },
  blue: keepSide(-1),
  red: keepSide(1),
  block: block(true),
  hole: block(false),
  broad: keepWhere((field) => field.band?.group === "broad"),
  narrow: keepWhere((field) => field.band?.group === "narrow"),
  /** GALEX covers part of the sky only: everything else is there. */
  noUv: keepWhere((field) => field.band?.group !== "uv"),
} satisfies Record<string, ContextDraw>;

export type ContextDrawName = keyof typeof contextDraws;
export type DrawWeights = Partial<Record<ContextDrawName, number>>;

export const propertyDrawNames = ["none", "all", "uniform"] as const satisfies readonly ContextDrawName[];

/** Picks a name with probability proportional to its weight. */
export function pickDraw(weights: DrawWeights, rng: Rng): ContextDrawName {
  const entries = Object.entries(weights) as [ContextDrawName, number][];
  let total = 0;
  for (const [, weight] of entries) total += weight;
  let u = rng.uniform() * total;
  for (const [name, weight] of entries) {
    u -= weight;
    if (u < 0) return name;
  }
  return entries[entries.length - 1]![0];
}
