import { createRng, shuffleInPlace } from "../random.ts";
import { type Catalog, select } from "../survey/catalog.ts";
import { allRows } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { flagsOf } from "../survey/field-list.ts";
import type { Question } from "./evaluate.ts";

/** Bands by wavelength. */
function sorted(fields: readonly Field[], isKept: (field: Field) => boolean): number[] {
  return fields
    .flatMap((field, j) => (field.band !== undefined && isKept(field) ? [j] : []))
    .sort((a, b) => fields[a].band!.pivot - fields[b].band!.pivot);
}

/** A catalogue in which every row keeps a random half of `bands`, seeded by its id; the rest is not observed. */
function halved(catalog: Catalog, bands: readonly number[], seed: string): Catalog {
  const copy = select(catalog, allRows(catalog));
  const n = catalog.fields.length;
  const half = bands.length >> 1;
  for (let row = 0; row < catalog.rowCount; row++) {
    const order = Int32Array.from(bands);
    shuffleInPlace(order, createRng(`${seed}:half:${catalog.objectId[row]}`));
    for (const j of order.subarray(half)) copy.state[row * n + j] = State.notObserved;
  }
  return copy;
}

/**
 * Partial questions to a survey with narrow bands: all bands but the ultraviolet, every second narrow band, a random half of
 * all of them, the blue and the red half of the narrow ones, the broad ones. Contexts that are no part of the survey, or the
 * same as all of it, are left out.
 */
export function contextQuestions(catalog: Catalog, wanted: readonly number[], seed: string): Question[] {
  const { fields } = catalog;
  const all = sorted(fields, ({ band }) => band!.group !== "uv");
  const narrow = sorted(fields, ({ band }) => band!.group === "narrow");
  const broad = sorted(fields, ({ band }) => band!.group === "broad");
  const half = (narrow.length + 1) >> 1;
  const question = (title: string, bands: readonly number[]): Question[] =>
    bands.length === 0 || (bands.length === all.length && bands !== all)
      ? []
      : [{ title, isGiven: flagsOf(bands, fields.length), wanted }];
  const random = question(`${all.length >> 1} random bands`, all).map((one): Question => ({
    ...one,
    catalog: halved(catalog, all, seed),
  }));
  return [
    ...question(`all ${all.length} bands`, all),
    ...question(
      "every second narrow band",
      narrow.filter((_, i) => i % 2 === 0),
    ),
    ...random,
    ...question(`blue ${half}`, narrow.slice(0, half)),
    ...question(`red ${narrow.length - half}`, narrow.slice(half)),
    ...question("broad only", broad),
  ];
}
