import { categoryDistribution } from "../model/category.ts";
import type { Distribution } from "../model/distribution.ts";
import { mixtureDistribution } from "../model/mixture.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import type { Library } from "./library.ts";
import { LEAST_EFFECTIVE, type Posterior, type Values, valuesOf } from "./library-posterior.ts";

/** Components that the weighted rows of one answer are gathered into. */
const COMPONENTS = 64;
/** Silverman 1986, eq. 3.31. */
const SILVERMAN = 0.9;
const IQR_OF_GAUSSIAN = 1.34;
/** Mass within a kernel of about Silverman's width at the middle of a Gaussian: the kernel follows the density. */
const NEIGHBOURHOOD = 0.7;
/** Narrowest kernel, in standard deviations of the field over the training rows. */
const NARROWEST = 1e-4;

/** Sorted values with weights that sum to 1, as a few Gaussians without kernel. */
interface Gathered {
  readonly weight: Float64Array;
  readonly mean: Float64Array;
  /** Of the rows within a component, their own errors included. */
  readonly variance: Float64Array;
}

/** Neighbours in value put together, none of more than 1 / COMPONENTS of the weight unless a single row has it. */
function gather(value: Float64Array, error: Float64Array, weight: Float64Array): Gathered {
  const order = Int32Array.from(value.keys()).filter((i) => weight[i] > 1e-8 && !Number.isNaN(value[i]));
  order.sort((a, b) => value[a] - value[b]);
  const total = order.reduce((sum, i) => sum + weight[i], 0);
  const parts: { weight: number; mean: number; variance: number }[] = [];
  let [w, first, second] = [0, 0, 0];
  const origin = order.length === 0 ? 0 : value[order[0]];
  const close = (): void => {
    if (w === 0) return;
    const mean = first / w;
    parts.push({ weight: w / total, mean: origin + mean, variance: Math.max(0, second / w - mean * mean) });
    [w, first, second] = [0, 0, 0];
  };
  for (const i of order) {
    if (w + weight[i] > total / (COMPONENTS / 2)) close();
    const x = value[i] - origin;
    w += weight[i];
    first += weight[i] * x;
    second += weight[i] * (x * x + error[i] * error[i]);
    if (w > total / COMPONENTS) close();
  }
  close();
  return {
    weight: Float64Array.from(parts, (part) => part.weight),
    mean: Float64Array.from(parts, (part) => part.mean),
    variance: Float64Array.from(parts, (part) => part.variance),
  };
}

/** Value up to which a part `level` of the weight lies. */
function weightedQuantile({ weight, mean }: Gathered, level: number): number {
  let sum = 0;
  for (let k = 0; k < weight.length; k++) if ((sum += weight[k]) >= level) return mean[k];
  return mean[mean.length - 1];
}

/** Distance from component `k` within which a part `mass` of the weight lies. */
function reachOf({ weight, mean }: Gathered, k: number, mass: number): number {
  let [left, right, sum] = [k, k, weight[k]];
  while (sum < mass && (left > 0 || right < mean.length - 1)) {
    const toLeft = left > 0 ? mean[k] - mean[left - 1] : Infinity;
    const toRight = right < mean.length - 1 ? mean[right + 1] - mean[k] : Infinity;
    sum += toLeft <= toRight ? weight[--left] : weight[++right];
  }
  return Math.max(mean[k] - mean[left], mean[right] - mean[k]);
}

/**
 * Standard deviations of the components, kernel included: Silverman's for so many effective rows, narrower where the rows
 * lie closer than in the whole, so that two peaks don't smear each other.
 */
function withKernel(parts: Gathered, size: number): Float64Array {
  const { weight, mean, variance } = parts;
  const centre = weight.reduce((sum, w, k) => sum + w * mean[k], 0);
  const spread = Math.sqrt(weight.reduce((sum, w, k) => sum + w * ((mean[k] - centre) ** 2 + variance[k]), 0));
  const iqr = (weightedQuantile(parts, 0.75) - weightedQuantile(parts, 0.25)) / IQR_OF_GAUSSIAN;
  const shrink = size ** -0.2;
  const global = SILVERMAN * shrink * Math.min(spread, iqr > 0 ? iqr : spread);
  return variance.map((own, k) => {
    const local = reachOf(parts, k, NEIGHBOURHOOD * shrink);
    return Math.max(NARROWEST, Math.hypot(Math.sqrt(own), local > 0 ? Math.min(global, local) : global));
  });
}

/** A field's answers as Gaussian mixtures in encoded space, one scale per galaxy. */
function mixtureOf(
  coder: FieldCoder,
  j: number,
  posteriors: readonly Posterior[],
  values: (i: number) => Values,
  scales: Float64Array,
): Distribution {
  const rowCount = posteriors.length;
  const k = COMPONENTS + COMPONENTS / 2;
  const all = (): Float64Array => new Float64Array(rowCount * k);
  const [weight, mean, sigma] = [all(), all(), all().fill(1)];
  const [low, high] = coder.limits(j);
  posteriors.forEach((posterior, i) => {
    const { value, error } = values(i);
    const kept = value.map((x) => Math.min(high, Math.max(low, x)));
    const encoded = kept.map((x) => coder.encode(j, x, scales[i]));
    const errors = error.map((e, r) => (e === 0 ? 0 : coder.encodeError(j, kept[r], e, scales[i])));
    const parts = gather(encoded, errors, posterior.weight);
    const size = Math.max(LEAST_EFFECTIVE, posterior.effectiveSize);
    // none of the rows that matter has the field: as much as is known without any
    if (parts.weight.length === 0) weight[i * k] = 1;
    weight.set(parts.weight, i * k);
    mean.set(parts.mean, i * k);
    sigma.set(withKernel(parts, size), i * k);
  });
  return mixtureDistribution({ rowCount, componentCount: k, stride: k, weight, mean, sigma });
}

/** Weights of the classes, with one row spread over all of them: none is impossible for want of rows. */
function classesOf(classCount: number, posteriors: readonly Posterior[], values: (i: number) => Values): Distribution {
  const probability = new Float64Array(posteriors.length * classCount);
  posteriors.forEach(({ weight, effectiveSize }, i) => {
    const size = Math.max(1, effectiveSize);
    let known = 0;
    values(i).value.forEach((index, r) => {
      if (Number.isNaN(index)) return;
      probability[i * classCount + index] += weight[r];
      known += weight[r];
    });
    for (let c = i * classCount; c < (i + 1) * classCount; c++) {
      const share = known > 0 ? probability[c] / known : 1 / classCount;
      probability[c] = (share * size + 1 / classCount) / (size + 1);
    }
  });
  return categoryDistribution(probability, posteriors.length);
}

/** The answers for fields `wanted`, by place in `wanted`, in the encoded space of `coder`. */
export function distributionsOf(
  coder: FieldCoder,
  library: Library,
  posteriors: readonly Posterior[],
  wanted: readonly number[],
  scales: Float64Array,
): Distribution[] {
  const values = posteriors.map((posterior) => valuesOf(library, posterior, wanted));
  return wanted.map((j, w) => {
    const field = coder.fields[j];
    const of = (i: number): Values => values[i][w];
    return field.kind === "category"
      ? classesOf(field.classes.length, posteriors, of)
      : mixtureOf(coder, j, posteriors, of, scales);
  });
}
