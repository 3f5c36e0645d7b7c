import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Rng } from "../../src/random.ts";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { luminosityDistance } from "../../src/simulate/cosmology.ts";
import { simulationOptions } from "../../src/simulate/options.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { at } from "./data.ts";
import { fastSpecFitFactor } from "./fastspecfit.ts";

const lineNames = {
  HALPHA_EW: "HALPHA",
  HBETA_EW: "HBETA",
  OIII5007_EW: "OIII_5007",
  NII6584_EW: "NII_6584",
  OII3727_EW: "OII_DOUBLET",
} as const;
export type Label = keyof typeof lineNames;
export const LABEL_NAMES = Object.keys(lineNames) as Label[];

export interface Sample {
  readonly z: number[];
  /** log10 of the continuum at 6000 - 6300 A rest, f (1 + z) d_L^2 [1e-17 erg/s/cm2/A Mpc2]. */
  readonly luminosity: number[];
  readonly widths: Record<Label, number[]>;
}

/** A part of the table, no row in two of them: what the population was tuned on, and what it never saw. */
const parts = { tuned: 0, heldOut: 7 } as const;

/** DESI BGS, a ninth of it; `errors` are 1 sigma, NaN where the line is not listed. */
export function readDesi(part: keyof typeof parts): Sample & { readonly errors: Record<Label, number[]> } {
  const lines = gunzipSync(readFileSync(at("desi-bgs-ew/desi_bgs_ew_testset.csv.gz")))
    .toString()
    .split("\n");
  const header = lines[0].trim().split(",");
  const rows = lines
    .slice(1)
    .filter((line, i) => line !== "" && i % 9 === parts[part])
    .map((line) => line.trim().split(","))
    .filter((row) => Number(row[1]) > 0.065 && Number(row[1]) < 0.295);
  const column = (name: string): number[] =>
    rows.map((row) => (row[header.indexOf(name)] ? Number(row[header.indexOf(name)]) : Number.NaN));
  const each = (of: (line: string) => number[]): Record<Label, number[]> =>
    Object.fromEntries(LABEL_NAMES.map((label) => [label, of(lineNames[label])])) as Record<Label, number[]>;
  return {
    z: column("z"),
    luminosity: column("cont_lum"),
    widths: each((line) => column(`${line}_ew`)),
    errors: each((line) => column(`${line}_ew_ivar`).map((ivar) => ivar ** -0.5)),
  };
}

/** A flux-limited simulation without noise; its continuum comes from the narrow bands around 6150 A rest. */
export function simulateSample(): Sample {
  const survey = loadSurvey("minijpas");
  const options = simulationOptions.parse({
    selection: { faint: 20.3 },
    redshift: { min: 0.06, max: 0.3 },
    fluxes: "clean",
  });
  const simulation = createSimulation(survey, options);
  const tables = Array.from({ length: 40 }, (_, block) => simulateBlock(simulation, block));
  const column = (name: string): number[] =>
    tables.flatMap((table) => Array.from(table.columns.find((one) => one.name === name)?.data as Float32Array));
  const bands = simulation.observer.bands.filter(({ band }) => band.group === "narrow");
  const fluxes = bands.map(({ name }) => column(`true_${name}`));
  const z = column("z");
  const luminosity = z.map((redshift, i) => {
    const wanted = 6150 * (1 + redshift);
    const j = bands.findIndex(({ pivot }) => pivot > wanted);
    const f = (wanted - bands[j - 1].pivot) / (bands[j].pivot - bands[j - 1].pivot);
    const flux = ((1 - f) * fluxes[j - 1][i] + f * fluxes[j][i]) / 100;
    return Math.log10(flux * (1 + redshift) * luminosityDistance(redshift) ** 2);
  });
  const widths = Object.fromEntries(LABEL_NAMES.map((name) => [name, column(name)])) as Sample["widths"];
  return { z, luminosity, widths };
}

/**
 * log10 of all light over what a DESI fibre (1.5 arcsec) holds: the difference of the medians of the two flux-limited
 * samples, 0.40 at z 0.07 and 0.22 at 0.28. Luminosities of the table are fibre luminosities.
 */
export const fibreLoss = (z: number): number => 0.46 - 0.85 * z;

/** For each galaxy of `target` one of the eight of `from` that are nearest in redshift and luminosity. */
export function matchTo(target: Sample, from: Sample, rng: Rng): number[] {
  return target.z.map((z, i) => {
    const luminosity = target.luminosity[i] + fibreLoss(z);
    const near: [number, number][] = [];
    for (let j = 0; j < from.z.length; j++) {
      const distance = ((from.z[j] - z) / 0.03) ** 2 + ((from.luminosity[j] - luminosity) / 0.12) ** 2;
      if (near.length < 8) near.push([distance, j]);
      else {
        let worst = 0;
        for (let k = 1; k < 8; k++) if (near[k][0] > near[worst][0]) worst = k;
        if (distance < near[worst][0]) near[worst] = [distance, j];
      }
    }
    return near[rng.integer(near.length)][1];
  });
}

/** Errors of DESI galaxies with about the same width, and for Balmer lines those of the absorption beneath them [Angstrom]. */
function createErrors(widths: readonly number[], errors: readonly number[], absorption: number) {
  const measured = widths.flatMap((width, i) => (width > 0 && errors[i] > 0 ? [[width, errors[i]] as const] : []));
  measured.sort((a, b) => a[0] - b[0]);
  return (truth: number, rng: Rng): number => {
    let [low, high] = [0, measured.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (measured[middle][0] < truth) low = middle + 1;
      else high = middle;
    }
    const near = Math.max(0, Math.min(measured.length - 1, low + rng.integer(61) - 30));
    return Math.hypot(measured[near][1], absorption);
  };
}

/** Simulated galaxies for those of DESI, with errors as DESI's: value and 1 sigma of each width. */
export function observeAsDesi(
  desi: ReturnType<typeof readDesi>,
  simulation: Sample,
  matched: readonly number[],
  rng: Rng,
): Record<Label, { value: number; error: number }[]> {
  return Object.fromEntries(
    LABEL_NAMES.map((label) => {
      const errorOf = createErrors(desi.widths[label], desi.errors[label], label.startsWith("H") ? 0.4 : 0);
      const values = matched.map((j) => {
        const truth = simulation.widths[label][j] * fastSpecFitFactor[label];
        const error = errorOf(truth, rng);
        return { value: truth + error * rng.normal(), error };
      });
      return [label, values];
    }),
  ) as Record<Label, { value: number; error: number }[]>;
}
