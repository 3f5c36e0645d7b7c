import { describe, expect, test } from "vitest";
import { classTables, redMagnitudes, scoreClasses } from "../../src/inference/class-scores.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const classes = ["galaxy", "star", "quasar"];
const GALAXY = [0.7, 0.2, 0.1];
const STAR = [0.3, 0.6, 0.1];

/** Rows of [true class, probabilities]. */
const answersOf = (rows: readonly (readonly [number, readonly number[]])[]) => ({
  classes,
  truth: rows.map(([truth]) => truth),
  probability: Float64Array.from(rows.flatMap(([, probability]) => probability)),
});

describe("scores of classes", () => {
  // of three galaxies one is taken for a star, of two stars one for a galaxy; no quasars
  const answers = answersOf([
    [0, GALAXY],
    [0, GALAXY],
    [0, STAR],
    [1, STAR],
    [1, GALAXY],
  ]);

  test("have their closed forms, by name", () => {
    const scores = scoreClasses(answers);
    expect(scores.accuracy).toBeCloseTo(3 / 5);
    const { galaxy, star, quasar } = scores.classes;
    expect(galaxy).toMatchObject({ rows: 3, precision: 2 / 3, recall: 2 / 3 });
    expect(galaxy.f1).toBeCloseTo(2 / 3);
    expect(star).toMatchObject({ rows: 2, precision: 1 / 2, recall: 1 / 2, f1: 1 / 2 });
    expect(quasar.rows).toBe(0);
    expect(quasar.f1).toBeNaN();
    expect(scores.macroF1).toBeCloseTo((2 / 3 + 1 / 2) / 2);
    // pairs of a star and a galaxy: 2 right, 1 wrong, 3 ties
    expect(star.areaUnderCurve).toBeCloseTo((2 + 3 / 2) / 6);
    expect(scores.negLogLik).toBeCloseTo(-(2 * Math.log(0.7) + Math.log(0.3) + Math.log(0.6) + Math.log(0.2)) / 5);
    expect(scores.byMagnitude).toBeUndefined();
  });

  test("weights are rows repeated", () => {
    const twice = answersOf(
      [0, 1, 2, 3, 3, 4].map((i) => [[0, 0, 0, 1, 1][i], [GALAXY, GALAXY, STAR, STAR, GALAXY][i]]),
    );
    const [weighted, repeated] = [scoreClasses(answers, { weight: [1, 1, 1, 2, 1] }), scoreClasses(twice)];
    expect(weighted.accuracy).toBeCloseTo(repeated.accuracy);
    expect(weighted.classes.star.f1).toBeCloseTo(repeated.classes.star.f1);
    expect(weighted.classes.star.areaUnderCurve).toBeCloseTo(repeated.classes.star.areaUnderCurve);
    expect(weighted.negLogLik).toBeCloseTo(repeated.negLogLik);
  });

  test("by magnitude: bins of one, from 30 rows on", () => {
    const rows = Array.from({ length: 100 }, (_, i): readonly [number, readonly number[]] => [
      i % 2,
      i % 2 === 0 ? GALAXY : STAR,
    ]);
    rows[0] = [0, STAR];
    const magnitude = Float64Array.from(rows, (_, i) => (i < 40 ? 18.5 : i < 90 ? 19.2 : i < 95 ? 21 : Number.NaN));
    const scores = scoreClasses(answersOf(rows), { magnitude, band: "rSDSS" });
    expect(scores.byMagnitude?.bins.map(({ from, to, rows: count }) => [from, to, count])).toEqual([
      [18, 19, 40],
      [19, 20, 50],
    ]);
    const [bright, faint] = scores.byMagnitude?.bins ?? [];
    expect(bright.f1.galaxy).toBeCloseTo(38 / 39);
    expect(faint.f1).toEqual({ galaxy: 1, star: 1, quasar: Number.NaN });
    const tables = classTables({ CLASS: scores });
    expect(tables.map(({ title }) => title)).toEqual(["CLASS: accuracy 0.990, mean F1 0.990", "CLASS: F1 by rSDSS"]);
    expect(tables[1].rows[1]).toEqual(["19 - 20", "50", "1.000", "1.000", ""]);
  });

  test("magnitudes are those of the broad band nearest r; of a flux below zero there is none", () => {
    const { fields } = loadSurvey("minijpas");
    const j = fields.findIndex(({ name }) => name === "rSDSS");
    const value = new Float32Array(2 * fields.length);
    const state = new Uint8Array(value.length).fill(1);
    // AB 20 in a band of pivot 6245.4
    value[j] = (10 ** (-0.4 * 68.6) * 2.99792458e18) / 6245.4 ** 2 / 1e-19;
    value[fields.length + j] = -1;
    const found = redMagnitudes({ fields, value, state }, Int32Array.of(0, 1));
    expect(found?.band).toBe("rSDSS");
    expect(found?.magnitude[0]).toBeCloseTo(20, 4);
    expect(found?.magnitude[1]).toBeNaN();
  });
});
