import type { Rng } from "../random.ts";
import { type Catalog, copyRow, emptyCatalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { RowSource } from "../tokens/batch.ts";
import { classesWith, classField } from "./belonging.ts";
import type { NetworkCoder } from "./config.ts";
import { distortRow } from "./distort.ts";

/** What goes wrong between a telescope and a table, done to the only row of a catalogue; `another` observes another object. */
type Spoil = (one: Catalog, rng: Rng, another: () => Catalog, coder: NetworkCoder) => void;

/** Factor by which a band is off, up or down [smallest, largest]. */
const FACTORS = [1.3, 3] as const;
/** Light of a neighbour, over the object's own [smallest, largest]. */
const BLENDS = [0.1, 1] as const;

const between = ([low, high]: readonly [number, number], rng: Rng): number => low * (high / low) ** rng.uniform();

const measuredBands = ({ fields, state }: Catalog): number[] =>
  fields.flatMap(({ band }, j) => (band !== undefined && state[j] === State.measured ? [j] : []));

const swapped: Spoil = (one, rng) => {
  const bands = measuredBands(one);
  if (bands.length < 2) return;
  const [a] = bands.splice(rng.integer(bands.length), 1);
  const b = bands[rng.integer(bands.length)];
  for (const column of [one.value, one.error]) [column[a], column[b]] = [column[b], column[a]];
};

const scaled: Spoil = (one, rng) => {
  const bands = measuredBands(one);
  if (bands.length === 0) return;
  const j = bands[rng.integer(bands.length)];
  const factor = between(FACTORS, rng) ** (rng.uniform() < 0.5 ? -1 : 1);
  one.value[j] *= factor;
  one.error[j] *= factor;
};

const blended: Spoil = (one, rng, another) => {
  const other = another();
  const bands = measuredBands(one).filter((j) => other.state[j] === State.measured);
  const light = ({ value }: Catalog): number => bands.reduce((sum, j) => sum + value[j], 0);
  const share = (between(BLENDS, rng) * light(one)) / light(other);
  if (!(share > 0 && Number.isFinite(share))) return;
  for (const j of bands) one.value[j] += share * other.value[j];
};

/** Whatever it is, it is called what has every property: a galaxy. */
const misnamed: Spoil = (one, _rng, _another, coder) => {
  const found = classField(coder);
  if (found === undefined) return;
  one.value[found.j] = classesWith(found.field, "log").indexOf(true);
  one.error[found.j] = 0;
  one.state[found.j] = State.measured;
};

/** Ways to spoil a row, and their parts in what the rule of trust is fitted to. */
export const spoilings = {
  nothing: { part: 0.4, spoil: () => {} },
  distorted: { part: 0.1, spoil: distortRow },
  swapped: { part: 0.12, spoil: swapped },
  scaled: { part: 0.08, spoil: scaled },
  blended: { part: 0.2, spoil: blended },
  misnamed: { part: 0.1, spoil: misnamed },
} as const satisfies Record<string, { readonly part: number; readonly spoil: Spoil }>;
export type SpoilName = keyof typeof spoilings;

/** A row and the source that it is of. */
export type SourceRow = readonly [RowSource, number];

/** Rows of some sources, one at a time. */
export interface Spoiler {
  /** A row as it is: a catalogue of one row, until the next call. */
  take(this: void, row: SourceRow, rng: Rng): Catalog;
  /** Spoils the row that was taken last, in place. */
  spoil(this: void, name: SpoilName, other: SourceRow, rng: Rng): void;
}

export function createSpoiler(coder: NetworkCoder): Spoiler {
  const [one, two] = [emptyCatalog(coder.fields, 1), emptyCatalog(coder.fields, 1)];
  const take = ([{ store }, row]: SourceRow, to: Catalog, rng: Rng): Catalog => {
    const found = store.at(row, rng);
    copyRow(found.catalog, found.row, to, 0);
    return to;
  };
  return {
    take: (row, rng) => take(row, one, rng),
    spoil(name, other, rng) {
      const spoil: Spoil = spoilings[name].spoil;
      spoil(one, rng, () => take(other, two, rng), coder);
    },
  };
}
