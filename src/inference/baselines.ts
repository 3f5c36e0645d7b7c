import type { Engine } from "../engine/contract.ts";
import type { Rng } from "../random.ts";
import { fitNeighbours } from "./baseline-neighbours.ts";
import { fitNetwork, type NetworkForm } from "./baseline-network.ts";
import { fitQuantileTrees } from "./baseline-quantile-trees.ts";
import { fitRidge } from "./baseline-ridge.ts";
import { smoothedLabels } from "./baseline-labels.ts";
import { fitTemplates, type Spectra, type TemplateFitter } from "./baseline-spectra.ts";
import type { TrainingSet } from "./baseline-labels.ts";
import { fitTrees } from "./baseline-trees.ts";
import type { Distribution } from "../model/distribution.ts";
import { mixtureDistribution } from "../model/mixture.ts";

export interface BaselineContext {
  readonly rng: Rng;
  /** For baselines that are networks; the others ignore it. */
  readonly engine?: Engine;
  /** Held-out parents of the training rows choose among a few sizes and rates, too; takes several times as long. Default: false. */
  readonly isTuned?: boolean;
}

export interface FittedBaseline {
  /** [n, featureCount] -> one predictive distribution per row, in the label's unit; of label `target` where there are several. */
  predict(x: Float32Array, target?: number): Promise<Distribution>;
  /** What was chosen while fitting (penalty, neighbours, ...), for the report. */
  readonly chosen: Readonly<Record<string, number>>;
}

/** One row of the table: a method that every claim has to stand beside. */
export interface Baseline {
  readonly title: string;
  /** Labels that it answers together: 1 when absent. */
  readonly targets?: number;
  /** @throws Error when the arrays don't fit together or hold a value that is not finite. */
  fit(this: void, train: TrainingSet, context: BaselineContext): Promise<FittedBaseline>;
}

const table = {
  trainZ: {
    title: "trainZ (labels only)",
    fit: async (train) => {
      const n = checkTraining(train);
      const labels = smoothedLabels(train.y);
      return {
        chosen: { n },
        predict: (x) => Promise.resolve(mixtureDistribution({ ...labels, rowCount: rowCount(x, train.featureCount) })),
      };
    },
  },
  ridge: {
    title: "ridge regression",
    fit: async (train) => {
      const { predict, chosen } = fitRidge(train, checkTraining(train), false);
      return { chosen, predict: (x) => Promise.resolve(predict(x, rowCount(x, train.featureCount))) };
    },
  },
  ridgeQuadratic: {
    title: "ridge, quadratic",
    fit: async (train) => {
      const { predict, chosen } = fitRidge(train, checkTraining(train), true);
      return { chosen, predict: (x) => Promise.resolve(predict(x, rowCount(x, train.featureCount))) };
    },
  },
  knn: {
    title: "nearest neighbours",
    fit: async (train, { rng }) => {
      const { predict, chosen } = fitNeighbours(train, checkTraining(train), rng);
      return { chosen, predict: (x) => Promise.resolve(predict(x, rowCount(x, train.featureCount))) };
    },
  },
  trees: {
    title: "gradient-boosted trees",
    fit: async (train, { rng, isTuned = false }) => {
      const { predict, chosen } = fitTrees(train, checkTraining(train), rng, isTuned);
      return { chosen, predict: (x) => Promise.resolve(predict(x, rowCount(x, train.featureCount))) };
    },
  },
  quantileTrees: {
    title: "gradient-boosted trees, quantiles",
    fit: async (train, { rng, isTuned = false }) => {
      const { predict, chosen } = fitQuantileTrees(train, checkTraining(train), rng, isTuned);
      return { chosen, predict: (x) => Promise.resolve(predict(x, rowCount(x, train.featureCount))) };
    },
  },
  network: {
    title: "single-task network",
    fit: (train, context) => fitPlainNetwork(train, context, { targets: 1, components: 4 }),
  },
  gaussian: {
    title: "single-task network, one Gaussian",
    fit: (train, context) => fitPlainNetwork(train, context, { targets: 1, components: 1 }),
  },
  fiveTargets: {
    // OJALA (Martinez-Solaeche et al. 2026) asks one network for five targets per object and step, a Gaussian each; its own has 4.7 M parameters
    title: "one network for five fields, a Gaussian each",
    targets: 5,
    fit: (train, context) => fitPlainNetwork(train, context, { targets: train.targetCount ?? 1, components: 1 }),
  },
} satisfies Record<string, Baseline>;

export type BaselineName = keyof typeof table;
/** What a claim can stand beside: a baseline, or what reads spectra as they are and answers redshifts. */
export type RivalName = BaselineName | SpectralName;
/** Every baseline, in the order of the tables in a report. Adding one is one row. */
export const baselines: Readonly<Record<BaselineName, Baseline>> = table;

/** One row of the table of methods that read spectra: redshifts of a survey with one, where it is given. */
export interface SpectralBaseline {
  readonly title: string;
  /**
   * @param redshift Column of the redshift.
   * @throws UserError where the rows can't teach it.
   */
  fit(this: void, train: Spectra, redshift: number, rng: Rng): TemplateFitter;
}

const spectralTable = {
  templates: { title: "templates, chi2 over redshift (spectra)", fit: fitTemplates },
} satisfies Record<string, SpectralBaseline>;

export type SpectralName = keyof typeof spectralTable;
/** Baselines that read spectra. Adding one is one row. */
export const spectralBaselines: Readonly<Record<SpectralName, SpectralBaseline>> = spectralTable;

export const isSpectral = (name: RivalName): name is SpectralName => name in spectralTable;

function fitPlainNetwork(
  train: TrainingSet,
  { rng, engine, isTuned = false }: BaselineContext,
  form: NetworkForm,
): Promise<FittedBaseline> {
  checkTraining(train);
  if (engine === undefined) throw new Error("baseline network: expected an engine in the context");
  const { x, y, featureCount, parent } = train;
  return fitNetwork({ x, y, p: featureCount, parent }, form, { engine, rng, isTuned });
}

function checkTraining(train: TrainingSet): number {
  const { targetCount = 1 } = train;
  const n = train.y.length / targetCount;
  if (n < 2) throw new Error(`baseline: ${n} training rows, expected 2 or more`);
  if (train.x.length !== n * train.featureCount) {
    throw new Error(`baseline: ${train.x.length} feature values for ${n} rows of ${train.featureCount}`);
  }
  const badLabel = targetCount > 1 ? -1 : train.y.findIndex((value) => !Number.isFinite(value));
  if (badLabel >= 0) throw new Error(`baseline: label of row ${badLabel} is ${train.y[badLabel]}`);
  const bad = train.x.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const row = Math.floor(bad / train.featureCount);
    throw new Error(`baseline: feature ${bad % train.featureCount} of row ${row} is ${train.x[bad]}`);
  }
  return n;
}

function rowCount(x: Float32Array, featureCount: number): number {
  if (x.length % featureCount !== 0)
    throw new Error(`baseline: ${x.length} values are no whole rows of ${featureCount} features`);
  return x.length / featureCount;
}
