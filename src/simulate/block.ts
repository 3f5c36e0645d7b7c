import { UserError } from "../errors.ts";
import type { Table } from "../io/table.ts";
import { createRng, type Rng } from "../random.ts";
import type { Survey } from "../survey/survey.ts";
import { ewLabels } from "./lines.ts";
import { choosePointing, createObserver, type Observer, observe } from "./observer.ts";
import type { SimulationOptions } from "./options.ts";
import { createPassbands, FLUX_UNIT, magnitudeOfFlux } from "./passband.ts";
import { drawGalaxy, drawRedshift, type Galaxy } from "./population.ts";
import { type Row, tableOf } from "./rows.ts";
import { createPhotometer, lastIndex, type Photometer } from "./photometer.ts";
import { createSpectrum, createTemplates, mixOf, type StellarMix, synthesise, type Templates } from "./synthesis.ts";
import { createSelection, type Selection } from "./selection.ts";
import { createGridModel, type SspGrid } from "./ssp.ts";
import { createStellarModel } from "./stars.ts";
import { equivalentWidths } from "./widths.ts";

/** Galaxies per block: a block has its own random stream, so the result does not depend on who computes it. */
export const BLOCK_SIZE = 256;

/** Label columns of the built-in source, in order. */
export const LABELS = ["z", "LOGM", "LOGZ", "AV", "AGE", "LOGSFR", ...Object.keys(ewLabels)] as const;

/** Specific star formation rate that stands for none [log10 1/yr]. */
const LEAST_SPECIFIC_RATE = -14;
/** Draws after which a selection counts as empty. */
const MOST_ATTEMPTS = 60_000;

/** All that a block needs; built once per thread. */
export interface Simulation {
  readonly survey: Survey;
  readonly options: SimulationOptions;
  readonly templates: Templates;
  readonly photometer: Photometer;
  readonly observer: Observer;
  readonly selection: Selection;
  readonly selectionBand: number;
}

/**
 * Index of the selection band among the survey's bands.
 * @throws UserError for a selection band that the survey doesn't have, or an empty redshift range.
 */
export function checkSelection(survey: Survey, options: SimulationOptions): number {
  const names = survey.fields.filter(({ band }) => band !== undefined).map(({ name }) => name);
  const index = names.indexOf(options.selection.band);
  if (index < 0) {
    throw new UserError(
      `simulate: selection band "${options.selection.band}" is not in survey ${survey.name}; expected one of ${names.join(", ")}`,
    );
  }
  const { min, max } = options.redshift;
  if (min >= max) throw new UserError(`simulate: the lowest redshift, ${min}, is not below the highest, ${max}`);
  const { band, bright, faint } = options.selection;
  if (bright >= faint) {
    throw new UserError(`simulate: the limits in ${band} leave nothing: brightest ${bright}, faintest ${faint} AB mag`);
  }
  return index;
}

/** `grid`: stars in place of the built-in ones. @throws UserError as `checkSelection`, and for an unreadable filter folder. */
export function createSimulation(survey: Survey, options: SimulationOptions, grid?: SspGrid): Simulation {
  const selectionBand = checkSelection(survey, options);
  const bands = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
  const passbands = createPassbands(bands, options.filters, options.filterPrefix);
  const to = lastIndex(passbands);
  const stars = grid === undefined ? createStellarModel(to) : createGridModel(grid);
  const templates = createTemplates(options.redshift.max, { ...options.physics, stars, to });
  return {
    survey,
    options,
    templates,
    photometer: createPhotometer(passbands, templates),
    observer: createObserver(survey, passbands, options),
    selection: createSelection(passbands[selectionBand], templates, options),
    selectionBand,
  };
}

interface Parent {
  readonly galaxy: Galaxy;
  readonly mix: StellarMix;
  readonly fluxes: Float64Array;
  readonly labels: readonly number[];
}

function labelsOf(galaxy: Galaxy, mix: StellarMix, widths: readonly number[]): number[] {
  const logRate = Math.log10(Math.max(mix.rate, 10 ** (galaxy.logMass + LEAST_SPECIFIC_RATE)));
  return [galaxy.redshift, galaxy.logMass, mix.logZ, galaxy.avStars, mix.age, logRate, ...widths];
}

/** Draws one galaxy within the magnitude limits: quick magnitudes first, then the exact one. */
function drawParent(simulation: Simulation, work: ReturnType<typeof createSpectrum>, rng: Rng): Parent {
  const { options, photometer, selection, templates } = simulation;
  const { faint, bright } = options.selection;
  const range = [options.redshift.min, options.redshift.max] as const;
  const { pivot } = simulation.observer.bands[simulation.selectionBand];
  let fixed: number | undefined;
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    // n(z) given: z is drawn first and kept until a mass at that z passes
    if (options.redshift.median !== undefined && attempt % 2000 === 0) {
      fixed = drawRedshift(rng, options.redshift.median, range);
    }
    const { redshift, logMass } =
      fixed === undefined ? selection.draw(rng) : { redshift: fixed, logMass: selection.drawMass(rng, fixed) };
    const galaxy = drawGalaxy(rng, redshift, logMass, options.physics);
    const mix = mixOf(galaxy);
    const quick = selection.magnitude(redshift, mix, galaxy);
    if (quick > faint + 0.2 || quick < bright - 0.5) continue;
    const [from, to] = photometer.extent(redshift);
    synthesise(work, templates, galaxy, mix, from, to);
    const widths = equivalentWidths(work);
    const fluxes = photometer.fluxes(work, redshift);
    const magnitude = magnitudeOfFlux(fluxes[simulation.selectionBand] * FLUX_UNIT, pivot);
    if (magnitude > faint || magnitude < bright) continue;
    return { galaxy, mix, fluxes, labels: labelsOf(galaxy, mix, widths) };
  }
  throw new UserError(
    `simulate: no galaxy in ${MOST_ATTEMPTS} draws has ${bright} < ${options.selection.band} < ${faint} at z ${range.join(" - ")}`,
  );
}

/** Rows of one galaxy: as many as noise is drawn, or the one without. */
function rowsOf({ observer, options }: Simulation, { fluxes, labels }: Parent, parentId: string): Row[] {
  const clean = options.fluxes === "observed" ? {} : { clean: fluxes };
  if (options.fluxes === "clean") return [{ objectId: `${parentId}-0`, parentId, labels, ...clean }];
  // a stream of its own: the same galaxies however they are observed
  const noise = createRng(`${parentId}:noise`);
  const pointing = choosePointing(observer, noise);
  const row = { flux: fluxes, redshift: labels[0], logMass: labels[1], logSfr: labels[LABELS.indexOf("LOGSFR")] };
  return Array.from({ length: options.draws }, (_, draw) => {
    const observation = observe(observer, row, noise, pointing);
    return { objectId: `${parentId}-${draw}`, parentId, observation, labels, ...clean };
  });
}

/** Simulates parents [block * BLOCK_SIZE, ...) of the run, at most `count` of them: one table of count x draws rows. */
export function simulateBlock(simulation: Simulation, block: number, count = BLOCK_SIZE): Table {
  const { observer, options, survey } = simulation;
  const rng = createRng(`${options.seed}:block:${block}`);
  const work = createSpectrum();
  const rows: Row[] = [];
  for (let i = 0; i < count; i++) {
    const parentId = `${options.seed}-${block * BLOCK_SIZE + i}`;
    rows.push(...rowsOf(simulation, drawParent(simulation, work, rng), parentId));
  }
  return tableOf(rows, observer, survey, LABELS);
}
