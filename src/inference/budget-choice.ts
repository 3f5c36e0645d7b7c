/** Which way of a label budget is kept, by labels; and simulations in the place of the target. */
import { allRows, type Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { NetworkCoder } from "../train/config.ts";
import { observedSample } from "../train/observed.ts";
import { correctRows } from "../train/spectral-correction.ts";
import type { PartRows } from "../train/tables.ts";
import { wayNames, type WayName, ways } from "../train/ways.ts";
import type { Instrument } from "../train/zero-points.ts";
import type { Question } from "./evaluate.ts";

export const meanOf = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, x) => sum + x, 0) / Math.max(1, values.length);

/** What is kept unless another way is better by more than its error: its labels answer for networks that are averaged later. */
const USUAL: WayName = "folds";

/**
 * The way to be kept, by each one's loss of the same rows: the usual one, unless another has a lower mean by more than the error
 * of their difference; where the usual one wasn't made, the lowest mean; `otherwise` where nothing was measured.
 */
export function chooseWay(losses: Partial<Readonly<Record<WayName, readonly number[]>>>, otherwise: WayName): WayName {
  // what needs another prior beside it is no network that answers by itself
  const own = wayNames.filter((name) => ways[name].isSwapped !== true);
  const known = own.filter((name) => Number.isFinite(meanOf(losses[name] ?? [Number.NaN])));
  const usual = losses[USUAL];
  const isBetter = (name: WayName): boolean => {
    if (usual === undefined || !known.includes(USUAL) || name === USUAL) return true;
    const gains = usual.map((loss, i) => loss - losses[name]![i]);
    const mean = meanOf(gains);
    const error = Math.sqrt(meanOf(gains.map((gain) => (gain - mean) ** 2)) / gains.length);
    return mean > error;
  };
  const best = known.filter(isBetter).sort((a, b) => meanOf(losses[a]!) - meanOf(losses[b]!));
  return best[0] ?? otherwise;
}

/** Simulated galaxies that are asked about, at most. */
const MOST_ROWS = 1000;

/**
 * The target as it would be if the corrected simulations, and the zero-points, were all there is to it: held-out simulated galaxies,
 * and those of them that know what is asked.
 */
export function simulatedTarget(
  coder: NetworkCoder,
  question: Question,
  part: PartRows,
  instrument: Instrument,
): { readonly catalog: Catalog; readonly question: Question; readonly judged: Int32Array } {
  const store = correctRows(coder, part.store, instrument.correction);
  const catalog = observedSample({ store, rows: part.rows }, coder.fields, MOST_ROWS, "simulated target");
  const all = allRows(catalog);
  for (const i of all) {
    for (const [b, { lnFlux }] of instrument.zeroPoints.entries()) {
      const at = i * coder.nField + coder.groups.band[b];
      catalog.value[at] *= Math.exp(-lnFlux);
      catalog.error[at] *= Math.exp(-lnFlux);
    }
  }
  const isKnown = (row: number, j: number): boolean => catalog.state[row * coder.nField + j] === State.measured;
  const judged = all.filter((row) => question.wanted.some((j) => isKnown(row, j)));
  return { catalog, question, judged };
}
