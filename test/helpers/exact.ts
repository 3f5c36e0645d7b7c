import type { Network } from "../../src/inference/network.ts";
import { asking, type Predictor, readRaw } from "../../src/inference/predict.ts";
import { createJudge } from "../../src/inference/trust.ts";
import type { Family } from "../../src/model/readouts.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import type { NetworkCoder } from "../../src/train/config.ts";
import { condition, createWorld, scaleOf } from "./gaussian.ts";

type World = ReturnType<typeof createWorld>;

/**
 * A predictor that answers for the properties of the Gaussian world whose encoded values are linear in g (all but `line`) as
 * the world does, to rounding: marginals and ordered answers from closed forms. `catalog`
 * is what it is asked about; the errors of what is given are `noise` [row, field] in g.
 */
export function exactPredictor(world: World, catalog: Catalog, noise: Float64Array): Predictor {
  const { fields } = world;
  const n = fields.length;
  const coder = createFieldCoder(fields, fitStandardisation(catalog, allRows(catalog))) as NetworkCoder;
  const members = Int32Array.from(fields.keys());
  const family: Family = { spec: { head: "mixture", components: 1 }, members, suffix: "", readouts: [] };
  const encodeAt = (j: number, g: number): number => coder.encode(j, scaleOf(world, j).toUnit(g), 0);
  const slope = (j: number): number => encodeAt(j, 1) - encodeAt(j, 0);
  /** Mixture of one component of g_j given what is known. */
  const rawOf = (j: number, known: ReadonlyMap<number, readonly [number, number]>): number[] => {
    const value = (k: number): number => known.get(k)![0];
    const error = (k: number): number => known.get(k)![1];
    const { mean, covariance } = condition(world, [...known.keys()], [j], value, error);
    return [0, encodeAt(j, mean[0]), Math.log(slope(j) * Math.sqrt(covariance[0][0]))];
  };
  /** A state is a row of the catalogue and the flags of what is known there. */
  const knownOf = (state: Float32Array): Map<number, readonly [number, number]> => {
    const row = state[0];
    const seen = fields.flatMap((_, j) => (state[1 + j] === 1 ? [j] : []));
    return new Map(
      seen.map((j) => [j, [scaleOf(world, j).fromUnit(catalog.value[row * n + j]), noise[row * n + j]]] as const),
    );
  };
  const size = n + 1;
  const network: Network = {
    coder,
    latentSize: size,
    familyOf: () => family,
    readSpectra: () => Promise.reject(new Error("a world without spectra")),
    async encode(asked, rows, isGiven) {
      const state = new Float32Array(rows.length * size);
      Array.from(rows).forEach((row, i) => {
        state[i * size] = row;
        isGiven.forEach((given, j) => {
          state[i * size + 1 + j] = Number(given === 1 && asked.state[row * n + j] === State.measured);
        });
      });
      return { rowCount: rows.length, state, scales: new Float64Array(rows.length) };
    },
    async read({ state, rowCount }, wanted) {
      const of = (i: number): Float32Array => state.subarray(i * size, (i + 1) * size);
      return wanted.map((field) => ({
        field,
        family,
        raw: Float32Array.from(Array.from({ length: rowCount }, (_, i) => rawOf(field, knownOf(of(i)))).flat()),
      }));
    },
    async chain({ state }, galaxy, _questions, work) {
      const lanes = Array.from(galaxy, (g) => knownOf(state.subarray(g * size, (g + 1) * size)));
      return work({
        lanes: galaxy.length,
        async ask({ field, before }) {
          if (before !== undefined) {
            const zero = encodeAt(before.field, 0);
            lanes.forEach((known, i) => known.set(before.field, [(before.value[i] - zero) / slope(before.field), 0]));
          }
          return Float32Array.from(lanes.flatMap((known) => rawOf(field, known)));
        },
      });
    },
    dispose: async () => {},
  };
  const predict: Predictor["predict"] = async (asked, rows, isGiven, wanted) => {
    const given = isGiven.map((flag, j) => (wanted.includes(j) ? 0 : flag));
    const states = await network.encode(asked, rows, given);
    const raws = await network.read(states, wanted);
    return {
      rowCount: rows.length,
      wanted,
      scales: states.scales,
      encoded: raws.map(({ raw }) => readRaw(family, raw)),
      asked: { catalog: asked, rows, isGiven: given, wanted, states },
    };
  };
  const judge = createJudge(network);
  const ask = asking({ coder, judge }, predict);
  return { coder, network, recalibrator: undefined, predict, judge, ask, dispose: async () => {} };
}
