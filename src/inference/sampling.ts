import type { Rng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { withinRange } from "./field-answers.ts";
import type { Predictor } from "./predict.ts";

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
    const answers = await predictor.predictNext(catalog, rows, isGiven, wanted.slice(0, t + 1), known);
    const [least, most] = predictor.coder.fields[wanted[t]].range;
    const possible = withinRange(predictor.coder, wanted[t], answers.distribution, (i) => answers.scales[i]);
    for (let i = 0; i < draws; i++) {
      const v = possible.sample(i, rng);
      encoded[i * n + t] = v;
      values[i * n + t] = Math.min(Math.max(predictor.coder.decode(wanted[t], v, answers.scales[i]), least), most);
    }
  }
  return { encoded, values };
}
