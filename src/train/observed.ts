/** Tables of galaxies without noise: which of them a run observes anew, and rows that are another observation each time. */
import { UserError } from "../errors.ts";
import { createRng, quickRng } from "../random.ts";
import {
  createRowObserver,
  filtersName,
  observedAperture,
  type ObservationOptions,
  observationSchema,
  type RowObserver,
} from "../simulate/observation.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { allRows, type Catalog, copyRow, emptyCatalog } from "../survey/catalog.ts";
import { outlineClean } from "../survey/clean.ts";
import type { Field } from "../survey/field.ts";
import { cleanLayout } from "../survey/layout.ts";
import { type Made, OBSERVED, PARAMETRIC } from "../survey/made.ts";
import type { Survey } from "../survey/survey.ts";
import type { RowStore } from "../tokens/batch.ts";
import { fitStandardisation } from "../tokens/standardise.ts";
import type { PartRows, TableWish, TrainingTable } from "./tables.ts";

/** How the galaxies of a run's tables are observed. */
export interface ObservationWish {
  readonly options: ObservationOptions;
  /** Tables with noisy fluxes beside those without are to be observed anew, too. */
  readonly isAsked: boolean;
}

/** Roles of tables that the network learns galaxies from, not a target. */
const isObservable = (role: TableWish["role"]): boolean => role === "train" || role === "source";

/** @throws UserError where fluxes without noise can't be observed as wished. */
function checkObservable(
  { path, role, own, reading = {} }: TableWish,
  made: readonly Made[],
  options: ObservationOptions,
): void {
  const refuse = (what: string): never => {
    throw new UserError(`${path}: fluxes without noise, ${what}`);
  };
  if (!isObservable(role)) {
    refuse("expected observed ones of the target: their noise and zero-points are what is learned");
  }
  if (own !== undefined) refuse(`described by survey ${own.name}: expected them under the network's own names`);
  const { relativeError, floors, extinction } = reading;
  if (relativeError !== undefined || floors !== undefined || extinction !== undefined) {
    refuse("observed anew: expected no --relative-error, --error-floor or --extinction, observation says how");
  }
  const filters = filtersName(options);
  for (const one of made) {
    if (one.spectra === OBSERVED)
      refuse("but of observed spectra, whose own is in them: expected --fluxes observed of them");
    if (one.filters === undefined || one.filters === filters) continue;
    const expected = one.filters === PARAMETRIC ? "no observation.filters" : `observation.filters, their folder`;
    const called = (name: string): string => (name === PARAMETRIC ? "parametric passbands" : `the curves of ${name}`);
    refuse(`made with ${called(one.filters)}, to be observed with ${called(filters)}: expected ${expected}`);
  }
}

/** A table with how it is read and observed: `observation` is there where it has fluxes without noise that are to be. */
export interface ObservedWish {
  readonly reading: BindOptions;
  readonly observation: ObservationOptions | undefined;
  /** What is to be said of it. */
  readonly lines: readonly string[];
}

/**
 * Decides what is trained on: fluxes without noise are always observed anew; noisy ones that have such beside them are
 * taken as they are, unless it is asked for.
 * @throws UserError for fluxes without noise that can't be observed.
 */
export async function observedWish(wish: TableWish, survey: Survey): Promise<ObservedWish> {
  const { path, role, own, observation, reading = {} } = wish;
  const { isClean, isBeside, made } = await outlineClean(path, own ?? survey, reading);
  const isMeant = isBeside && isObservable(role) && reading.layout === undefined;
  if (isClean || (isMeant && observation?.isAsked === true)) {
    const options = observation?.options ?? observationSchema.parse({});
    checkObservable(wish, made, options);
    const line = `${path}: fluxes without noise, observed anew in every batch`;
    return {
      reading: isClean ? reading : { ...reading, layout: cleanLayout.name },
      observation: options,
      lines: [line],
    };
  }
  const line = `${path}: fluxes with their noise; --observe draws it anew, from those without that are beside them`;
  return { reading, observation: undefined, lines: isMeant ? [line] : [] };
}

/** Rows of a store of galaxies without noise, each time another observation, drawn from the stream that is given. */
function observedStore(clean: RowStore, fields: readonly Field[], observe: RowObserver): RowStore {
  const one = emptyCatalog(fields, 1);
  return {
    rowCount: clean.rowCount,
    at(row, rng) {
      const found = clean.at(row, rng);
      copyRow(found.catalog, found.row, one, 0);
      observe(found.catalog, found.row, quickRng(rng), one);
      return { catalog: one, row: 0 };
    },
  };
}

/** Rows that a standardisation is fitted on. */
const SAMPLE_ROWS = 20_000;

/** One observation each of a part's rows, `most` at most, evenly spaced, from a stream of their own. */
export function observedSample(
  { store, rows }: Pick<PartRows, "store" | "rows">,
  fields: readonly Field[],
  most: number,
  seed: string,
): Catalog {
  const rng = createRng(seed);
  const count = Math.min(rows.length, most);
  let sample = emptyCatalog(fields, count);
  for (let i = 0; i < count; i++) {
    const { catalog, row } = store.at(rows[Math.floor((i * rows.length) / count)], rng);
    if (catalog.tile !== undefined && sample.tile === undefined) {
      sample = { ...sample, tile: Array.from({ length: count }, () => "") };
    }
    copyRow(catalog, row, sample, i);
  }
  return sample;
}

/** Training rows of a table observed otherwise; as they are where it has their noise. @throws UserError for filters that can't be read. */
export const observedAs = ({ clean, parts }: TrainingTable, survey: Survey, options: ObservationOptions): PartRows =>
  clean === undefined
    ? parts.train
    : { ...clean, store: observedStore(clean.store, survey.fields, createRowObserver(survey, options)) };

/** A table without noise as a run trains on it. @throws UserError for filters that can't be read. */
export function observing(clean: TrainingTable, survey: Survey, options: ObservationOptions): TrainingTable {
  const { fields } = survey;
  const observe = createRowObserver(survey, options);
  const observed = (part: PartRows): PartRows => ({ ...part, store: observedStore(part.store, fields, observe) });
  const train = observed(clean.parts.train);
  return {
    ...clean,
    record: { ...clean.record, aperture: observedAperture(options), observation: options },
    parts: { train, validation: observed(clean.parts.validation), calibration: observed(clean.parts.calibration) },
    clean: clean.parts.train,
    standardise(reference) {
      const sample = observedSample(train, fields, SAMPLE_ROWS, "standardisation");
      return fitStandardisation(sample, allRows(sample), reference);
    },
  };
}
