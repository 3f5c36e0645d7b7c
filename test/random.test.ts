import { describe, expect, it } from "vitest";
import { createRng, quickRng, type Rng } from "../src/random.ts";
import { erf } from "../src/simulate/special.ts";

const N = 400_000;
/** Kolmogorov's distance of sorted values to a distribution, in units that exceed 1.95 once in a thousand times. */
function kolmogorov(sorted: Float64Array, cdf: (x: number) => number): number {
  let worst = 0;
  sorted.forEach((x, i) => {
    const at = cdf(x);
    worst = Math.max(worst, Math.abs(at - i / sorted.length), Math.abs(at - (i + 1) / sorted.length));
  });
  return worst * Math.sqrt(sorted.length);
}
const normalCdf = (x: number): number => 0.5 * (1 + erf(x / Math.SQRT2));

describe("a quick stream", () => {
  it("is a function of where its parent stands, which it moves by three numbers", () => {
    const [a, b, plain] = ["seed", "seed", "seed"].map(createRng);
    const take = (rng: Rng): number[] =>
      Array.from({ length: 30 }, () => [rng.uniform(), rng.normal(), rng.integer(7)]).flat();
    const first = take(quickRng(a));
    expect(take(quickRng(b))).toStrictEqual(first);
    for (let i = 0; i < 3; i++) plain.uniform();
    expect(a.uniform()).toBe(plain.uniform());
    const next = take(quickRng(a));
    expect(next.filter((x, i) => x === first[i] && i % 3 < 2)).toStrictEqual([]);
  });

  it("fills an array with the normals that it would give one by one, and goes on from there", () => {
    const [one, many] = ["seed", "seed"].map((seed) => quickRng(createRng(seed)));
    const filled = new Float64Array(5000);
    many.fillNormals(filled);
    expect(filled).toStrictEqual(Float64Array.from({ length: 5000 }, () => one.normal()));
    expect(many.uniform()).toBe(one.uniform());
  });

  it("is uniform and normal, also beyond the ziggurat's last layer, one number not knowing the one before", () => {
    const rng = quickRng(createRng("judged"));
    const uniforms = Float64Array.from({ length: N }, () => rng.uniform());
    const normals = Float64Array.from({ length: N }, () => rng.normal());
    const lag = (x: Float64Array, centre: number): number =>
      x.reduce((sum, value, i) => (i === 0 ? sum : sum + (value - centre) * (x[i - 1] - centre)), 0) / N;
    expect(Math.abs(lag(normals, 0)) * Math.sqrt(N)).toBeLessThan(3.5);
    expect(12 * Math.abs(lag(uniforms, 0.5)) * Math.sqrt(N)).toBeLessThan(3.5);
    const far = normals.filter((x) => Math.abs(x) > 3.5);
    const expected = N * 2 * normalCdf(-3.5);
    expect(Math.abs(far.length - expected)).toBeLessThan(3.5 * Math.sqrt(expected));
    expect(Math.max(...far)).toBeGreaterThan(4);
    expect(kolmogorov(uniforms.sort(), (x) => x)).toBeLessThan(1.95);
    expect(kolmogorov(normals.sort(), normalCdf)).toBeLessThan(1.95);
    const fourth = normals.reduce((sum, x) => sum + x ** 4, 0) / N;
    expect(Math.abs(fourth - 3)).toBeLessThan(3.5 * Math.sqrt(96 / N));
  });
});
