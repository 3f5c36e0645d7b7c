import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { createEngine } from "../../dist/engine/engine.js";
import * as ops from "../../dist/engine/ops.js";
import { correctionsAt, countParameters, firstInputs, signatureOf, trainingStep } from "./network.js";

const run = promisify(execFile);
const PAIRS = Number(process.env.CALEIDO_BENCH_PAIRS ?? 5);
const STEPS = 8;
const WARM_UPS = 2;

const standard = { dModel: 128, nLayer: 4, nHead: 4, tokens: 64, batch: 64 };
const latents = { dModel: 96, nLayer: 7, nHead: 4, tokens: 4, batch: 128 };
const quickstart = { dModel: 64, nLayer: 4, nHead: 4, tokens: 40, batch: 64 };
const nameOf = (c) => `d ${c.dModel}, ${c.nLayer} layers, ${c.tokens} tokens, batch ${c.batch}`;

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const round = (value, digits = 1) => Number(value.toFixed(digits));

const state = ["parameters", "first", "second"];
const without = (arrays, names) => Object.fromEntries(Object.entries(arrays).filter(([name]) => !names.includes(name)));

/**
 * A function that runs STEPS training steps, each fed the last one's results, and gives the median milliseconds.
 * `carried` names what stays in the executor.
 */
const prepareOurs = async (config, threads, { thread = "worker", carried = state } = {}) => {
  const engine = await createEngine({ threads, thread });
  const step = await engine.compile(trainingStep(ops, config), signatureOf(config), "step", { carried });
  let inputs = firstInputs(config);
  let count = 0;
  const measure = async () => {
    const times = [];
    for (let i = 0; i < STEPS; i++) {
      const corrections = correctionsAt(++count);
      const start = performance.now();
      const outputs = await step.run({ ...inputs, corrections });
      times.push(performance.now() - start);
      inputs = { ...without(inputs, carried), ...without(outputs, ["loss"]) };
    }
    return median(times.slice(WARM_UPS));
  };
  return { measure, dispose: () => engine.dispose() };
};

/** The peer's own clock, or undefined where Python or PyTorch is missing. */
const findPeer = async (root, threads) => {
  const python = process.env.CALEIDO_BENCH_PYTHON ?? "python3";
  const script = resolve(process.env.CALEIDO_PEERS ?? resolve(root, "../shared/peers"), "torch_same_network.py");
  if (!existsSync(script)) return { missing: `no torch_same_network.py in ${resolve(script, "..")} (CALEIDO_PEERS)` };
  const hasTorch = await run(python, ["-c", "import torch"]).then(
    () => true,
    () => false,
  );
  if (!hasTorch) return { missing: `${python} has no PyTorch (CALEIDO_BENCH_PYTHON names another)` };
  const measure = async (config) => {
    const flags = { "d-model": config.dModel, layers: config.nLayer, heads: config.nHead, tokens: config.tokens };
    const all = { ...flags, batch: config.batch, steps: STEPS, threads };
    const { stdout } = await run(python, [script, ...Object.entries(all).flatMap(([k, v]) => [`--${k}`, String(v)])]);
    const { ms_per_step: ms, peer } = JSON.parse(stdout);
    return { ms, peer };
  };
  return { measure };
};

/** Ours and the peer in turn, so that both meet the same noise; ratios above 1 mean that ours is faster. */
const race = async (config, threads, peer) => {
  const ours = await prepareOurs(config, threads);
  const pairs = [];
  let name = "";
  for (let i = 0; i < PAIRS; i++) {
    const theirs = peer.measure === undefined ? undefined : await peer.measure(config);
    pairs.push({ ours: await ours.measure(), theirs: theirs?.ms });
    name = theirs?.peer ?? "";
  }
  await ours.dispose();
  const mine = median(pairs.map((pair) => pair.ours));
  const row = { network: nameOf(config), parameters: countParameters(config), "ms / step": round(mine) };
  if (peer.measure === undefined) return { ...row, "galaxies / s": round((1000 * config.batch) / mine) };
  return {
    ...row,
    [`${name} ms`]: round(median(pairs.map((pair) => pair.theirs))),
    "ratio (median of pairs)": round(median(pairs.map((pair) => pair.theirs / pair.ours)), 2),
    "best of each": round(Math.min(...pairs.map((p) => p.theirs)) / Math.min(...pairs.map((p) => p.ours)), 2),
    "galaxies / s": round((1000 * config.batch) / mine),
  };
};

const scaling = async (threads) => {
  const rows = [];
  for (const batch of [16, 32, 64, 128]) {
    const ours = await prepareOurs({ ...quickstart, batch }, threads);
    const times = [await ours.measure(), await ours.measure(), await ours.measure()];
    await ours.dispose();
    const ms = Math.min(...times);
    rows.push({ batch, "ms / step": round(ms), "ms / galaxy": round(ms / batch, 3) });
  }
  return rows;
};

/** Threads and ways of keeping the state in turn; ratios above 1 are faster than the calling thread that keeps nothing. */
const placing = async (threads) => {
  const ways = [
    { thread: "caller", carried: [] },
    { thread: "caller", carried: state },
    { thread: "worker", carried: [] },
    { thread: "worker", carried: state },
  ];
  const ours = [];
  for (const way of ways) ours.push(await prepareOurs(latents, threads, way));
  const rounds = [];
  for (let i = 0; i < 2 * PAIRS; i++) {
    const times = [];
    for (const one of ours) times.push(await one.measure());
    rounds.push(times);
  }
  for (const one of ours) await one.dispose();
  return ways.map(({ thread, carried }, i) => ({
    thread,
    state: carried.length > 0 ? "carried" : "handed back and forth",
    "ms / step": round(median(rounds.map((times) => times[i]))),
    "ratio (median of rounds)": round(median(rounds.map((times) => times[0] / times[i])), 2),
  }));
};

/** Compiled training step against PyTorch eager on the same network, and its growth with the batch. */
export const engineSection = async ({ root, threads }) => {
  const peer = await findPeer(root, threads);
  const rows = [];
  for (const config of [standard, quickstart]) rows.push(await race(config, threads, peer));
  const note = peer.missing === undefined ? undefined : `race skipped: ${peer.missing}`;
  return [
    { title: `engine: one training step, ${threads} threads`, rows, note },
    { title: `engine: where a step runs (${nameOf(latents)})`, rows: await placing(threads) },
    { title: `engine: growth with the batch (d ${quickstart.dModel})`, rows: await scaling(threads) },
  ];
};
