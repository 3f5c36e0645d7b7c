import { describe, expect, test } from "vitest";
import { scoreField, scoreTogether } from "../../src/inference/metrics.ts";
import { unitsOf } from "../../src/inference/resampling.ts";
import { bootstrap, meanOf } from "../../src/inference/weighted.ts";
import { createRng, type Rng } from "../../src/random.ts";

const TILES = 30;
const PARENTS = 8;
const TWINS = 2;
/** Deviations of what a tile, a parent and a row have of their own. */
const [S_TILE, S_PARENT, S_ROW] = [0.5, 1, 0.7];
const COUNT = TILES * PARENTS * TWINS;

const tile = Array.from({ length: COUNT }, (_, i) => `t${Math.floor(i / (PARENTS * TWINS))}`);
const parentId = Array.from({ length: COUNT }, (_, i) => `p${Math.floor(i / TWINS)}`);
const rowId = parentId.map((_, i) => String(i));

function draw(rng: Rng): Float64Array {
  const tiles = Array.from({ length: TILES }, () => S_TILE * rng.normal());
  const parents = Array.from({ length: TILES * PARENTS }, () => S_PARENT * rng.normal());
  return Float64Array.from(
    { length: COUNT },
    (_, i) => tiles[Math.floor(i / (PARENTS * TWINS))] + parents[Math.floor(i / TWINS)] + S_ROW * rng.normal(),
  );
}

/** Variance of the mean that a bootstrap by `unit` tells, averaged over worlds. */
function toldVariance(unit: ArrayLike<string | number>): number {
  const worlds = 60;
  let sum = 0;
  for (let world = 0; world < worlds; world++) {
    const statistic = meanOf(draw(createRng(`world ${world}`)));
    const means = bootstrap(unit, undefined, 400, createRng(`draws ${world}`), (w) => Float64Array.of(statistic(w)));
    const centre = means.reduce((total, [x]) => total + x, 0) / means.length;
    sum += means.reduce((total, [x]) => total + (x - centre) ** 2, 0) / means.length / worlds;
  }
  return sum;
}

describe("resampling in clusters", () => {
  const [tileTerm, parentTerm, rowTerm] = [S_TILE ** 2 / TILES, S_PARENT ** 2 / (TILES * PARENTS), S_ROW ** 2 / COUNT];
  test("by tile has the variance of the mean of all three stages, in closed form", () => {
    const units = unitsOf({ tile, parentId });
    expect([units.by, units.count]).toEqual(["tile", TILES]);
    // a cluster bootstrap of m units tells (m - 1) / m of it; 60 worlds know it to sqrt(2 / 29 / 60) = 3.4 %
    const expected = (tileTerm + parentTerm + rowTerm) * (1 - 1 / TILES);
    expect(Math.abs(toldVariance(units.of) / expected - 1)).toBeLessThan(0.1);
  });
  test("by parent knows nothing of what tiles share, by row nothing of what twins share", () => {
    const { by, of } = unitsOf({ parentId });
    expect(by).toBe("parent");
    // the scatter between tiles enters as if each parent had its own
    const spread = (S_TILE ** 2 + S_PARENT ** 2) / (TILES * PARENTS) + rowTerm;
    expect(Math.abs(toldVariance(of) / spread - 1)).toBeLessThan(0.1);
    expect(toldVariance(rowId)).toBeLessThan(0.7 * spread);
    expect(spread).toBeLessThan(0.65 * (tileTerm + parentTerm + rowTerm));
  });
  test("tiles that share a parent are one unit, and few tiles are none", () => {
    const chain = Array.from({ length: 24 }, (_, i) => `t${Math.floor(i / 2)}`);
    const apart = chain.map((_, i) => `p${i}`);
    expect(unitsOf({ tile: chain, parentId: apart })).toMatchObject({ by: "tile", count: 12 });
    const twin = apart.with(2, "p0").with(5, "p3"); // t0 - t1, t1 - t2
    const joined = unitsOf({ tile: chain, parentId: twin });
    expect(joined).toMatchObject({ by: "tile", count: 10 });
    expect(new Set(joined.of.subarray(0, 6)).size).toBe(1);
    expect(unitsOf({ tile: chain, parentId: twin.with(7, "p6").with(8, "p6") })).toMatchObject({
      by: "parent",
      count: 20,
    });
    expect(unitsOf({ tile: [], parentId: [] })).toMatchObject({ by: "parent", count: 0 });
  });
});

test("answers scored together are what each is alone", () => {
  const rng = createRng("together");
  const some = () => Float64Array.from({ length: 60 }, () => rng.uniform());
  const predictions = () => ({
    truth: some(),
    point: some(),
    pit: some(),
    crps: some(),
    negLogLik: some(),
    unit: rows,
  });
  const rows = Array.from({ length: 60 }, (_, i) => i >> 1);
  const answers = [
    { predictions: predictions(), kind: "redshift" as const },
    { predictions: predictions(), kind: "log" as const },
  ];
  const options = () => ({ rng: createRng("draws"), resamples: 50 });
  expect(scoreTogether(answers, options())).toEqual(
    answers.map(({ predictions: p, kind }) => scoreField(p, kind, options())),
  );
});
