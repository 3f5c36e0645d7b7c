import { UserError } from "../errors.ts";
import type { Table } from "../io/table.ts";
import { createRng, type Rng } from "../random.ts";
import type { Survey } from "../survey/survey.ts";
import { ewLabels } from "./lines.ts";
import { drawKind, drawWideKind, type Kind } from "./kinds.ts";
import { choosePointing, createObserver, objectOf, type Observer, observe } from "./observer.ts";
import type { SimulationOptions } from "./options.ts";
import { createPassbands, FLUX_UNIT, magnitudeOfFlux } from "./passband.ts";
import { drawGalaxy, drawRedshift, type Galaxy } from "./population.ts";
import { createQuasars, createStars, FARTHEST_HOST, type PointSources } from "./point-sources.ts";
import { type Row, tableOf } from "./rows.ts";
import { createPhotometer, lastIndex, type Photometer } from "./photometer.ts";
import { createSpectrum, createTemplates, mixOf, type StellarMix, synthesise, type Templates } from "./synthesis.ts";
import { createTakers, emptyPair, type SpectrumTaker, takeSpectrum } from "./spectrum-survey.ts";
import { createSelection, type Selection } from "./selection.ts";
import type { StarLibrary } from "./star-library.ts";
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
  readonly observer: Observer;
  readonly selection: Selection;
  readonly selectionBand: number;
  /** Of nature and the wide population, where that is wanted. */
  readonly mixture: Mixture | undefined;
  /** Of the survey's spectra. */
  readonly takers: readonly SpectrumTaker[];
  /** Of the kinds that are wanted. */
  readonly pointSources: Readonly<Partial<Record<"star" | "quasar", PointSources>>>;
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
  if (options.stars !== undefined && !((options.kinds?.star ?? 0) > 0)) {
    throw new UserError(
      "simulate: spectra of stars, but no stars are wanted: expected kinds with a share of star above 0",
    );
  }
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

/** What is read before: stellar populations and single stars in place of the built-in ones. */
export interface Libraries {
  readonly grid?: SspGrid | undefined;
  readonly stars?: StarLibrary | undefined;
}

/** @throws UserError as `checkSelection`, and for an unreadable filter folder. */
export function createSimulation(survey: Survey, options: SimulationOptions, libraries: Libraries = {}): Simulation {
  const selectionBand = checkSelection(survey, options);
  const bands = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
  const passbands = createPassbands(bands, options.filters, options.filterPrefix);
  const takers = createTakers(survey, options);
  const reaches = takers.map(({ renderer }) => renderer.reach);
  const to = lastIndex(passbands, reaches);
  const { grid } = libraries;
  const stars = grid === undefined ? createStellarModel(to) : createGridModel(grid);
  const { star = 0, quasar = 0 } = options.kinds ?? {};
  const farthest = quasar > 0 ? FARTHEST_HOST : 0;
  const templates = createTemplates(Math.max(options.redshift.max, farthest), { ...options.physics, stars, to });
  const selection = createSelection(passbands[selectionBand], templates, options);
  const photometer = createPhotometer(passbands, templates, reaches);
  const { bright, faint } = options.selection;
  const limits = { bright, faint, band: selectionBand, pivot: passbands[selectionBand].pivot, ...photometer };
  return {
    survey,
    options,
    templates,
    photometer,
    observer: createObserver(survey, passbands, options),
    takers,
    selection,
    selectionBand,
    mixture: options.population === "wide" ? createMixture(selectedParts(selection, options)) : undefined,
    pointSources: {
      ...(star > 0 ? { star: createStars(limits, libraries.stars) } : {}),
      ...(quasar > 0 ? { quasar: createQuasars(limits) } : {}),
    },
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

/** An object before it is observed. */
interface Parent {
  readonly kind: Kind;
  /** Noise-free total fluxes, behind the Milky Way's dust. [nBand] */
  readonly fluxes: Float64Array;
  /** Noise-free spectra of the survey's fields. [nSpectrum][pixels] */
  readonly spectra: readonly Float32Array[];
  /** In the order of `LABELS`; NaN where the kind has none. */
  readonly labels: readonly number[];
  /** Nature's density over that of what it was drawn from; undefined where all is nature's. */
  readonly weight?: number | undefined;
}

function labelsOf(galaxy: Galaxy, mix: StellarMix, av: number, widths: readonly number[]): number[] {
  const logRate = Math.log10(Math.max(mix.rate, 10 ** (galaxy.logMass + LEAST_SPECIFIC_RATE)));
  return [galaxy.redshift, galaxy.logMass, mix.logZ, av, mix.age, logRate, ...widths];
}

type Work = ReturnType<typeof createSpectrum>;

/** A galaxy, rendered: fluxes and rest-frame equivalent widths. */
function renderGalaxy(
  { photometer, templates }: Simulation,
  work: Work,
  galaxy: Galaxy,
  mix: StellarMix,
): { readonly fluxes: Float64Array; readonly widths: number[] } {
  const [from, to] = photometer.extent(galaxy.redshift);
  synthesise(work, templates, galaxy, mix, from, to);
  const widths = equivalentWidths(work);
  return { fluxes: photometer.fluxes(work, galaxy.redshift), widths };
}

/** Draws one galaxy within the magnitude limits: quick magnitudes first, then the exact one. */
function drawGalaxyParent(simulation: Simulation, work: Work, rng: Rng): Parent {
  const { mixture, options, selection } = simulation;
  const { faint, bright } = options.selection;
  const range = [options.redshift.min, options.redshift.max] as const;
  const { pivot } = simulation.observer.bands[simulation.selectionBand];
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
    const quick = selection.magnitude(redshift, mix, galaxy);
    if (quick > faint + 0.2 || quick < bright - 0.5) continue;
    const { fluxes, widths } = renderGalaxy(simulation, work, galaxy, mix);
    const magnitude = magnitudeOfFlux(fluxes[simulation.selectionBand] * FLUX_UNIT, pivot);
    if (magnitude > faint || magnitude < bright) continue;
    const labels = labelsOf(galaxy, mix, work.av, widths);
    const spectra = simulation.takers.map(({ renderer }) => renderer.galaxy(work, redshift));
    const weight = draws.wide === undefined ? undefined : mixture?.weight(draws.wide);
    return { kind: "galaxy", fluxes, spectra, labels, weight };
  }
  throw new UserError(
    `simulate: no galaxy in ${MOST_ATTEMPTS} draws has ${bright} < ${options.selection.band} < ${faint} at z ${range.join(" - ")}`,
  );
}

/** Draws one star or quasar: of its labels only a quasar's redshift is told. */
function drawPointSource(simulation: Simulation, work: Work, kind: Kind, from: PointSources, rng: Rng): Parent {
  const { options, photometer, takers } = simulation;
  const { fluxes, spectra, redshift } = from.draw(rng, {
    direct: photometer.direct,
    spectra: (spectrum) => takers.map(({ renderer }) => renderer.direct(spectrum)),
    galaxy(z, logMass) {
      const drawn = drawGalaxy(rng, z, logMass, options.physics);
      const host = { ...drawn, gas: { ...drawn.gas, nucleus: undefined } };
      const { fluxes: ofHost } = renderGalaxy(simulation, work, host, mixOf(host));
      return { fluxes: ofHost, spectra: () => takers.map(({ renderer }) => renderer.galaxy(work, z)) };
    },
  });
  const labels = LABELS.map((name) => (name === "z" ? (redshift ?? Number.NaN) : Number.NaN));
  return { kind, fluxes, spectra, labels };
}

function drawOfKind(simulation: Simulation, work: Work, kind: Kind, rng: Rng): Parent {
  const from = kind === "galaxy" ? undefined : simulation.pointSources[kind];
  return from === undefined
    ? drawGalaxyParent(simulation, work, rng)
    : drawPointSource(simulation, work, kind, from, rng);
}

function drawParent(simulation: Simulation, work: Work, rng: Rng): Parent {
  const { kinds, population } = simulation.options;
  if (kinds === undefined) return drawGalaxyParent(simulation, work, rng);
  if (population === "natural") return drawOfKind(simulation, work, drawKind(rng, kinds), rng);
  const { kind, weight } = drawWideKind(rng, kinds);
  const parent = drawOfKind(simulation, work, kind, rng);
  return { ...parent, weight: weight * (parent.weight ?? 1) };
}

/** Rows of one object: as many as noise is drawn, or the one without. */
function rowsOf({ observer, options, takers }: Simulation, parent: Parent, parentId: string): Row[] {
  const { fluxes, labels, spectra, weight } = parent;
  // a network that only ever saw galaxies must not claim to know that all are
  const category = options.kinds === undefined ? "" : parent.kind;
  const clean = options.fluxes === "observed" ? {} : { clean: fluxes, cleanSpectra: spectra };
  const known = { parentId, labels, category, weight, ...clean };
  if (options.fluxes === "clean") return [{ objectId: `${parentId}-0`, ...known }];
  // a stream of its own: the same galaxies however they are observed
  const noise = createRng(`${parentId}:noise`);
  const pointing = choosePointing(observer, noise);
  const [redshift, logMass] = labels;
  const row = objectOf(parent.kind, fluxes, { redshift, logMass, logSfr: labels[LABELS.indexOf("LOGSFR")] });
  return Array.from({ length: options.draws }, (_, draw) => {
    const observation = observe(observer, row, noise, pointing);
    const taken = takers.map((taker, s) => {
      const pair = emptyPair(taker);
      takeSpectrum(taker, spectra[s], row, observation.ebv, options, noise, pair);
      return pair;
    });
    return { objectId: `${parentId}-${draw}`, observation, spectra: taken, ...known };
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
