/** What training needs to observe galaxies anew: the recipe's section, and an observer of rows of clean catalogues. */
import { basename } from "node:path";
import type { z } from "zod";
import type { Rng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { largestError, saysNothing } from "../survey/information.ts";
import type { ApertureKind } from "../survey/layout.ts";
import { PARAMETRIC } from "../survey/made.ts";
import type { Survey } from "../survey/survey.ts";
import { apertureKind } from "./aperture.ts";
import { KIND_NAMES, type Kind } from "./kinds.ts";
import { type CleanRow, createObserver, objectOf, observe } from "./observer.ts";
import { parseOptions, type SimulationOptions, simulationOptions } from "./options.ts";
import { createPassbands } from "./passband.ts";
import { createTakers, type SpectrumTaker, takeSpectrum } from "./spectrum-survey.ts";

/** A recipe's `observation:` section: the options of `simulate` that say how galaxies are observed, for each row anew. */
export const observationSchema = simulationOptions
  .pick({
    filters: true,
    filterPrefix: true,
    foreground: true,
    depthScatter: true,
    systematics: true,
    zeroPointScale: true,
    calibrationFloor: true,
    skyError: true,
    outliers: true,
    blends: true,
    drift: true,
    spectrum: true,
    modelError: true,
    calibration: true,
    aperture: true,
    missingFraction: true,
    missing: true,
    uvCoverage: true,
    nonDetections: true,
  })
  .extend({
    noiseScale: simulationOptions.shape.noiseScale
      .unwrap()
      .positive()
      .default(1)
      .describe("multiplies the noise of every band: photons of sky and source, floor, sky residual"),
  });
export type ObservationOptions = z.output<typeof observationSchema>;

/** Of what light fluxes are that are observed so. */
export const observedAperture = ({ aperture }: ObservationOptions): ApertureKind => apertureKind(aperture);

/** What transmission curves are called, in tables as in messages. */
export const filtersName = ({ filters }: { readonly filters?: string | undefined }): string =>
  filters === undefined ? PARAMETRIC : basename(filters);

/** Observes row `row` of a catalogue without noise, with the survey's fields, into the one row of `to`. */
export type RowObserver = (catalog: Catalog, row: number, rng: Rng, to: Catalog) => void;

/** Kinds of object by the index of their class; a class that the simulator does not know is seen as a galaxy. */
function kindsOf(field: Field | undefined): readonly Kind[] {
  const classes = field?.kind === "category" ? field.classes : [];
  return classes.map((name) => KIND_NAMES.find((kind) => kind === name) ?? "galaxy");
}

/** Writes a number where reading a table would take it, else that there is none. */
function put(to: Catalog, j: number, largest: number, value: number, error: number, state: State): void {
  const field = to.fields[j];
  const [low, high] = field.range;
  const isStated = error > 0 && error < Infinity;
  const isUsed =
    state !== State.notObserved &&
    value >= low &&
    value <= high &&
    (isStated || field.band === undefined) &&
    !saysNothing(field, largest, value, error, state);
  to.value[j] = isUsed ? value : 0;
  to.error[j] = isUsed && isStated ? error : 0;
  to.state[j] = isUsed ? state : State.notObserved;
}

/** A spectrum of a row without noise, where it has one, observed into the one row of `to`. */
function takeRow(
  { taker, j, options }: { readonly taker: SpectrumTaker; readonly j: number; readonly options: SimulationOptions },
  { catalog, row }: { readonly catalog: Catalog; readonly row: number },
  object: CleanRow,
  ebv: number,
  rng: Rng,
  to: Catalog,
): void {
  const { name, grid } = taker.field;
  const clean = catalog.arrays?.get(name)?.value;
  const into = to.arrays?.get(name);
  if (clean === undefined || into === undefined || to.state[j] === State.notObserved) return;
  const first = row * grid.pixels;
  takeSpectrum(taker, clean.subarray(first, first + grid.pixels), object, ebv, options, rng, into);
  to.state[j] = into.ivar.some((weight) => weight > 0) ? State.measured : State.notObserved;
}

/**
 * Observes rows as `simulate` would, each in a pointing of its own. Bands, spectra and the E(B-V) in front are new each time,
 * a function of the row and the random numbers alone; what else is known stays.
 * @throws UserError for an unreadable folder of filters.
 */
export function createRowObserver(survey: Survey, options: ObservationOptions): RowObserver {
  const { fields } = survey;
  const n = fields.length;
  const bands = fields.flatMap(({ name, band }, j) => (band === undefined ? [] : [{ name, band, j }]));
  const whole = parseOptions(options);
  const observer = createObserver(survey, createPassbands(bands, options.filters, options.filterPrefix), whole);
  const placeOf = (name: string): number => fields.findIndex((field) => field.name === name);
  const [z, mass, rate, kind, dust] = ["z", "LOGM", "LOGSFR", "CLASS", "EBV"].map(placeOf);
  const classes = kindsOf(fields[kind]);
  const largest = fields.map(largestError);
  const takers = createTakers(survey, whole).map((taker) => ({ taker, j: placeOf(taker.field.name), options: whole }));
  const flux = new Float64Array(bands.length);
  return (catalog, row, rng, to) => {
    const { value, state } = catalog;
    const first = row * n;
    const known = (j: number): number | undefined =>
      j < 0 || state[first + j] === State.notObserved ? undefined : value[first + j];
    bands.forEach(({ j }, b) => (flux[b] = known(j) ?? Number.NaN));
    const labels = { redshift: known(z), logMass: known(mass), logSfr: known(rate) };
    const isOf = known(kind);
    const object = objectOf(isOf === undefined ? "galaxy" : classes[isOf], flux, labels);
    const seen = observe(observer, object, rng);
    bands.forEach(({ j }, b) => put(to, j, largest[j], seen.flux[b], seen.error[b], seen.state[b] as State));
    for (const one of takers) takeRow(one, { catalog, row }, object, seen.ebv, rng, to);
    if (dust < 0) return;
    put(to, dust, largest[dust], seen.ebv, seen.ebvError, Number.isNaN(seen.ebv) ? State.notObserved : State.measured);
  };
}
