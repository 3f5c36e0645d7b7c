import { z } from "zod";
import { UserError } from "../errors.ts";
import type { Survey } from "../survey/survey.ts";
import { kindShares } from "./kinds.ts";

/** What a simulation run can be told; the recipe section `simulate` and the command line compose it. */
export const simulationOptions = z.strictObject({
  seed: z.union([z.string(), z.number()]).default("caleido").describe("seed of every random draw"),
  n: z.int().positive().default(20_000).describe("number of galaxies (parents)"),
  fluxes: z
    .enum(["observed", "clean", "both"])
    .default("observed")
    .describe("with noise (<BAND>, <BAND>_err), or total fluxes without noise and Milky Way dust (true_<BAND>)"),
  draws: z.int().positive().default(1).describe("noise realisations per galaxy; each is a row"),
  population: z
    .enum(["natural", "wide"])
    .default("natural")
    .describe(
      "as many of each kind as the sky has, or near flat in redshift, mass, star formation, dust, metals and kinds, with prior_weight back",
    ),
  workers: z
    .int()
    .nonnegative()
    .default(2)
    .describe("worker threads; 0 = in this one. The result does not depend on it"),
  filters: z.string().optional().describe("folder of two-column transmission curves; parametric passbands without it"),
  filterPrefix: z.string().default("").describe("start of the file names to prefer in that folder, e.g. OAJ_JPAS"),
  selection: z
    .strictObject({
      band: z.string().default("rSDSS").describe("band of the magnitude limit; must be in the survey"),
      faint: z.number().default(22.5).describe("faintest noise-free AB magnitude"),
      bright: z.number().default(14).describe("brightest noise-free AB magnitude"),
    })
    .prefault({}),
  redshift: z
    .strictObject({
      min: z.number().positive().default(0.005),
      max: z.number().positive().max(3.5).default(1.2),
      median: z
        .number()
        .positive()
        .optional()
        .describe("n(z) proportional to z^2 exp(-(z/z0)^1.5) with this median; without it, volume and magnitude limit"),
    })
    .prefault({}),
  kinds: kindShares.optional().describe("kinds of object, relative numbers; galaxies alone without it"),
  ssp: z
    .array(z.string())
    .min(1)
    .optional()
    .describe("stellar population spectra, or folders of them, in place of the built-in continuum"),
  stars: z
    .array(z.string())
    .min(1)
    .optional()
    .describe("spectra of real stars, or folders of them, in place of the built-in ones; needs stars among `kinds`"),
  physics: z
    .strictObject({
      attenuation: z
        .enum(["kriek-conroy", "calzetti"])
        .default("kriek-conroy")
        .describe("one curve for all galaxies, or a slope and a 2175 A bump for each"),
      enrichment: z
        .number()
        .min(0)
        .max(0.95)
        .default(0.6)
        .describe(
          "metallicity of the first and last stars, as a fraction below and above the mean; 0 = the same for all",
        ),
      nebularContinuum: z.boolean().default(true).describe("continuum of the ionised gas beside its lines"),
      velocityDispersion: z.boolean().default(true).describe("stars and lines broadened with the galaxy's mass"),
    })
    .prefault({}),
  foreground: z
    .strictObject({
      ebv: z
        .number()
        .nonnegative()
        .max(2)
        .default(0.02)
        .describe("median Milky Way E(B-V) over the pointings [mag]; 0 = none"),
      scatter: z
        .number()
        .nonnegative()
        .default(0.15)
        .describe("1 sigma of log10 E(B-V) from pointing to pointing [dex]"),
      range: z
        .tuple([z.number().nonnegative(), z.number().positive().max(2)])
        .refine(([low, high]) => low < high, "expected a range, low before high")
        .optional()
        .describe("E(B-V) uniform between these two instead, for networks that are to be asked about any field [mag]"),
      correct: z.boolean().default(false).describe("correct the fluxes for it, as a catalogue does with a dust map"),
      mapError: z.number().nonnegative().default(0.1).describe("relative 1 sigma error of the map that corrects"),
    })
    .prefault({})
    .describe("Milky Way extinction; the tables carry it unless it is corrected"),
  noiseScale: z
    .number()
    .nonnegative()
    .default(1)
    .describe(
      "multiplies the noise of every band: photons of sky and source, floor, sky residual; 0 = none, errors too",
    ),
  depthScatter: z
    .number()
    .nonnegative()
    .default(0.064)
    .describe(
      "relative 1 sigma of the sky's noise from place to place within a tile, known to <BAND>_err (NOISE_RMS / NOISE of minijpas.TileImage)",
    ),
  systematics: z
    .number()
    .nonnegative()
    .default(1)
    .describe(
      "multiplies all errors that <BAND>_err does not know of: floor, calibration, zero-points, sky residual, drift, model error; 0 = none, and no outliers and blends either",
    ),
  zeroPointScale: z
    .number()
    .nonnegative()
    .default(1)
    .describe("multiplies the survey's zero-point errors and the smooth calibration error; 0 = none"),
  pointings: z
    .int()
    .positive()
    .optional()
    .describe("so many pointings share zero-points, layers and Milky Way dust; without it every row has its own"),
  offsets: z
    .strictObject({
      rms: z.number().nonnegative().describe("one fixed zero-point offset per band, 1 sigma [mag]"),
      seed: z.union([z.string(), z.number()]).default("offsets"),
    })
    .optional()
    .describe("a survey whose zero-points are shifted band by band"),
  calibrationFloor: z
    .number()
    .nonnegative()
    .default(0.01)
    .describe("relative 1 sigma error of every flux, independent from band to band; not in <BAND>_err"),
  skyError: z
    .number()
    .nonnegative()
    .default(0.3)
    .describe(
      "error of the subtracted sky, over the sky's noise, half of its variance the same in all bands; not in <BAND>_err",
    ),
  outliers: z
    .number()
    .min(0)
    .max(1)
    .default(0.001)
    .describe(
      "part of the fluxes with a cosmic ray, a ghost or a bad pixel that nobody flagged: 5 - 50 sigma of the sky",
    ),
  blends: z
    .strictObject({
      share: z
        .number()
        .min(0)
        .max(1)
        .default(0.02)
        .describe("part of the objects with a neighbour's or a star's light in all bands, unflagged"),
      brightest: z
        .number()
        .min(0.01)
        .max(100)
        .default(0.3)
        .describe("most of that light over the object's own, in the brightest band; the least is 0.01"),
    })
    .prefault({})
    .describe("black bodies of 3,000 - 12,000 K; flagged blends are `missing.neighbour`"),
  drift: z
    .number()
    .nonnegative()
    .default(5e-4)
    .describe("relative 1 sigma of an interference filter's wavelength over the field, half of its variance common"),
  modelError: z
    .strictObject({
      smooth: z
        .number()
        .nonnegative()
        .default(0.015)
        .describe(
          "size of smooth distortions of the spectrum, 1 sigma over the galaxies, correlated over 100 - 2,000 A rest frame; real spectra differ by 0.02 - 0.04 from their best match, calibration and the gaps between matches included",
        ),
      scatter: z.number().nonnegative().default(0).describe("relative 1 sigma of each band by itself"),
    })
    .prefault({})
    .describe("what real galaxies differ by from simulated ones; not in <BAND>_err, nor in fluxes without noise"),
  spectrum: z
    .strictObject({
      calibration: z
        .number()
        .nonnegative()
        .default(0.03)
        .describe("relative 1 sigma error of the flux calibration, half of its variance the same along an arm"),
      skyResidual: z
        .number()
        .nonnegative()
        .default(0.005)
        .describe("1 sigma of what is left of the sky's lines, over the lines, half of its variance common to all"),
      wavelengthShift: z
        .number()
        .nonnegative()
        .default(0.01)
        .describe("1 sigma of the shift of the sky that is subtracted [pixels]: leaves a dip beside a bump"),
      telluricResidual: z
        .number()
        .nonnegative()
        .default(0.05)
        .describe("1 sigma of the optical depth that the correction for the air's absorption errs by, over the depth"),
      masked: z.number().min(0).max(0.9).default(0.004).describe("rate of defects known as such: 1 - 3 pixels each"),
      outliers: z
        .number()
        .min(0)
        .max(1)
        .default(0.0002)
        .describe("part of the pixels with a cosmic ray that nobody flagged: 5 - 50 sigma"),
    })
    .prefault({})
    .describe(
      "what spectra err by beside noise, and masked pixels; their inverse variance knows of the sky's residuals alone",
    ),
  calibration: z
    .strictObject({
      smooth: z
        .number()
        .nonnegative()
        .default(0.01)
        .describe(
          "error of each object's spectral shape (flat field, background), 1 sigma per band [mag]; not in <BAND>_err",
        ),
      length: z.number().positive().default(500).describe("distance over which it is alike [Angstrom]"),
    })
    .prefault({}),
  aperture: z
    .strictObject({
      diameter: z
        .number()
        .positive()
        .optional()
        .describe(
          "fluxes are those within this aperture [arcsec]; without it total fluxes, with the noise of 3 arcsec. Labels are always total",
        ),
      seeing: z
        .enum(["matched", "own"])
        .optional()
        .describe("all bands lose as at the tile's median seeing (PSF-corrected, the default), or each at its own"),
    })
    .refine(({ diameter, seeing }) => seeing === undefined || diameter !== undefined, {
      path: ["seeing"],
      error: "of fluxes within an aperture, expected its diameter with it: total fluxes lose nothing",
    })
    .prefault({}),
  missingFraction: z
    .number()
    .min(0)
    .max(1)
    .default(0.01)
    .describe("part of the bands of an object that its place on the image costs, by the mechanisms of `missing`"),
  missing: z
    .strictObject({
      edge: z
        .number()
        .nonnegative()
        .default(0.4)
        .describe("near a tile's edge: a run of bands, whose tray or dither ends there"),
      star: z
        .number()
        .nonnegative()
        .default(0.15)
        .describe("halo of a bright star: from the red or the blue end on, by its colour"),
      neighbour: z.number().nonnegative().default(0.25).describe("blended with a neighbour: the bands of worst seeing"),
      artefact: z.number().nonnegative().default(0.2).describe("cosmic rays, satellites, bad pixels: bands at random"),
    })
    .prefault({})
    .describe("relative shares of the mechanisms in `missingFraction`"),
  uvCoverage: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("part of the sky in the layers of a space survey (GALEX); the survey file's shares without it"),
  nonDetections: z
    .enum(["forced", "limit", "missing"])
    .default("forced")
    .describe(
      "fluxes below an instrument's detection limit: kept as measured at the known place, an upper limit, or missing",
    ),
  observed: z
    .strictObject({
      rescale: z
        .array(z.string())
        .min(1)
        .optional()
        .describe(
          "bands whose total fluxes observed spectra are scaled to: of a joined catalogue, else of their own imaging; several also correct the flux calibration",
        ),
      moveRedshift: z
        .tuple([z.number().positive(), z.number().positive()])
        .refine(([low, high]) => low < high, "expected a range, low before high")
        .optional()
        .describe("move every draw of a spectrum to a redshift drawn from this range, where it still covers the bands"),
      requireRedshift: z
        .boolean()
        .default(true)
        .describe("leave out spectra whose redshift is not known or not trusted"),
      calibration: z
        .number()
        .nonnegative()
        .default(0.02)
        .describe("relative error of the spectra's flux calibration, 5 times larger at their ends; adds to <BAND>_err"),
    })
    .prefault({})
    .describe("spectra that are observed ones, not models"),
});

export type SimulationOptions = z.output<typeof simulationOptions>;
export type SimulationInput = z.input<typeof simulationOptions>;

/** Options with the survey's sample, where they don't say another. */
export function withSample({ file: { sample } }: Pick<Survey, "file">, input: SimulationInput): SimulationInput {
  if (sample === undefined) return input;
  const { band, bright, faint, redshift } = sample;
  return {
    ...input,
    selection: { band, bright, faint, ...input.selection },
    redshift: { min: redshift[0], max: redshift[1], ...input.redshift },
  };
}

/**
 * Options with their defaults filled in.
 * @throws UserError naming the first option that is wrong, as `nameOf` calls it: the command line has names of its own.
 */
export function parseOptions(
  input: SimulationInput,
  nameOf: (path: string) => string = (path) => `option ${path}`,
): SimulationOptions {
  const result = simulationOptions.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue.path.join(".");
  throw new UserError(`simulate: ${path === "" ? "options" : nameOf(path)}: ${issue.message}`);
}
