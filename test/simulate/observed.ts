import { createObserver, type Observer } from "../../src/simulate/observer.ts";
import { simulationOptions, type SimulationInput } from "../../src/simulate/options.ts";
import { createPassbands } from "../../src/simulate/passband.ts";
import { loadSurvey, type Survey } from "../../src/survey/survey.ts";

export const survey = loadSurvey("minijpas");
export const bandsOf = (one: Survey) =>
  one.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
export const bands = bandsOf(survey);
const passbands = createPassbands(bands);
export const pivots = passbands.map(({ pivot }) => pivot);
export const isOptical = bands.map(({ band }) => band.group !== "uv");

/** An observer of miniJPAS without missing bands and Milky Way dust, and without what errors don't know of, unless asked. */
export const make = (input: SimulationInput = {}): Observer =>
  createObserver(
    survey,
    passbands,
    simulationOptions.parse({
      missingFraction: 0,
      uvCoverage: 1,
      foreground: { ebv: 0 },
      systematics: 0,
      depthScatter: 0,
      ...input,
    }),
  );

/** An object of the same flux in all bands. */
export const flat = (value: number) => ({ flux: new Float64Array(bands.length).fill(value) });

export const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/** R^2 of the least-squares fit of y by the columns and a constant (normal equations, Gauss elimination). */
export function regression(y: readonly number[], columns: readonly (readonly number[])[]): number {
  const centred = [...columns, y].map((values) => {
    const average = mean(values);
    return values.map((x) => x - average);
  });
  const scaled = centred.map((values) => {
    const size = Math.sqrt(mean(values.map((x) => x * x))) || 1;
    return values.map((x) => x / size);
  });
  const n = columns.length;
  const target = scaled[n];
  const dot = (a: readonly number[], b: readonly number[]): number => mean(a.map((x, i) => x * b[i]));
  const rows = Array.from({ length: n }, (_, i) => [
    ...Array.from({ length: n }, (_unused, j) => dot(scaled[i], scaled[j]) + (i === j ? 1e-9 : 0)),
    dot(scaled[i], target),
  ]);
  for (let i = 0; i < n; i++) {
    for (let k = i + 1; k < n; k++) {
      const factor = rows[k][i] / rows[i][i];
      for (let j = i; j <= n; j++) rows[k][j] -= factor * rows[i][j];
    }
  }
  const beta = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    beta[i] = (rows[i][n] - beta.reduce((sum, b, j) => (j > i ? sum + b * rows[i][j] : sum), 0)) / rows[i][i];
  }
  return beta.reduce((sum, b, i) => sum + b * dot(scaled[i], target), 0);
}
