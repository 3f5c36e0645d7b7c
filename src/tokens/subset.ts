import { z } from "zod";
import { type Rng, shuffleInPlace } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type Field, isAskable, State } from "../survey/field.ts";
import { type PixelWindow, WHOLE } from "./spectrum.ts";
import type { FieldCoder } from "./standardise.ts";

/**
 * A way to draw what is given. It sets `isContext[j]` for members of `pool` (observed fields, ascending ids);
 * flags are 0 on entry.
 */
export type ContextDraw = (pool: Int32Array, fields: readonly Field[], rng: Rng, isContext: Uint8Array) => void;

function keepWhere(isKept: (field: Field) => boolean): ContextDraw {
  return (pool, fields, _rng, isContext) => {
    for (const j of pool) if (isKept(fields[j])) isContext[j] = 1;
  };
}

/** Cuts the pool's wavelength range at a random band: `side` -1 keeps the blue part, 1 the red one. */
function keepSide(side: -1 | 1): ContextDraw {
  return (pool, fields, rng, isContext) => {
    if (pool.length === 0) return;
    const cut = fields[pool[rng.integer(pool.length)]].band?.pivot ?? 0;
    for (const j of pool) if (((fields[j].band?.pivot ?? 0) - cut) * side >= 0) isContext[j] = 1;
  };
}

/** One contiguous stretch of wavelength is kept (`isInside`) or removed. */
function block(isInside: boolean): ContextDraw {
  return (pool, fields, rng, isContext) => {
    if (pool.length === 0) return;
    const pick = (): number => fields[pool[rng.integer(pool.length)]].band?.pivot ?? 0;
    const a = pick();
    const b = pick();
    for (const j of pool) {
      const pivot = fields[j].band?.pivot ?? 0;
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
    for (let i = 0; i < size; i++) isContext[order[i]] = 1;
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

/** Ways to give spectra: of `alone` and `window` nothing else is given. */
const spectrumDrawNames = ["hidden", "beside", "alone", "window"] as const;

const drawNames = Object.keys(contextDraws) as [ContextDrawName, ...ContextDrawName[]];
const weightsOf = <N extends string>(names: readonly [N, ...N[]]) =>
  z
    .partialRecord(z.enum(names), z.number().min(0).max(1e6))
    .refine((weights) => Object.values(weights).some((weight) => Number(weight) > 0), "expected a weight above 0");

/** A recipe's `subsets:` section: what is given and what is asked in training. */
export const subsetSchema = z
  .strictObject({
    bands: weightsOf(drawNames)
      .default({ uniform: 9, none: 2, blue: 2, red: 1, broad: 1.5, narrow: 1, noUv: 2, block: 1.5, hole: 1, all: 1 })
      .describe("weights of the ways to draw the given bands"),
    properties: weightsOf(["none", "all", "uniform"])
      .default({ none: 2, uniform: 1 })
      .describe("the same for properties, drawn independently"),
    spectra: weightsOf(spectrumDrawNames)
      .default({ hidden: 2, beside: 3, alone: 4, window: 1 })
      .describe(
        "the same for spectra: hidden, beside what else is drawn, alone (no bands, no properties), or a window of it alone",
      ),
    fullShare: z
      .number()
      .min(0)
      .max(1)
      .default(0.4)
      .describe("share of galaxies with all bands given, properties asked"),
    autoregressiveShare: z.number().min(0).max(1).default(0.3).describe("share with the autoregressive objective"),
    propertyTargetWeight: z
      .number()
      .positive()
      .max(1e6)
      .default(3)
      .describe("a property weighs as much as this many bands"),
    dropout: z.number().min(0).max(1).default(0.1).describe("most bands lost at random where all are given"),
    filterDropout: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe("share of bands known by their filter alone in a step, where model.filters is function"),
  })
  .refine((s) => s.fullShare + s.autoregressiveShare <= 1, "expected fullShare + autoregressiveShare of 1 or less")
  .prefault({});
export type SubsetConfig = z.output<typeof subsetSchema>;

/** Picks a name with probability proportional to its weight. */
function pickDraw<N extends string>(weights: Readonly<Partial<Record<N, number>>>, rng: Rng): N {
  const entries = Object.entries(weights) as [N, number][];
  let total = 0;
  for (const [, weight] of entries) total += weight;
  let u = rng.uniform() * total;
  for (const [name, weight] of entries) {
    u -= weight;
    if (u < 0) return name;
  }
  return entries[entries.length - 1][0];
}

/** Shortest window, as a share of a spectrum. */
const NARROWEST = 1 / 8;

/** A window of any length, short ones as likely as long ones (even in the logarithm), anywhere. */
function drawWindow(rng: Rng): PixelWindow {
  const length = NARROWEST ** rng.uniform();
  const from = rng.uniform() * (1 - length);
  return { from, to: from + length };
}

/** Draws bands and properties, of which one is left to be asked where `isOneLeft`; a full draw gives all bands, in half of the cases with a few lost, and no properties. */
function drawScalars(
  fields: readonly Field[],
  observed: readonly number[],
  config: SubsetConfig,
  isFull: boolean,
  isOneLeft: boolean,
  rng: Rng,
  isContext: Uint8Array,
): void {
  const bands = observed.filter((j) => fields[j].band !== undefined);
  const properties = observed.filter((j) => fields[j].band === undefined);
  if (isFull && properties.length > 0) {
    const lost = rng.uniform() < 0.5 ? 0 : rng.uniform() * config.dropout;
    for (const j of bands) isContext[j] = rng.uniform() < lost ? 0 : 1;
    return;
  }
  contextDraws[pickDraw(config.bands, rng)](Int32Array.from(bands), fields, rng, isContext);
  contextDraws[pickDraw(config.properties, rng)](Int32Array.from(properties), fields, rng, isContext);
  if (isOneLeft && observed.every((j) => isContext[j] === 1)) {
    const pool = properties.length > 0 ? properties : bands;
    if (pool.length > 0) isContext[pool[rng.integer(pool.length)]] = 0;
  }
}

/**
 * Draws what is given of one row into `isContext` [N], and returns the part of its spectra; at least one observed field
 * that can be asked is left to be asked, a hidden spectrum where `asksSpectra`.
 */
export function drawContext(
  coder: FieldCoder,
  catalog: Catalog,
  row: number,
  config: SubsetConfig,
  isFull: boolean,
  rng: Rng,
  isContext: Uint8Array,
  asksSpectra = false,
): PixelWindow {
  const { nField, fields, groups } = coder;
  isContext.fill(0);
  const isObserved = (j: number): boolean => catalog.state[row * nField + j] !== State.notObserved;
  const observed: number[] = [];
  for (let j = 0; j < nField; j++) if (isObserved(j) && isAskable(fields[j])) observed.push(j);
  const spectra = groups.spectrum.filter(isObserved);
  const draw = spectra.length === 0 ? "hidden" : pickDraw(config.spectra, rng);
  const isSpectrumLeft = asksSpectra && draw === "hidden" && spectra.length > 0;
  if (draw === "hidden" || draw === "beside") {
    drawScalars(fields, observed, config, isFull, !isSpectrumLeft, rng, isContext);
  }
  if (draw !== "hidden") for (const j of spectra) isContext[j] = 1;
  return draw === "window" ? drawWindow(rng) : WHOLE;
}
