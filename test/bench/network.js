import * as tf from "@tensorflow/tfjs-core";

/**
 * The plain pre-norm transformer of the PyTorch peer, with its whole training step (forward, mean squared error, backward,
 * clip to global norm 1, AdamW) as one pure function over one flat parameter vector.
 * `ops` is the engine's module of fused ops, passed in so that tests use the sources and the bench the build.
 */

/** Names and shapes of the parameters, in the order of the flat vector. */
const parameterShapes = ({ dModel: d, nLayer }) => {
  const shapes = {};
  for (let i = 0; i < nLayer; i++) {
    Object.assign(shapes, {
      [`${i}.norm1.gain`]: [d],
      [`${i}.norm1.bias`]: [d],
      [`${i}.qkv.w`]: [d, 3 * d],
      [`${i}.qkv.b`]: [3 * d],
      [`${i}.out.w`]: [d, d],
      [`${i}.out.b`]: [d],
      [`${i}.norm2.gain`]: [d],
      [`${i}.norm2.bias`]: [d],
      [`${i}.up.w`]: [d, 4 * d],
      [`${i}.up.b`]: [4 * d],
      [`${i}.down.w`]: [4 * d, d],
      [`${i}.down.b`]: [d],
    });
  }
  return { ...shapes, "head.w": [d, 2], "head.b": [2] };
};

const sizeOf = (shape) => shape.reduce((n, dim) => n * dim, 1);
export const countParameters = (config) => Object.values(parameterShapes(config)).reduce((n, s) => n + sizeOf(s), 0);

const unflatten = (flat, config) => {
  const shapes = Object.entries(parameterShapes(config));
  const parts = tf.split(
    flat,
    shapes.map(([, shape]) => sizeOf(shape)),
  );
  return Object.fromEntries(shapes.map(([name, shape], i) => [name, tf.reshape(parts[i], shape)]));
};

const forward = (ops, p, x, { nLayer, nHead }) => {
  let h = x; // [B, N, D]
  for (let i = 0; i < nLayer; i++) {
    const of = (name) => p[`${i}.${name}`];
    const first = ops.foldNorm({ w: of("qkv.w"), b: of("qkv.b") }, of("norm1.gain"), of("norm1.bias"));
    const [q, k, v] = ops.linearParts(ops.normalise(h), first, 3); // 3 x [B, N, D]
    const mixed = ops.attention(q, k, v, nHead); // [B, N, D]
    h = tf.add(h, ops.linear(mixed, of("out.w"), of("out.b"))); // [B, N, D]
    const second = ops.foldNorm({ w: of("up.w"), b: of("up.b") }, of("norm2.gain"), of("norm2.bias"));
    const hidden = ops.gelu(ops.linear(ops.normalise(h), second.w, second.b)); // [B, N, 4D]
    h = tf.add(h, ops.linear(hidden, of("down.w"), of("down.b"))); // [B, N, D]
  }
  return ops.linear(h, p["head.w"], p["head.b"]); // [B, N, 2]
};

/** Inputs: parameters, first, second [P]; corrections [2] = 1 / (1 - beta^t); x [B, N, D]; y [B, N, 2]. */
export const trainingStep = (ops, config) => {
  const [beta1, beta2, rate, decay, epsilon] = [0.9, 0.999, 1e-3, 0.01, config.epsilon ?? 1e-8];
  return ({ parameters, first, second, corrections, x, y }) => {
    const loss = (flat) => tf.mean(tf.square(tf.sub(forward(ops, unflatten(flat, config), x, config), y)));
    const { value, grad: raw } = tf.valueAndGrad(loss)(parameters);
    const norm = tf.sqrt(tf.sum(tf.square(raw)));
    const grad = tf.mul(raw, tf.minimum(tf.div(1, tf.add(norm, 1e-6)), 1));
    const [c1, c2] = tf.split(corrections, 2);
    const m = tf.add(tf.mul(first, beta1), tf.mul(grad, 1 - beta1));
    const v = tf.add(tf.mul(second, beta2), tf.mul(tf.square(grad), 1 - beta2));
    const change = tf.div(tf.mul(m, tf.mul(c1, rate)), tf.add(tf.sqrt(tf.mul(v, c2)), epsilon));
    return { loss: value, parameters: tf.sub(tf.mul(parameters, 1 - rate * decay), change), first: m, second: v };
  };
};

export const signatureOf = (config) => {
  const { dModel, tokens, batch } = config;
  const flat = { dtype: "float32", shape: [countParameters(config)] };
  return {
    parameters: flat,
    first: flat,
    second: flat,
    corrections: { dtype: "float32", shape: [2] },
    x: { dtype: "float32", shape: [batch, tokens, dModel] },
    y: { dtype: "float32", shape: [batch, tokens, 2] },
  };
};

/** Deterministic first inputs: small weights, gains of one, zero moments. */
export const firstInputs = (config) => {
  const signature = signatureOf(config);
  const wave = (spec, scale) => ({
    ...spec,
    data: Float32Array.from(
      { length: sizeOf(spec.shape) },
      (_, i) => scale * Math.sin(1 + i * 12.9898 + (i % 97) ** 2),
    ),
  });
  const parameters = wave(signature.parameters, 1.4 / Math.sqrt(config.dModel));
  let at = 0;
  for (const [name, shape] of Object.entries(parameterShapes(config))) {
    const size = sizeOf(shape);
    if (name.endsWith("gain")) parameters.data.fill(1, at, at + size);
    at += size;
  }
  const zeros = () => ({ ...signature.first, data: new Float32Array(signature.first.shape[0]) });
  return {
    parameters,
    first: zeros(),
    second: zeros(),
    corrections: correctionsAt(1),
    x: wave(signature.x, 1),
    y: wave(signature.y, 1),
  };
};

export const correctionsAt = (step) => ({
  dtype: "float32",
  shape: [2],
  data: Float32Array.of(1 / (1 - 0.9 ** step), 1 / (1 - 0.999 ** step)),
});
