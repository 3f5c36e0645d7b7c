/** Simulations replayed as if they were of the target's population. */
import { effectiveCount, importanceWeights, resampled } from "./importance.ts";
import { populationFeatures } from "./look.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { spaced } from "./tables.ts";
import { type Lessons, replayOf, rowsOf } from "./teaching.ts";

/** Simulated galaxies among which are drawn, and target rows that they are to be like. */
const [MOST_SIMULATED, MOST_TARGET] = [20_000, 4000];

const spread = (rows: Int32Array, most: number): Int32Array => spaced(rows.length, most).map((i) => rows[i]);

/** Lessons whose simulated galaxies are drawn by weight, and how many unweighted ones they are worth. */
export interface Reweighted {
  readonly lessons: Lessons;
  readonly effective: number;
}

/**
 * The same lessons, their simulated galaxies drawn so that brightness, and what the network expects of the property wanted, are distributed
 * as in the target's rows; undefined where there is nothing to replay, or to be like.
 */
export async function reweightedReplay(lessons: Lessons, network: Checkpoint): Promise<Reweighted | undefined> {
  const { engine, column, recipe, replay } = lessons;
  const [simulated] = replayOf(lessons, network, 1);
  const [real] = rowsOf(lessons.bare, spread(lessons.unlabelled, MOST_TARGET), 1, network.config.isCalibrated);
  if (replay === undefined || simulated === undefined || real === undefined) return undefined;
  const seed = `${recipe.training.seed}:population`;
  const rows = spread(replay.rows, MOST_SIMULATED);
  const ours = await populationFeatures(engine, network, { ...simulated, rows }, column, `${seed}:simulated`);
  const theirs = await populationFeatures(engine, network, real, column, `${seed}:target`);
  const weights = importanceWeights(ours.values, theirs.values, ours.count);
  const drawn = resampled(rows, weights, seed);
  const known = new Set(replay.labelled);
  const own = { ...replay, rows: drawn, labelled: drawn.filter((row) => known.has(row)) };
  return { lessons: { ...lessons, replay: own }, effective: effectiveCount(weights) };
}
