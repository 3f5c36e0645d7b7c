/** How well a score parts right answers from wrong ones. */
import type { SelectionCurve } from "../report/figure-selection.ts";

/** Most steps of a curve. */
const STEPS = 300;
/** Completeness at which purities are told. */
const COMPLETENESS = 0.9;

/**
 * What is kept as the least score falls: receiver operating characteristic (Fawcett 2006, Pattern Recognition Letters 27,
 * 861) and purity. The area counts ties half, as {@link areaUnderCurve} of classes does. Rows of equal score come together.
 * @param score [n] The higher, the surer.
 * @param weight [n] How many objects a row stands for.
 */
export function selectionCurve(
  label: string,
  score: ArrayLike<number>,
  isRight: readonly boolean[],
  weight: ArrayLike<number>,
): SelectionCurve {
  const order = Array.from(isRight.keys()).sort((a, b) => score[b] - score[a]);
  const total = [0, 0];
  for (const row of order) total[Number(isRight[row])] += weight[row];
  const [wrongKept, rightKept, purity] = [[0], [0], [] as number[]];
  let [wrong, right, area, purity90] = [0, 0, 0, Number.NaN];
  for (let start = 0; start < order.length;) {
    const before = { wrong, right };
    let end = start;
    for (; end < order.length && score[order[end]] === score[order[start]]; end++) {
      if (isRight[order[end]]) right += weight[order[end]];
      else wrong += weight[order[end]];
    }
    start = end;
    area += ((wrong - before.wrong) * (right + before.right)) / 2;
    if (Number.isNaN(purity90) && right >= COMPLETENESS * total[1] * (1 - 1e-12)) purity90 = right / (right + wrong);
    wrongKept.push(wrong / total[0]);
    rightKept.push(right / total[1]);
    purity.push(right / (right + wrong));
  }
  // nothing kept is as pure as the first that is
  purity.unshift(purity[0]);
  const thinned = (values: number[]): number[] => {
    const every = Math.ceil(values.length / STEPS);
    return values.filter((_, i) => i % every === 0 || i === values.length - 1);
  };
  return {
    label,
    wrongKept: thinned(wrongKept),
    rightKept: thinned(rightKept),
    purity: thinned(purity),
    area: area / (total[0] * total[1]),
    purity90,
  };
}

/**
 * The least score of the largest sample, cut in score, that has a purity; undefined where none has. Rows of equal score are
 * kept or cut together.
 * @param weight [n] How many objects a row stands for.
 */
export function thresholdFor(
  score: ArrayLike<number>,
  isRight: readonly boolean[],
  weight: ArrayLike<number>,
  purity: number,
): number | undefined {
  const order = Array.from(isRight.keys()).sort((a, b) => score[b] - score[a]);
  let [right, kept] = [0, 0];
  let least: number | undefined;
  order.forEach((row, place) => {
    kept += weight[row];
    if (isRight[row]) right += weight[row];
    const isLast = place + 1 === order.length || score[order[place + 1]] !== score[row];
    if (isLast && right >= purity * kept * (1 - 1e-12)) least = score[row];
  });
  return least;
}
