import * as tf from "@tensorflow/tfjs-core";
import type { Hint } from "./heads.ts";
import type { NetworkVocabulary, Readout } from "./readouts.ts";
import { recallSize } from "./templates.ts";

/** Redshifts that a spectrum is tried at: evenly spaced in ln(1 + z). */
export interface Lags {
  /** ln(1 + z) of the first. */
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

/** Numbers of a state that say how likely each redshift is that spectra were tried at: they follow the latent tokens. */
export const lagCount = ({ lags = [] }: NetworkVocabulary): number => lags.reduce((sum, { count }) => sum + count, 0);

/** Where the lags begin in a state [B, S]. */
const startOf = (vocabulary: NetworkVocabulary, state: tf.Tensor2D): number =>
  state.shape[1] - recallSize(vocabulary) - lagCount(vocabulary);

/** A state [B, S] as everything but the bins of a redshift is read from it: without its lags. */
export function withoutLags(vocabulary: NetworkVocabulary, state: tf.Tensor2D): tf.Tensor2D {
  const count = lagCount(vocabulary);
  if (count === 0) return state;
  const nRecall = recallSize(vocabulary);
  const start = startOf(vocabulary, state);
  const parts = tf.split<tf.Tensor2D>(state, [start, count, nRecall].filter((n) => n > 0), 1); // prettier-ignore
  return nRecall === 0 ? parts[0] : tf.concat([parts[0], parts[2]], 1);
}

/** ln of how likely places [n] in ln(1 + z) are, between the lags [B, count] around them; beyond the lags, as the last. */
function lagsAt({ first, step, count }: Lags, lags: tf.Tensor2D, places: Float64Array): tf.Tensor {
  const place = places.map((x) => Math.min(Math.max((x - first) / step, 0), count - 1));
  const lower = Int32Array.from(place, (x) => Math.min(Math.floor(x), Math.max(0, count - 2)));
  const part = tf.tensor2d(Float32Array.from(place, (x, b) => x - lower[b]), [1, place.length]); // prettier-ignore
  const at = (shift: number): tf.Tensor =>
    tf.gather(lags, tf.tensor1d(lower.map((i) => Math.min(i + shift, count - 1)), "int32"), 1); // prettier-ignore
  return tf.add(tf.mul(at(0), tf.sub(1, part)), tf.mul(at(1), part)); // [B, n]
}

/** What spectra say of the bins of a redshift, from the lags in a state [B, S]. */
export function lagHint(
  vocabulary: NetworkVocabulary,
  state: tf.Tensor2D,
  { spec, members }: Readout,
): Hint | undefined {
  const { lags = [], fields } = vocabulary;
  if (lags.length === 0 || spec.head !== "histogram" || fields[members[0]].kind !== "redshift") return undefined;
  // what is encoded is linear in ln(1 + z)
  const zero = vocabulary.encode(members[0], 0, 0);
  const unit = vocabulary.encode(members[0], Math.expm1(1), 0) - zero;
  const middles = Float64Array.from(
    { length: spec.edges.length - 1 },
    (_, b) => (0.5 * (spec.edges[b] + spec.edges[b + 1]) - zero) / unit,
  );
  let from = startOf(vocabulary, state);
  const said = lags.map((one): tf.Tensor => {
    const own = tf.slice(state, [0, from], [state.shape[0], one.count]);
    from += one.count;
    return lagsAt(one, own, middles);
  });
  return { factor: null, offset: tf.expandDims(said.length === 1 ? said[0] : tf.addN(said), 1) };
}
