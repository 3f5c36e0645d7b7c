import { expect, test } from "vitest";
import { selectionCurve } from "../../src/inference/selection.ts";
import { createRng } from "../../src/random.ts";

const rng = createRng("selection");
const n = 400;
const isRight = Array.from({ length: n }, () => rng.uniform() < 0.7);
// coarse scores, so that many are equal
const score = Float64Array.from(isRight, (isSo) => Math.round(4 * (rng.normal() + (isSo ? 1 : 0))) / 4);
const weight = Float64Array.from(isRight, () => 0.2 + rng.uniform());

test("the area is the weighted share of pairs in which the right one scores higher, ties half", () => {
  let [won, pairs] = [0, 0];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (!isRight[i] || isRight[j]) continue;
      pairs += weight[i] * weight[j];
      won += weight[i] * weight[j] * (score[i] > score[j] ? 1 : score[i] === score[j] ? 0.5 : 0);
    }
  }
  expect(selectionCurve("x", score, isRight, weight).area).toBeCloseTo(won / pairs, 10);
});

test("of two Gaussians a sigma apart it is Phi(1 / sqrt 2)", () => {
  const many = Array.from({ length: 40_000 }, () => rng.uniform() < 0.5);
  const values = Float64Array.from(many, (isSo) => rng.normal() + (isSo ? 1 : 0));
  const { area, wrongKept, rightKept } = selectionCurve("x", values, many, new Float64Array(many.length).fill(1));
  expect(Math.abs(area - 0.7602)).toBeLessThan(0.01);
  expect(wrongKept.length).toBeLessThanOrEqual(302);
  expect([wrongKept[0], rightKept[0]]).toEqual([0, 0]);
  expect(Array.from(rightKept).at(-1)).toBeCloseTo(1, 10);
});

test("purity at 90 % completeness is that of the smallest sample that is as complete", () => {
  const known = [true, true, true, true, true, true, true, true, false, true, false, true];
  const falling = Float64Array.from(known, (_, i) => -i);
  const even = new Float64Array(known.length).fill(1);
  // 9 of 10 right ones are in once the tenth row is kept, with one wrong one
  expect(selectionCurve("x", falling, known, even).purity90).toBeCloseTo(9 / 10, 10);
  const flat = selectionCurve("x", new Float64Array(known.length), known, even);
  expect([flat.area, flat.purity90]).toEqual([0.5, 10 / 12]);
});
