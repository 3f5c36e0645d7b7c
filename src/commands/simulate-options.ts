import type { Argv, Options } from "yargs";
import { UserError } from "../errors.ts";
import { parseKinds } from "../simulate/kinds.ts";
import type { LabelTable } from "../simulate/joined.ts";
import type { SimulationInput } from "../simulate/options.ts";
import { loadSurvey } from "../survey/survey.ts";
import { type ReadArguments, readOptionsOf } from "./shared.ts";

/** Places in the options of a simulation: `n`, `selection.faint`, ... */
type PathOf<T> = {
  [K in keyof T & string]: NonNullable<T[K]> extends readonly unknown[]
    ? K
    : NonNullable<T[K]> extends object
      ? K | `${K}.${PathOf<NonNullable<T[K]>>}`
      : K;
}[keyof T & string];

/** An option of the command line: how yargs shows it, and where its value goes. */
interface Flag extends Options {
  readonly to: PathOf<SimulationInput>;
}

const SAMPLE = "What is simulated:";
const SPECTRA = "Observed spectra instead of models:";
const INSTRUMENT = "How it is observed:";

/** Every simulation option that the command line has; adding one is one row. */
const flags: Readonly<Record<string, Flag>> = {
  n: { to: "n", group: SAMPLE, type: "number", default: 20_000, describe: "number of galaxies" },
  band: {
    to: "selection.band",
    group: SAMPLE,
    type: "string",
    describe: "band of the magnitude limits, as the survey file calls it; default: its sample's, else rSDSS",
  },
  faint: {
    to: "selection.faint",
    group: SAMPLE,
    type: "number",
    describe: "faintest magnitude without noise; default: 22.5 [AB mag]",
  },
  bright: { to: "selection.bright", group: SAMPLE, type: "number", describe: "brightest one; default: 14 [AB mag]" },
  "min-z": { to: "redshift.min", group: SAMPLE, type: "number", describe: "lowest redshift; default: 0.005" },
  "max-z": { to: "redshift.max", group: SAMPLE, type: "number", describe: "highest redshift, up to 3.5; default: 1.2" },
  kinds: {
    to: "kinds",
    group: SAMPLE,
    type: "string",
    describe: "shares of galaxies, stars and quasars, e.g. galaxy=1,star=0.3,quasar=0.05; default: galaxies alone",
  },
  "median-z": {
    to: "redshift.median",
    group: SAMPLE,
    type: "number",
    describe: "n(z) with this median; default: volume and magnitude limit",
  },
  population: {
    to: "population",
    group: SAMPLE,
    choices: ["natural", "wide"],
    default: "natural",
    describe: "wide: near flat in redshift, mass, star formation, dust, metals and kinds; prior_weight is the way back",
  },
  seed: { to: "seed", group: SAMPLE, type: "string", default: "1", describe: "the same seed gives the same table" },
  ssp: {
    to: "ssp",
    group: SAMPLE,
    type: "string",
    array: true,
    describe: "stellar populations in place of the built-in ones: MILES, E-MILES or GALAXEV files, or folders",
  },
  stars: {
    to: "stars",
    group: SAMPLE,
    type: "string",
    array: true,
    describe: "SDSS or DESI spectra of real stars, or folders of them, for the stars of --kinds; default: built in",
  },
  ebv: {
    to: "foreground.ebv",
    group: SAMPLE,
    type: "number",
    default: 0.02,
    describe: "Milky Way E(B-V) in front of the galaxies, median",
  },
  "ebv-range": {
    to: "foreground.range",
    group: SAMPLE,
    type: "number",
    nargs: 2,
    array: true,
    describe: "E(B-V) uniform between these two instead, e.g. 0 0.3",
  },
  "correct-extinction": {
    to: "foreground.correct",
    group: SAMPLE,
    type: "boolean",
    default: false,
    describe: "correct the fluxes for it with a dust map that errs by 10 %",
  },
  fluxes: {
    to: "fluxes",
    group: INSTRUMENT,
    choices: ["observed", "clean", "both"],
    default: "observed",
    describe: "with noise and errors, or total fluxes without noise (true_<BAND>), or both",
  },
  draws: { to: "draws", group: INSTRUMENT, type: "number", default: 1, describe: "noise realisations per galaxy" },
  filters: {
    to: "filters",
    group: INSTRUMENT,
    type: "string",
    describe: "folder of transmission curves (two columns: Angstrom, transmission)",
  },
  "noise-scale": {
    to: "noiseScale",
    group: INSTRUMENT,
    type: "number",
    default: 1,
    describe: "multiplies the noise; 0: none, and errors of 0 (tables to train from: --fluxes clean)",
  },
  systematics: {
    to: "systematics",
    group: INSTRUMENT,
    type: "number",
    default: 1,
    describe:
      "multiplies what <BAND>_err doesn't know of: floor, calibration, zero-points, sky, drift; 0: none, nor outliers and blends",
  },
  "model-error": {
    to: "modelError.smooth",
    group: SAMPLE,
    type: "number",
    default: 0.015,
    describe: "how much real spectra differ from simulated ones, smoothly; in fluxes, not in their errors",
  },
  aperture: {
    to: "aperture.diameter",
    group: INSTRUMENT,
    type: "number",
    describe: "fluxes within this aperture [arcsec]; default: total fluxes. Labels are total either way",
  },
  seeing: {
    to: "aperture.seeing",
    group: INSTRUMENT,
    choices: ["matched", "own"],
    describe: "with --aperture: all bands lose light as at the tile's median seeing (default), or each at its own",
  },
  "missing-fraction": {
    to: "missingFraction",
    group: INSTRUMENT,
    type: "number",
    default: 0.01,
    describe: "bands lost to tile edges, bright stars, neighbours and artefacts",
  },
  "uv-coverage": {
    to: "uvCoverage",
    group: INSTRUMENT,
    type: "number",
    describe: "part of the galaxies in the layers of a space survey; default: the survey file's",
  },
  "non-detections": {
    to: "nonDetections",
    group: INSTRUMENT,
    choices: ["forced", "limit", "missing"],
    default: "forced",
    describe: "what becomes of fluxes below an instrument's detection limit",
  },
  rescale: {
    to: "observed.rescale",
    group: SPECTRA,
    type: "string",
    array: true,
    describe: "scale them to the total fluxes in these bands, of --labels or of their own imaging",
  },
  "require-redshift": {
    to: "observed.requireRedshift",
    group: SPECTRA,
    type: "boolean",
    default: true,
    describe: "leave out those without a trusted redshift; --no-require-redshift: keep them",
  },
  "move-redshift": {
    to: "observed.moveRedshift",
    group: SPECTRA,
    type: "number",
    nargs: 2,
    array: true,
    describe: "move every draw to a redshift between these two",
  },
  "zero-point-scale": {
    to: "zeroPointScale",
    group: INSTRUMENT,
    type: "number",
    default: 1,
    describe: "multiplies the survey's zero-point errors",
  },
  pointings: {
    to: "pointings",
    group: INSTRUMENT,
    type: "number",
    describe: "so many share their zero-points and Milky Way dust; default: every row has its own",
  },
  "offset-rms": {
    to: "offsets.rms",
    group: INSTRUMENT,
    type: "number",
    describe: "shift every band's zero-point by a fixed random amount [mag rms]",
  },
  workers: { to: "workers", type: "number", default: 2, describe: "threads; the result doesn't depend on it" },
};

/** What else tells a simulation where galaxies come from. */
const sources: Readonly<Record<string, Options>> = {
  survey: {
    group: SAMPLE,
    type: "string",
    default: "minijpas",
    describe: "survey file: a name of `caleido datasets`, or a path",
  },
  spectra: {
    group: SPECTRA,
    type: "string",
    array: true,
    describe:
      "SDSS spec-*.fits, DESI coadd-*.fits (redrock beside), folders of them; FITS tables with a spectrum in each row",
  },
  labels: {
    group: SPECTRA,
    type: "string",
    array: true,
    describe: "catalogues joined to the spectra by id: labels, fluxes of other bands (GALEX)",
  },
  "labels-survey": {
    group: SPECTRA,
    type: "string",
    array: true,
    describe: "survey file that reads them (sdss-spectra, desi, gswlc): one for all, or one each",
  },
};

/** What {@link sources} give, as the verb sees it. */
export interface SourceArguments extends ReadArguments {
  readonly survey: string;
  readonly spectra: readonly string[] | undefined;
  readonly labels: readonly string[] | undefined;
  readonly labelsSurvey: readonly string[] | undefined;
}

export function simulationFlags(yargs: Argv): Argv {
  const { survey, ...spectra } = sources;
  return yargs.options({ survey, ...spectra, ...flags });
}

/** Options of the sample that observed spectra heed too. */
const ANY_SOURCE: readonly string[] = ["band", "seed"];

/** @throws UserError for an option that the source of the galaxies would not heed. */
function checkSource(args: SourceArguments & Readonly<Record<string, unknown>>): void {
  const isObserved = args.spectra !== undefined;
  const idle = Object.entries(flags).find(
    ([name, { group, default: normal }]) =>
      group === (isObserved ? SAMPLE : SPECTRA) && !ANY_SOURCE.includes(name) && args[name] !== normal,
  );
  if (idle === undefined) return;
  throw new UserError(
    isObserved
      ? `--${idle[0]}: of simulated galaxies, expected without --spectra`
      : `--${idle[0]}: of observed spectra, expected --spectra with it`,
  );
}

/** Observed spectra and the tables of labels with the surveys that read them; nothing where models are simulated. */
export function observedSpectra(args: SourceArguments & Readonly<Record<string, unknown>>): {
  spectra?: readonly string[];
  labels?: LabelTable[];
} {
  const { labels = [], labelsSurvey = [], spectra, survey } = args;
  checkSource(args);
  if (spectra === undefined) {
    if (labels.length === 0) return {};
    throw new UserError("--labels: joined to observed spectra, expected --spectra with it");
  }
  if (labelsSurvey.length > 1 && labelsSurvey.length !== labels.length) {
    throw new UserError(
      `--labels-survey: ${labelsSurvey.length} surveys for ${labels.length} tables of labels, expected one, or one each`,
    );
  }
  const reading = readOptionsOf(args);
  const surveyOf = (i: number) => loadSurvey(labelsSurvey[i] ?? labelsSurvey[0] ?? survey);
  return { spectra, labels: labels.map((path, i) => ({ path, survey: surveyOf(i), reading })) };
}

/** The flag that sets an option, for messages: `selection.faint` -> `--faint`. Options without a flag keep their name. */
export function flagOf(path: string): string {
  const found = Object.entries(flags).find(([, { to }]) => to === path);
  return found === undefined ? `option ${path}` : `--${found[0]}`;
}

/** The options of a simulation that a command line gives. */
export function simulationInput(args: Readonly<Record<string, unknown>>): SimulationInput {
  const input: Record<string, unknown> = {};
  for (const [name, { to }] of Object.entries(flags)) {
    if (args[name] === undefined) continue;
    const [key, inner] = to.split(".");
    if (inner === undefined) input[key] = args[name];
    else input[key] = { ...(input[key] as object | undefined), [inner]: args[name] };
  }
  if (typeof input.kinds === "string") input.kinds = parseKinds(input.kinds);
  // another seed, other offsets
  if (input.offsets !== undefined) Object.assign(input.offsets as object, { seed: `${String(input.seed)}:offsets` });
  return input;
}
