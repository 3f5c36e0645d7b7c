import { UserError } from "../errors.ts";
import { luminosityArea } from "./cosmology.ts";
import { kriekConroy } from "./dust.ts";
import { LOG_STEP } from "./grid.ts";
import type { SimulationOptions } from "./options.ts";
import { magnitudeOfFlux, type Passband } from "./passband.ts";
import { createProposal, type Galaxy, type Proposal } from "./population.ts";
import { N_AGE } from "./sfh.ts";
import type { StellarMix, Templates } from "./synthesis.ts";

type Stars = Pick<StellarMix, "formed" | "nodes" | "fractions">;
type Dust = Pick<Galaxy, "avStars" | "attenuation">;

const NO_DUST: Dust = { avStars: 0, attenuation: { slope: 0, bump: 0 } };

/** (z, mass) from volume x mass function, where the magnitude limit can be reached. */
export interface Selection extends Omit<Proposal, "isEmpty"> {
  /** AB magnitude of the attenuated stars in the selection band, to about 0.05 mag, without building a spectrum. */
  magnitude(z: number, stars: Stars, dust: Dust): number;
}

const STEP = 0.02;

/** Mean luminosity per observed wavelength of each template in the band, at z = i STEP. [nZ][nMetallicity * nAge] */
function tabulate(band: Passband, templates: Templates, max: number): Float64Array[] {
  const spectra = templates.spectra.flat();
  const { first, weights } = band;
  return Array.from({ length: Math.ceil(max / STEP) + 2 }, (_, i) => {
    const shift = Math.round(Math.log1p(i * STEP) / LOG_STEP);
    const means = new Float64Array(spectra.length);
    spectra.forEach((spectrum, t) => {
      const from = Math.max(0, shift - first);
      const to = Math.min(weights.length, spectrum.length + shift - first);
      let sum = 0;
      for (let j = from; j < to; j++) sum += weights[j] * spectrum[j + first - shift];
      means[t] = sum / (1 + i * STEP);
    });
    return means;
  });
}

/** Mass fractions of the brightest plausible galaxy: constant star formation for the last Gyr, no dust, low metallicity. */
function brightest(): Stars {
  const formed = new Float64Array(N_AGE);
  const recent = [0.004, 0.006, 0.01, 0.02, 0.06, 0.1, 0.1, 0.15, 0.2, 0.25];
  recent.forEach((mass, i) => (formed[i] = mass / 0.7 / 0.9));
  return { formed, nodes: new Uint8Array(N_AGE).fill(2), fractions: new Float64Array(N_AGE) };
}

/** Magnitudes and proposal of a flux-limited sample in one band. @throws UserError for limits no galaxy can meet. */
export function createSelection(band: Passband, templates: Templates, options: SimulationOptions): Selection {
  const { min, max } = options.redshift;
  const table = tabulate(band, templates, max);
  const magnitude = (z: number, { formed, nodes, fractions }: Stars, { avStars, attenuation }: Dust): number => {
    const i = Math.floor(z / STEP);
    const f = z / STEP - i;
    let luminosity = 0;
    for (let a = 0; a < N_AGE; a++) {
      if (formed[a] === 0) continue;
      const at = (row: Float64Array): number =>
        (1 - fractions[a]) * row[nodes[a] * N_AGE + a] + fractions[a] * row[(nodes[a] + 1) * N_AGE + a];
      luminosity += formed[a] * ((1 - f) * at(table[i]) + f * at(table[i + 1]));
    }
    const kept = 10 ** (-0.4 * avStars * kriekConroy(band.pivot / (1 + z), attenuation));
    return magnitudeOfFlux((luminosity * kept) / luminosityArea(z), band.pivot);
  };
  const young = brightest();
  const proposal = createProposal([min, max], options.selection, (z) => magnitude(z, young, NO_DUST));
  if (proposal.isEmpty) {
    throw new UserError(
      `simulate: no galaxy can be brighter than ${options.selection.band} ${options.selection.faint} at z ${min} - ${max}`,
    );
  }
  return { ...proposal, magnitude };
}
