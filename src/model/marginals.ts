import * as tf from "@tensorflow/tfjs-core";
import type { Tensors } from "../engine/contract.ts";
import { gelu, linear } from "../engine/ops.ts";
import { type Hint, headOf } from "./heads.ts";
import { lagHint, withoutLags } from "./lags.ts";
import type { NetworkVocabulary, Part, Readout } from "./readouts.ts";
import { hintOf } from "./templates.ts";

/** What a part's answers are read from: properties from the whole state, bands from a narrower mix of it. [B, from] */
function sourceOf(vocabulary: NetworkVocabulary, params: Tensors, state: tf.Tensor2D, part: Part): tf.Tensor2D {
  const read = withoutLags(vocabulary, state);
  if (part === "property") return read;
  return gelu(linear(read, params["head.band.mix"], params["head.band.mixBias"])) as tf.Tensor2D;
}

const widthOf = ({ spec }: Pick<Readout, "spec">): number => headOf(spec).width(spec);

/** Masked objective: raw marginals of all fields of a read-out, [B, members, width]. */
export function marginals(
  vocabulary: NetworkVocabulary,
  params: Tensors,
  state: tf.Tensor2D,
  readout: Readout,
): tf.Tensor3D {
  const from = sourceOf(vocabulary, params, state, readout.part);
  const raw = linear(from, params[`head.${readout.name}.out`], params[`head.${readout.name}.bias`]); // [B, members * width]
  const shaped = tf.reshape<tf.Rank.R3>(raw, [state.shape[0], readout.members.length, widthOf(readout)]);
  return leaning(vocabulary, state, readout, shaped);
}

/** What is thought of a read-out's fields before the network speaks: by the templates, and by the redshifts tried. */
const hintsOf = (vocabulary: NetworkVocabulary, state: tf.Tensor2D, readout: Readout): Hint[] => {
  const { templates } = vocabulary;
  const recalled = templates && hintOf(vocabulary, templates, state, readout);
  return [recalled, lagHint(vocabulary, state, readout)].filter((hint) => hint !== undefined);
};

/** Raw marginals [B, n, width] of a read-out's fields, or of those in its places `slots` [n], and what is thought before. */
function leaning(
  vocabulary: NetworkVocabulary,
  state: tf.Tensor2D,
  readout: Readout,
  raw: tf.Tensor3D,
  slots?: tf.Tensor1D,
): tf.Tensor3D {
  const pick = (x: tf.Tensor): tf.Tensor => (slots === undefined ? x : tf.gather(x, slots, 1));
  return hintsOf(vocabulary, state, readout).reduce(
    (x, { factor, offset }) => tf.add<tf.Tensor3D>(factor === null ? x : tf.mul(x, pick(factor)), pick(offset)),
    raw,
  );
}

/** Raw marginals of chosen fields of a read-out: `slots` [n] int32 are their places among its members. [B, n, width] */
export function marginalsAt(
  vocabulary: NetworkVocabulary,
  params: Tensors,
  state: tf.Tensor2D,
  readout: Readout,
  slots: tf.Tensor1D,
): tf.Tensor3D {
  const width = widthOf(readout);
  const from = sourceOf(vocabulary, params, state, readout.part);
  const size = from.shape[1];
  const [b, n] = [state.shape[0], slots.shape[0]];
  const out = tf.gather(tf.reshape(params[`head.${readout.name}.out`], [size, -1, width]), slots, 1); // [from, n, width]
  const bias = tf.gather(tf.reshape(params[`head.${readout.name}.bias`], [-1, width]), slots, 0); // [n, width]
  const raw = linear(from, tf.reshape(out, [size, n * width]), tf.reshape(bias, [n * width]));
  return leaning(vocabulary, state, readout, tf.reshape(raw, [b, n, width]), slots);
}
