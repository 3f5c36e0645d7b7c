import { UserError } from "../errors.ts";
import type { Table } from "../io/table.ts";
import { createRng, type Rng } from "../random.ts";
import type { Survey } from "../survey/survey.ts";
import { cardelli } from "./dust.ts";
import { ewLabels } from "./lines.ts";
import { createObserver, type Observer, observe } from "./noise.ts";
import type { SimulationOptions } from "./options.ts";
import { createForeground, type Foreground } from "./foreground.ts";
import { createPassbands, FLUX_UNIT, magnitudeOfFlux } from "./passband.ts";
import { drawGalaxy, drawRedshift, type Galaxy } from "./population.ts";
import { type Row, tableOf } from "./rows.ts";
import { createPhotometer, lastIndex, type Photometer } from "./photometer.ts";
import { createSpectrum, createTemplates, mixOf, type StellarMix, synthesise, type Templates } from "./synthesis.ts";
import { createSelection, type Selection } from "./selection.ts";
import { createGridModel, type SspGrid } from "./ssp.ts";
import { createStellarModel } from "./stars.ts";
import { createMixture, type Draws, type Mixture } from "./wide.ts";
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
  readonly foreground: Foreground;
  readonly observer: Observer;
  readonly selection: Selection;
  readonly selectionBand: number;
  /** Of nature and the wide population, where that is wanted. */
  readonly mixture: Mixture | undefined;
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
  if (options.population === "wide" && options.redshift.median !== undefined) {
    throw new UserError(
      "simulate: the wide population has redshifts of its own: expected it without a median redshift",
    );
  }
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
  const selection = createSelection(passbands[selectionBand], templates, options);
  return {
    survey,
    options,
    templates,
    photometer: createPhotometer(passbands, templates),
    foreground: createForeground(passbands, options),
    observer: createObserver(
      survey,
      passbands.map((band) => band.pivot),
      options,
    ),
    selection,
    selectionBand,
    mixture: options.population === "wide" ? createMixture(selectedParts(selection, options)) : undefined,
  };
}

/** Draws by which the two populations' selected parts are estimated: they set the mixture, not its exactness. */
const PILOT = 4000;

/** Fractions of nature's and of wide galaxies that the magnitude limits keep. */
function selectedParts(selection: Selection, options: SimulationOptions): { natural: number; wide: number } {
  const { faint, bright } = options.selection;
  const part = (isWide: boolean): number => {
    const draws: Draws = { ...createRng(`${options.seed}:pilot:${isWide}`), wide: { isWide, logRatio: 0 } };
    let kept = 0.5; // never none
    for (let i = 0; i < PILOT; i++) {
      const { redshift, logMass } = selection.draw(draws);
      const galaxy = drawGalaxy(draws, redshift, logMass, options.physics);
      const magnitude = selection.magnitude(redshift, mixOf(galaxy), galaxy);
      if (magnitude < faint && magnitude > bright) kept += 1;
    }
    return kept / PILOT;
  };
  return { natural: part(false), wide: part(true) };
}

interface Parent {
  readonly galaxy: Galaxy;
  readonly mix: StellarMix;
  readonly fluxes: Float64Array;
  readonly labels: readonly number[];
  /** Nature's density over that of what it was drawn from. */
  readonly weight: number | undefined;
}

function labelsOf(galaxy: Galaxy, mix: StellarMix, widths: readonly number[]): number[] {
  const logRate = Math.log10(Math.max(mix.rate, 10 ** (galaxy.logMass + LEAST_SPECIFIC_RATE)));
  return [galaxy.redshift, galaxy.logMass, mix.logZ, galaxy.avStars, mix.age, logRate, ...widths];
}

/** Fluxes as the table has them before noise: behind the Milky Way's dust, corrected for it where that is wanted. */
function fluxesBehind(
  { foreground, photometer }: Simulation,
  work: ReturnType<typeof createSpectrum>,
  z: number,
  pointing: number,
): Float64Array {
  const fluxes = photometer.fluxes(work, z, foreground.av[pointing]);
  const { correction } = foreground;
  return correction === undefined ? fluxes : fluxes.map((flux, j) => flux * correction[pointing * fluxes.length + j]);
}

/** Draws one galaxy within the magnitude limits: quick magnitudes first, then the exact one. */
function drawParent(
  simulation: Simulation,
  work: ReturnType<typeof createSpectrum>,
  pointing: number,
  rng: Rng,
): Parent {
  const { mixture, options, photometer, selection, templates } = simulation;
  const { faint, bright } = options.selection;
  const range = [options.redshift.min, options.redshift.max] as const;
  const { pivot } = simulation.observer.bands[simulation.selectionBand];
  const extinction = options.foreground.correct ? 0 : simulation.foreground.av[pointing] * cardelli(pivot);
  let fixed: number | undefined;
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    // n(z) given: z is drawn first and kept until a mass at that z passes
    if (options.redshift.median !== undefined && attempt % 2000 === 0) {
      fixed = drawRedshift(rng, options.redshift.median, range);
    }
    const draws: Draws = mixture?.begin(rng) ?? rng;
    const { redshift, logMass } =
      fixed === undefined ? selection.draw(draws) : { redshift: fixed, logMass: selection.drawMass(rng, fixed) };
    const galaxy = drawGalaxy(draws, redshift, logMass, options.physics);
    const mix = mixOf(galaxy);
    const quick = selection.magnitude(redshift, mix, galaxy) + extinction;
    if (quick > faint + 0.2 || quick < bright - 0.5) continue;
    const [from, to] = photometer.extent(redshift);
    synthesise(work, templates, galaxy, mix, from, to);
    const widths = equivalentWidths(work);
    const fluxes = fluxesBehind(simulation, work, redshift, pointing);
    const magnitude = magnitudeOfFlux(fluxes[simulation.selectionBand] * FLUX_UNIT, pivot);
    if (magnitude > faint || magnitude < bright) continue;
    const weight = draws.wide === undefined ? undefined : mixture?.weight(draws.wide);
    return { galaxy, mix, fluxes, labels: labelsOf(galaxy, mix, widths), weight };
  }
  throw new UserError(
    `simulate: no galaxy in ${MOST_ATTEMPTS} draws has ${bright} < ${options.selection.band} < ${faint} at z ${range.join(" - ")}`,
  );
}

/** Simulates parents [block * BLOCK_SIZE, ...) of the run, at most `count` of them: one table of count x draws rows. */
export function simulateBlock(simulation: Simulation, block: number, count = BLOCK_SIZE): Table {
  const { observer, options, survey } = simulation;
  const rng = createRng(`${options.seed}:block:${block}`);
  const work = createSpectrum();
  const rows: Row[] = [];
  for (let i = 0; i < count; i++) {
    const pointing = rng.integer(options.pointings);
    const { fluxes, labels, weight } = drawParent(simulation, work, pointing, rng);
    const parentId = `${options.seed}-${block * BLOCK_SIZE + i}`;
    const tile = `${survey.tiles[pointing % survey.tiles.length]}-${pointing}`;
    // a stream of its own: the same galaxies however they are observed
    const noise = createRng(`${parentId}:noise`);
    for (let draw = 0; draw < options.draws; draw++) {
      const observation = observe(observer, fluxes, pointing, noise, { redshift: labels[0], logMass: labels[1] });
      rows.push({ objectId: `${parentId}-${draw}`, parentId, tile, observation, labels, weight });
    }
  }
  return tableOf(rows, observer, survey, LABELS);
}
