import type { Argv, Options } from "yargs";
import type { SimulationInput } from "../simulate/options.ts";

/** Places in the options of a simulation: `n`, `selection.faint`, ... */
type PathOf<T> = {
  [K in keyof T & string]: NonNullable<T[K]> extends readonly unknown[]
    ? K
    : NonNullable<T[K]> extends object
      ? `${K}.${PathOf<NonNullable<T[K]>>}`
      : K;
}[keyof T & string];

/** An option of the command line: how yargs shows it, and where its value goes. */
interface Flag extends Options {
  readonly to: PathOf<SimulationInput>;
}

export const SAMPLE = "What is simulated:";
const INSTRUMENT = "How it is observed:";

/** Every simulation option that the command line has; adding one is one row. */
const flags: Readonly<Record<string, Flag>> = {
  n: { to: "n", group: SAMPLE, type: "number", default: 20_000, describe: "number of galaxies" },
  faint: {
    to: "selection.faint",
    group: SAMPLE,
    type: "number",
    default: 22.5,
    describe: "magnitude limit, r band [AB mag]",
  },
  "median-z": {
    to: "redshift.median",
    group: SAMPLE,
    type: "number",
    describe: "n(z) with this median; default: volume and magnitude limit",
  },
  seed: { to: "seed", group: SAMPLE, type: "string", default: "1", describe: "the same seed gives the same table" },
  ssp: {
    to: "ssp",
    group: SAMPLE,
    type: "string",
    array: true,
    describe: "stellar populations in place of the built-in ones: MILES, E-MILES or GALAXEV files, or folders",
  },
  ebv: {
    to: "foreground.ebv",
    group: SAMPLE,
    type: "number",
    default: 0.02,
    describe: "Milky Way E(B-V) in front of the galaxies, median; the table is not corrected for it",
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
    describe: "multiplies the survey's noise",
  },
  aperture: {
    to: "aperture.diameter",
    group: INSTRUMENT,
    type: "number",
    describe: "fluxes within this aperture [arcsec]; default: total fluxes. Labels are total either way",
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
    group: INSTRUMENT,
    type: "string",
    describe: "observed spectra: scale them to the total flux in this band, of --labels or of their own imaging",
  },
  "move-redshift": {
    to: "observed.moveRedshift",
    group: INSTRUMENT,
    type: "number",
    nargs: 2,
    array: true,
    describe: "observed spectra: move every draw to a redshift between these two",
  },
  "zero-point-scale": {
    to: "zeroPointScale",
    group: INSTRUMENT,
    type: "number",
    default: 1,
    describe: "multiplies the survey's zero-point errors",
  },
  "offset-rms": {
    to: "offsets.rms",
    group: INSTRUMENT,
    type: "number",
    describe: "shift every band's zero-point by a fixed random amount [mag rms]",
  },
  workers: { to: "workers", type: "number", default: 2, describe: "threads; the result doesn't depend on it" },
};

export function simulationFlags(yargs: Argv): Argv {
  return yargs.options(flags);
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
  // another seed, other offsets
  if (input.offsets !== undefined) Object.assign(input.offsets as object, { seed: `${String(input.seed)}:offsets` });
  return input;
}
