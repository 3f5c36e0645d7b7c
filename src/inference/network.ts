import * as tf from "@tensorflow/tfjs-core";
import type { Arrays, Compiled, Engine, NdArray } from "../engine/contract.ts";
import { fillMasks, maskSignature } from "../model/dropout.ts";
import { headOf } from "../model/heads.ts";
import { constantsOf } from "../model/parameters.ts";
import type { Family, Readout } from "../model/readouts.ts";
import { marginalsAt } from "../model/marginals.ts";
import { latentSize } from "../model/stems.ts";
import { encode, nextConditional, queryContext, readoutsOf, stateSize } from "../model/transformer.ts";
import type { Rng } from "../random.ts";
import { batchOf, createGraphs, type Graphs, inBatches } from "./network-graphs.ts";
import type { Catalog } from "../survey/catalog.ts";
import { contextSignature, fillContext } from "../tokens/hosts.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { coderOf, type NetworkCoder } from "../train/config.ts";
import { onTiles } from "../train/tile-offsets.ts";
import { decodeStates, type RawSpectra } from "./network-spectra.ts";

/** The states of knowledge about some galaxies. */
export interface States {
  readonly rowCount: number;
  /** [rowCount, size] */
  readonly state: Float32Array;
  /** [rowCount] Scale that each row's band values are relative to; see `tokens/scale.ts`. */
  readonly scales: Float64Array;
}

/** Raw numbers of some fields' marginals. */
export interface RawAnswers {
  /** Column of the field. */
  readonly field: number;
  readonly family: Family;
  /** [rowCount, width] */
  readonly raw: Float32Array;
}

/** A question to many draws at once: where the chain of each draw stands. */
export interface ChainStep {
  /** Column of the field to ask. */
  readonly field: number;
  /** [lanes, width] Its marginal, lane by lane. */
  readonly marginal: Float32Array;
  /** Column of the field asked before, and [lanes] the encoded values drawn for it; absent at the start. */
  readonly before?: { readonly field: number; readonly value: Float32Array };
}

/** A chain of ordered questions to up to `lanes` draws; draws look at the state of the galaxy they belong to. */
export interface Chain {
  readonly lanes: number;
  /** Raw numbers [lanes, width] of the next answer. */
  ask(this: void, step: ChainStep): Promise<Float32Array>;
}

/**
 * A checkpoint's network with averaged weights, in three graphs: given values to states, states to marginals, and the next
 * of ordered queries. Sizes come in steps, so that the number of compiled graphs is bounded whatever is asked.
 */
export interface Network {
  readonly coder: NetworkCoder;
  /** Numbers of a state that are the latent tokens'; what the carried galaxies say stands behind them. */
  readonly latentSize: number;
  /**
   * Knowledge about `rows` of a catalogue; `isGiven` holds one flag per field, unobserved ones are ignored. With `rngOf`,
   * which gives each of `rows` its masks, part of a network that was trained with dropout is dropped.
   */
  encode(catalog: Catalog, rows: ArrayLike<number>, isGiven: Uint8Array, rngOf?: RngOf): Promise<States>;
  /** Marginals of the fields in columns `wanted`, in that order. */
  read(states: States, wanted: readonly number[]): Promise<RawAnswers[]>;
  /** The spectra in a column, of a network that answers them. */
  readSpectra(states: States, column: number): Promise<RawSpectra>;
  /** Family of the field in a column. */
  familyOf(column: number): Family;
  /**
   * Runs one chain of `questions` ordered questions at a time: draws `lanes` of galaxies `galaxy` [lanes] of `states`.
   * `work` asks; the chain is over when it returns.
   */
  chain<R>(states: States, galaxy: Int32Array, questions: number, work: (chain: Chain) => Promise<R>): Promise<R>;
  dispose(): Promise<void>;
}

/** The stream of a row, by its place among those asked about. */
export type RngOf = (i: number) => Rng;

/** Draws per run, and the galaxies that they may belong to. */
const LANES = [
  { lanes: 64, galaxies: 64 },
  { lanes: 1024, galaxies: 64 },
] as const;
/** Draws that one chain can hold. */
export const MOST_LANES = 1024;
export const MOST_CHAIN_GALAXIES = 64;

const upTo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)));
const float = (...shape: number[]) => ({ dtype: "float32", shape }) as const;
const int = (...shape: number[]) => ({ dtype: "int32", shape }) as const;

/** What the graphs of one network share. */
interface Parts {
  readonly checkpoint: Checkpoint;
  readonly coder: NetworkCoder;
  readonly families: readonly Family[];
  readonly graphs: Graphs;
  readonly size: number;
}

const widthOf = ({ spec }: Pick<Family, "spec">): number => headOf(spec).width(spec);

async function encodeRows(
  { checkpoint, coder, graphs, size }: Parts,
  catalog: Catalog,
  rows: ArrayLike<number>,
  isGiven: Uint8Array,
  rngOf: RngOf | undefined,
): Promise<States> {
  const { config, layout, state: weights } = checkpoint;
  const batch = batchOf(rows.length);
  const masks = rngOf === undefined ? {} : maskSignature(batch, config.model, coder);
  const signature = { ...contextSignature(batch, coder), ...masks };
  const compiled = await graphs.get(
    `states of ${batch} galaxies${rngOf === undefined ? "" : ", part dropped"}`,
    (inputs) => ({
      state: encode(config.model, coder, constantsOf(weights.average, layout), inputs, config.isCalibrated),
    }),
    signature,
  );
  const state = new Float32Array(rows.length * size);
  const scales = new Float64Array(rows.length);
  await inBatches(rows.length, batch, signature, compiled, {
    fill(arrays, start, count) {
      for (let b = 0; b < count; b++) {
        scales[start + b] = fillContext(arrays, b, coder, { catalog, row: rows[start + b], isContext: isGiven });
        arrays.isCalibrated.data[b] = config.isCalibrated ? 1 : 0;
        if (rngOf !== undefined) fillMasks(arrays, b, config.model, rngOf(start + b));
      }
    },
    take: (out, start, count) => state.set((out.state.data as Float32Array).subarray(0, count * size), start * size),
  });
  return { rowCount: rows.length, state, scales };
}

interface Wanted {
  readonly family: Family;
  readonly readout: Readout;
  /** Places in the question, and among the read-out's members. */
  readonly places: number[];
  readonly slots: number[];
}

/** What is asked of every read-out. */
function byReadout(families: readonly Family[], wanted: readonly number[]): Wanted[] {
  return families.flatMap((family) =>
    family.readouts.flatMap((readout): Wanted[] => {
      const places = wanted.flatMap((column, place) => (readout.members.includes(column) ? [place] : []));
      if (places.length === 0) return [];
      return [{ family, readout, places, slots: places.map((place) => readout.members.indexOf(wanted[place])) }];
    }),
  );
}

/** Marginals of one read-out's fields for all states. */
async function readFrom(
  { checkpoint, coder, graphs, size }: Parts,
  states: States,
  { family, readout, places, slots }: Wanted,
  wanted: readonly number[],
): Promise<{ place: number; answers: RawAnswers }[]> {
  const { layout, state: weights } = checkpoint;
  const batch = batchOf(states.rowCount);
  const count = Math.min(upTo(slots.length), readout.members.length);
  const signature = { state: float(batch, size), slot: int(count) };
  const compiled = await graphs.get(
    `${readout.name}, ${count} answers of ${batch} galaxies`,
    ({ state, slot }) => ({
      raw: marginalsAt(coder, constantsOf(weights.average, layout), state as tf.Tensor2D, readout, slot as tf.Tensor1D),
    }),
    signature,
  );
  const width = widthOf(family);
  const raws = places.map(() => new Float32Array(states.rowCount * width));
  const asked = Int32Array.from({ length: count }, (_, i) => slots[i] ?? slots[0]);
  await inBatches(states.rowCount, batch, signature, compiled, {
    fill(arrays, start, rows) {
      (arrays.state.data as Float32Array).set(states.state.subarray(start * size, (start + rows) * size));
      (arrays.slot.data as Int32Array).set(asked);
    },
    take({ raw: { data } }, start, rows) {
      raws.forEach((raw, i) => {
        for (let b = 0; b < rows; b++) {
          const from = (b * count + i) * width;
          for (let k = 0; k < width; k++) raw[(start + b) * width + k] = data[from + k]!;
        }
      });
    },
  });
  return places.map((place, i) => ({ place, answers: { field: wanted[place], family, raw: raws[i] } }));
}

/** The same numbers, with zeros behind them up to `length`. */
function padded<T extends Float32Array | Int32Array>(data: T, length: number): T {
  if (data.length === length) return data;
  const longer = data instanceof Float32Array ? new Float32Array(length) : new Int32Array(length);
  longer.set(data);
  return longer as T;
}

/** The graph of the next ordered query. Keys and values of the queries before it stay in the executor. */
function chainGraph(
  { checkpoint, coder, graphs, size }: Parts,
  { lanes, galaxies }: (typeof LANES)[number],
  places: number,
  family: Family,
): Promise<Compiled> {
  const { config, layout, state: weights } = checkpoint;
  const { nQueryLayer, dQuery } = config.model;
  const past = float(lanes, nQueryLayer, places, dQuery);
  return graphs.get(
    `next of ordered answers${family.suffix}, ${lanes} draws after ${places}`,
    (inputs) => {
      const params = constantsOf(weights.average, layout);
      const all = queryContext(config.model, coder, params, inputs.state as tf.Tensor2D);
      const context = {
        known: tf.gather<tf.Tensor2D>(all.known, inputs.galaxy),
        memory: tf.gather<tf.Tensor3D>(all.memory, inputs.galaxy),
      };
      const targets = {
        targetField: inputs.before,
        targetValue: inputs.value,
        targetSigma: tf.zerosLike(inputs.value),
      };
      const marginal = { suffix: family.suffix, raw: inputs.marginal as tf.Tensor3D };
      const question = { field: inputs.field, isFirst: inputs.isFirst, marginal, targets };
      const seen = { key: inputs.pastKey, value: inputs.pastValue, isFilled: inputs.isFilled };
      const { raw, key, value } = nextConditional(config.model, coder, params, context, question, seen);
      const here = tf.reshape(inputs.place, [1, 1, places, 1]);
      const keep = (old: tf.Tensor, own: tf.Tensor): tf.Tensor =>
        tf.add(tf.mul(old, tf.sub(1, here)), tf.mul(own, here));
      return { raw, pastKey: keep(inputs.pastKey, key), pastValue: keep(inputs.pastValue, value) };
    },
    {
      state: float(galaxies, size),
      galaxy: int(lanes),
      field: int(1),
      isFirst: float(),
      marginal: float(lanes, 1, widthOf(family)),
      before: int(lanes, 1),
      value: float(lanes, 1),
      isFilled: float(places),
      place: float(places),
      pastKey: past,
      pastValue: past,
    },
    ["pastKey", "pastValue"],
  );
}

/** One chain: `questions` ordered questions to the draws of `galaxy`. */
async function runChain<R>(
  parts: Parts,
  states: States,
  galaxy: Int32Array,
  questions: number,
  work: (chain: Chain) => Promise<R>,
): Promise<R> {
  const { families, size, checkpoint } = parts;
  const room = LANES.find(({ lanes }) => galaxy.length <= lanes);
  if (room === undefined || states.rowCount > room.galaxies) {
    throw new Error(
      `chain: ${galaxy.length} draws of ${states.rowCount} galaxies, expected at most ${MOST_LANES} of ${MOST_CHAIN_GALAXIES}`,
    );
  }
  const { lanes, galaxies } = room;
  const places = Math.max(8, upTo(questions - 1));
  const { nQueryLayer, dQuery } = checkpoint.config.model;
  const state = { ...float(galaxies, size), data: padded(states.state, galaxies * size) };
  const ofGalaxy = { ...int(lanes), data: padded(galaxy, lanes) };
  const past = float(lanes, nQueryLayer, places, dQuery);
  const blank = (): NdArray => ({ ...past, data: new Float32Array(lanes * nQueryLayer * places * dQuery) });
  let last: Compiled | undefined;
  let asked = 0;
  const ask = async ({ field, marginal, before }: ChainStep): Promise<Float32Array> => {
    const family = families.find(({ members }) => members.includes(field))!;
    const width = widthOf(family);
    const compiled = await chainGraph(parts, room, places, family);
    // keys and values stay where they are, unless another kind of answer is asked by another graph
    const moved: Arrays =
      last === undefined
        ? { pastKey: blank(), pastValue: blank() }
        : last === compiled
          ? {}
          : await last.take(["pastKey", "pastValue"]);
    const places1 = (isOne: (i: number) => boolean): NdArray => ({
      ...float(places),
      data: Float32Array.from({ length: places }, (_, i) => (isOne(i) ? 1 : 0)),
    });
    const step = asked++;
    const out = await compiled.run({
      state,
      galaxy: ofGalaxy,
      field: { ...int(1), data: Int32Array.of(field) },
      isFirst: { ...float(), data: Float32Array.of(before === undefined ? 1 : 0) },
      marginal: { ...float(lanes, 1, width), data: padded(marginal, lanes * width) },
      before: { ...int(lanes, 1), data: new Int32Array(lanes).fill(before?.field ?? 0) },
      value: { ...float(lanes, 1), data: padded(before?.value ?? new Float32Array(0), lanes) },
      isFilled: places1((i) => i < step),
      place: places1((i) => i === step),
      ...moved,
    });
    last = compiled;
    return (out.raw.data as Float32Array).subarray(0, galaxy.length * width);
  };
  return work({ lanes: galaxy.length, ask });
}

/** Compiles the network of a checkpoint as questions come. */
export function createNetwork(engine: Engine, checkpoint: Checkpoint): Network {
  const { model } = checkpoint.config;
  const coder = coderOf(checkpoint.config, checkpoint.templates);
  const families = readoutsOf(model, coder);
  const graphs = createGraphs(engine);
  const parts: Parts = { checkpoint, coder, families, graphs, size: stateSize(model, coder) };
  const tiles = checkpoint.config.isCalibrated ? (checkpoint.tiles ?? []) : [];
  const known = new WeakMap<Catalog, Catalog>();
  /** The catalogue with the zero-points of its tiles. */
  const seenAs = (catalog: Catalog): Catalog => {
    const own = known.get(catalog) ?? onTiles(coder, catalog, tiles);
    known.set(catalog, own);
    return own;
  };
  let chains: Promise<unknown> = Promise.resolve();
  return {
    coder,
    latentSize: latentSize(model),
    encode: (catalog, rows, isGiven, rngOf) => encodeRows(parts, seenAs(catalog), rows, isGiven, rngOf),
    async read(states, wanted) {
      const found: RawAnswers[] = [];
      for (const part of byReadout(families, wanted)) {
        for (const { place, answers } of await readFrom(parts, states, part, wanted)) found[place] = answers;
      }
      return found;
    },
    readSpectra: (states, column) => decodeStates(parts, states, column),
    familyOf: (column) => families.find(({ members }) => members.includes(column))!,
    chain(states, galaxy, questions, work) {
      // one at a time: the keys and values of a chain are the executor's
      const run = chains.then(() => runChain(parts, states, galaxy, questions, work));
      chains = run.catch(() => {});
      return run;
    },
    async dispose() {
      await chains;
      await graphs.dispose();
    },
  };
}
