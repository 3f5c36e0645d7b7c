import { execFile } from "node:child_process";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { createEngine } from "../../dist/engine/engine.js";

const run = promisify(execFile);
const PAIRS = 3;
const STEPS = 7;
const BATCH = 64;

/** The layers of the default network of spectra, 8192 pixels, and one of wide kernels. */
const layers = [
  { from: 3, to: 16, pixels: 8192, kernel: 11, stride: 4 },
  { from: 16, to: 16, pixels: 2048, kernel: 3, stride: 1 },
  { from: 16, to: 32, pixels: 2048, kernel: 4, stride: 4 },
  { from: 32, to: 32, pixels: 512, kernel: 3, stride: 1 },
  { from: 64, to: 64, pixels: 128, kernel: 3, stride: 1 },
  { from: 32, to: 64, pixels: 512, kernel: 11, stride: 1 },
];
const nameOf = ({ from, to, pixels, kernel, stride }) =>
  `${from} -> ${to} channels, ${pixels} pixels, kernel ${kernel}, stride ${stride}`;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const round = (value, digits = 1) => Number(value.toFixed(digits));

/** Floating-point operations of the layer, its input gradient and its filter gradient. */
const work = ({ from, to, pixels, kernel, stride }) => 3 * 2 * BATCH * Math.ceil(pixels / stride) * kernel * from * to;

/** Milliseconds of a forward and backward pass, both gradients: a function that measures again. */
const prepareOurs = async (engine, { from, to, pixels, kernel, stride }) => {
  const signature = {
    x: { dtype: "float32", shape: [BATCH, pixels, from] },
    filter: { dtype: "float32", shape: [kernel, from, to] },
    slope: { dtype: "float32", shape: [BATCH, Math.ceil(pixels / stride), to] },
  };
  const pass = ({ x, filter, slope }) => {
    const score = (a, b) => tf.sum(tf.mul(tf.conv1d(a, b, stride, "same"), slope));
    const [dx, dFilter] = tf.grads(score)([x, filter]);
    return { y: tf.max(tf.conv1d(x, filter, stride, "same")), dx: tf.max(dx), dFilter: tf.max(dFilter) };
  };
  const compiled = await engine.compile(pass, signature, "convolution");
  const wave = ({ dtype, shape }) => {
    const size = shape.reduce((n, dim) => n * dim, 1);
    return { dtype, shape, data: Float32Array.from({ length: size }, (_, i) => Math.sin(i * 12.9898)) };
  };
  const inputs = Object.fromEntries(Object.entries(signature).map(([name, spec]) => [name, wave(spec)]));
  return async () => {
    const times = [];
    for (let i = 0; i < STEPS; i++) {
      const start = performance.now();
      await compiled.run(inputs);
      times.push(performance.now() - start);
    }
    return median(times.slice(2));
  };
};

/** The same in PyTorch: channels before pixels, as it wants them. */
const SCRIPT = `
import sys, time, json, torch
batch, start, end, pixels, kernel, stride, steps, threads = map(int, sys.argv[1:])
torch.set_num_threads(threads)
x = torch.randn(batch, start, pixels, requires_grad=True)
w = torch.randn(end, start, kernel, requires_grad=True)
out = -(-pixels // stride)
slope = torch.randn(batch, end, out)
missing = max((out - 1) * stride + kernel - pixels, 0)
times = []
for _ in range(steps):
    x.grad = w.grad = None
    begin = time.perf_counter()
    padded = torch.nn.functional.pad(x, (missing // 2, missing - missing // 2)) if missing % 2 else x
    y = torch.nn.functional.conv1d(padded, w, None, stride, 0 if missing % 2 else missing // 2)
    y.backward(slope)
    times.append(1e3 * (time.perf_counter() - begin))
times = sorted(times[2:])
print(json.dumps({"ms": times[len(times) // 2], "peer": "torch " + torch.__version__}))
`;
const python = process.env.CALEIDO_BENCH_PYTHON ?? "python3";
const theirs = async ({ from, to, pixels, kernel, stride }, threads) => {
  const numbers = [BATCH, from, to, pixels, kernel, stride, STEPS, threads].map(String);
  const { stdout } = await run(python, ["-c", SCRIPT, ...numbers]);
  return JSON.parse(stdout);
};

/** Convolutions of spectra, forward and backward, beside PyTorch's; ratios above 1 mean that ours is faster. */
export const convolutionSection = async ({ threads }) => {
  const hasTorch = await run(python, ["-c", "import torch"]).then(
    () => true,
    () => false,
  );
  const engine = await createEngine({ threads });
  const rows = [];
  let peer = "";
  for (const layer of layers) {
    const measure = await prepareOurs(engine, layer);
    const pairs = [];
    for (let i = 0; i < PAIRS; i++) {
      const other = hasTorch ? await theirs(layer, threads) : undefined;
      peer = other?.peer ?? peer;
      pairs.push({ ours: await measure(), theirs: other?.ms });
    }
    const ms = median(pairs.map(({ ours }) => ours));
    rows.push({
      layer: nameOf(layer),
      "ms / pass": round(ms),
      "spectra / s": Math.round((BATCH / ms) * 1e3),
      "GFLOP / s": round(work(layer) / ms / 1e6),
      ...(hasTorch ? { [`${peer} ms`]: round(median(pairs.map((pair) => pair.theirs))) } : {}),
      ...(hasTorch ? { ratio: round(median(pairs.map((pair) => pair.theirs / pair.ours)), 2) } : {}),
    });
  }
  await engine.dispose();
  const note = hasTorch ? undefined : `race skipped: ${python} has no PyTorch (CALEIDO_BENCH_PYTHON names another)`;
  return [{ title: `convolution: ${BATCH} spectra forward and backward, ${threads} threads`, rows, note }];
};
