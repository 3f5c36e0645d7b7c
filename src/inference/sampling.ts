import type { Rng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { Mixtures } from "../model/mixture.ts";
import type { Predictor } from "./predict.ts";

/** One draw from mixture `row`. */
function sampleMixture(m: Mixtures, row: number, rng: Rng): number {
  const start = row * m.stride;
  const last = start + m.componentCount - 1;
  let u = rng.uniform();
  let k = start;
  while (k < last && (u -= m.weight[k]) >= 0) k++;
  return m.mean[k] + m.sigma[k] * rng.normal();
}

/** Joint draws for one galaxy. */
export interface JointSamples {
  /** [draw, field] in encoded space, fields in the order asked. */
  readonly encoded: Float32Array;
  /** [draw, field] in the fields' units. */
  readonly values: Float64Array;
}

/**
 * Samples p(a, b, c, ... | given) of one galaxy by the chain rule with the autoregressive objective: field t is drawn
 * given the context and the draws of the fields before it. Ratios and classes must come from these, never from marginals.
 */
export async function sampleJoint(
  predictor: Predictor,
  catalog: Catalog,
  row: number,
  isGiven: Uint8Array,
  wanted: readonly number[],
  draws: number,
  rng: Rng,
): Promise<JointSamples> {
  const n = wanted.length;
  const rows = new Int32Array(draws).fill(row);
  const encoded = new Float32Array(draws * n);
  const values = new Float64Array(draws * n);
  for (let t = 0; t < n; t++) {
    const known = new Float32Array(draws * t);
    for (let i = 0; i < draws; i++) for (let k = 0; k < t; k++) known[i * t + k] = encoded[i * n + k]!;
    const { mixtures, scales } = await predictor.predictNext(catalog, rows, isGiven, wanted.slice(0, t + 1), known);
    for (let i = 0; i < draws; i++) {
      const v = sampleMixture(mixtures, i, rng);
      encoded[i * n + t] = v;
      values[i * n + t] = predictor.coder.decode(wanted[t], v, scales[i]);
    }
  }
  return { encoded, values };
}
