import { z } from "zod";
import type { SubsetConfig } from "../tokens/subset.ts";
import type { CheckpointConfig } from "./config.ts";
import type { Phase } from "./loop.ts";
import { scheduleAt } from "./optimiser.ts";
import type { Layout } from "../model/parameters.ts";
import { sizeOf } from "../model/parameters.ts";
import { UserError } from "../errors.ts";

const weight = z.number().min(0).max(1e6);

/** A recipe's `adapt:` section: how a source model is moved to a target survey. */
export const adaptSchema = z
  .strictObject({
    replay: weight.default(1).describe("weight of simulated rows per batch"),
    unlabelled: weight.default(1).describe("weight of target rows without labels: photometry predicts photometry"),
    labelled: weight.default(1).describe("weight of target rows with labels"),
    calibrationRate: z
      .number()
      .min(0)
      .max(1000)
      .default(20)
      .describe("learning-rate factor of zero-points and noise factors"),
    calibrationShare: z
      .number()
      .min(0)
      .max(1)
      .default(0.3)
      .describe(
        "share of the run, from its start, that learns them alone, to be kept; 0: all the while with the network",
      ),
    way: z
      .enum(["chosen", "continued"])
      .default("chosen")
      .describe(
        "chosen: of the network with zero-points and spectra put right, one taught anew on simulations put right, and the mean of five fitted to labels, what held-out labels like best; continued: the network trains on. Networks that carry no galaxies always train on",
      ),
    anew: z
      .enum(["auto", "always", "never"])
      .default("auto")
      .describe(
        "whether chosen ones include a network taught anew, which takes as long as the old one was taught; auto: of up to 24 bands, with more the galaxies that a network carries know too much to do without",
      ),
    zeroPoints: z
      .enum(["fitted", "trained"])
      .default("fitted")
      .describe(
        "fitted: by the galaxies that the network carries, to the unlabelled tables' photometry, and kept; trained: with noise factors, as of networks that carry none",
      ),
    passbands: z
      .number()
      .min(0)
      .max(10)
      .default(0)
      .describe(
        "with zeroPoints: fitted, passbands are fitted to lie elsewhere, too, by this many times 5 Angstrom of narrow ones and 1 % of wide ones, 1 sigma; 0: they are where the survey says",
      ),
    networkRate: z.number().min(0).max(1000).default(0.3).describe("learning-rate factor of the network; 0 freezes it"),
  })
  .prefault({});
export type AdaptConfig = z.output<typeof adaptSchema>;

/** Parameters that only adaptation trains. */
const CALIBRATION = /^calibration\./;
const ZERO_POINTS = "calibration.lnFlux";

/** `*` matches any run of characters in a parameter's name. */
function toPattern(glob: string): RegExp {
  return new RegExp(`^${glob.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*")}$`);
}

/** [P] learning-rate factors from a factor per parameter name. */
function scaleRates(layout: Layout, factor: (name: string) => number): Float32Array {
  const scale = new Float32Array(layout.total);
  layout.specs.forEach((spec, i) => {
    const offset = layout.offsets[i];
    scale.fill(factor(spec.name), offset, offset + sizeOf(spec.shape));
  });
  return scale;
}

/**
 * Learning-rate factors for pretraining and fine-tuning: 0 for what `freeze` names, 1 elsewhere; undefined without `freeze`.
 * @throws UserError for a pattern that matches no parameter.
 */
export function freezeRates(layout: Layout, freeze: readonly string[]): Float32Array | undefined {
  if (freeze.length === 0) return undefined;
  const patterns = freeze.map((glob) => ({ glob, pattern: toPattern(glob) }));
  for (const { glob, pattern } of patterns) {
    if (!layout.specs.some((spec) => pattern.test(spec.name))) {
      const names = layout.specs.map((spec) => spec.name);
      throw new UserError(`--freeze ${glob}: matches no parameter; expected a pattern for one of ${names.join(", ")}`);
    }
  }
  return scaleRates(layout, (name) => (patterns.some(({ pattern }) => pattern.test(name)) ? 0 : 1));
}

/** A stretch of bands from those on both sides of it, where a prior of galaxies matters least; and the ultraviolet. */
const ALONE: SubsetConfig["bands"] = { hole: 3, noUv: 1 };

/**
 * An adaptation step by step. First zero-points and noise factors alone, to convergence, with a warm-up and a cosine of
 * their own. Then the network, on bands that stay as calibrated: a network that moves with its zero-points takes over a
 * part of them, most of all where few galaxies have a band.
 */
export function adaptPhases(
  layout: Layout,
  config: Pick<CheckpointConfig, "optimiser" | "subsets" | "training"> & { readonly adapt: AdaptConfig },
): (step: number) => Phase {
  const { adapt, optimiser, subsets, training } = config;
  const alone = Math.round(adapt.calibrationShare * training.steps);
  const rates = (calibration: number, network: number): Float32Array =>
    scaleRates(layout, (name) => {
      if (name === ZERO_POINTS && adapt.zeroPoints === "fitted") return 0;
      return CALIBRATION.test(name) ? calibration : network;
    });
  const later = rates(alone === 0 ? adapt.calibrationRate : 0, adapt.networkRate);
  return (step) => {
    if (step > alone) return { rateScale: later, subsets };
    const whole = scheduleAt(optimiser, step, training.steps).rate;
    const own = scheduleAt(optimiser, step, alone).rate;
    const rateScale = rates(whole > 0 ? (adapt.calibrationRate * own) / whole : 0, 0);
    return { rateScale, subsets: { ...subsets, bands: ALONE, properties: { none: 1 } } };
  };
}
