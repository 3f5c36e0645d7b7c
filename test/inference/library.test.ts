import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLibrary, type Library } from "../../src/inference/library.ts";
import type { Amplitude } from "../../src/inference/library-graph.ts";
import { type Evidence, matchOf } from "../../src/inference/library-likelihood.ts";
import { createLibraryPredictor, type LibraryChoice, qualityColumns } from "../../src/inference/library-predictor.ts";
import { KEPT } from "../../src/inference/library-scan.ts";
import { fieldDistribution } from "../../src/inference/field-answer.ts";
import { createReservoir } from "../../src/inference/library-reservoir.ts";
import { normalCdf } from "../../src/model/normal.ts";
import { createRng, type Rng } from "../../src/random.ts";
import { allRows, type Catalog, emptyCatalog, select } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import { onnx } from "../helpers/network.ts";
import { surveyOfFields, toyFields } from "../helpers/toy.ts";

/**
 * A linear world: a galaxy has one hidden shape g ~ N(0, 1); every band is 100 (1 + slope g) times its brightness; SHAPE is
 * g itself, MASS 10 + log10 of the brightness, KIND whether g > 0. With the brightness known, g given any bands is Gaussian.
 */
const slopes = [0.1, -0.05, 0.08, 0.02, -0.1, 0.04];
const LEVEL = 100;
const fields: readonly Field[] = [
  ...toyFields.slice(0, 6),
  { id: 6, name: "SHAPE", kind: "linear", unit: "", description: "g", range: [-10, 10] },
  { id: 7, name: "MASS", kind: "log", unit: "dex", description: "m", range: [0, 20], isExtensive: true },
  {
    id: 8,
    name: "KIND",
    kind: "category",
    unit: "",
    description: "sign of g",
    range: [0, 1],
    classes: ["low", "high"],
  },
];
const n = fields.length;
const [SHAPE, MASS, KIND] = [6, 7, 8];
const survey = { ...surveyOfFields(fields), fields };

interface World {
  readonly catalog: Catalog;
  readonly shape: Float64Array;
}

/** Galaxies seen with errors `sigma` (0: clean). */
function sample(rowCount: number, seed: string, sigma: number, brightnessOf: (rng: Rng) => number = () => 1): World {
  const rng = createRng(seed);
  const catalog = emptyCatalog(fields, rowCount);
  const shape = new Float64Array(rowCount);
  for (let row = 0; row < rowCount; row++) {
    const g = rng.normal();
    const brightness = brightnessOf(rng);
    shape[row] = g;
    slopes.forEach((slope, j) => {
      catalog.value[row * n + j] = LEVEL * brightness * (1 + slope * g) + sigma * rng.normal();
      catalog.error[row * n + j] = sigma;
    });
    catalog.value[row * n + SHAPE] = g;
    catalog.value[row * n + MASS] = 10 + Math.log10(brightness);
    catalog.value[row * n + KIND] = Number(g > 0);
    (catalog.objectId as string[])[row] = `${seed}-${row}`;
    (catalog.parentId as string[])[row] = `${seed}-${row}`;
  }
  catalog.state.fill(State.measured);
  return { catalog, shape };
}

const flags = (...given: number[]): Uint8Array => Uint8Array.from(fields, (_, j) => Number(given.includes(j)));
const ROWS = 20_000;
const clean = sample(ROWS, "library", 0, (rng) => 10 ** (0.2 * rng.normal()));
const plain = sample(ROWS, "library", 0);
const coder = createFieldCoder(fields, fitStandardisation(plain.catalog, allRows(plain.catalog)));
let library: Library;
let equallyBright: Library;

beforeAll(async () => {
  library = await createLibrary("clean", [clean.catalog], { survey });
  equallyBright = await createLibrary("equally bright", [plain.catalog], { survey });
});
afterAll(() => {
  library.close();
  equallyBright.close();
});

async function ask(
  of: Library,
  choice: LibraryChoice,
  catalog: Catalog,
  isGiven: Uint8Array,
  wanted: readonly number[],
) {
  const predictor = createLibraryPredictor(await onnx, of, coder, choice);
  try {
    const answers = await predictor.predict(catalog, allRows(catalog), isGiven, wanted);
    return { answers, predictor, of: (w: number) => fieldDistribution(coder, answers, w) };
  } finally {
    await predictor.dispose();
  }
}

/** Mean and deviation of g given bands with equal errors: a Gaussian prior times Gaussian likelihoods. */
function closedForm(row: number, catalog: Catalog, given: readonly number[], sigma: number): [number, number] {
  let [precision, sum] = [1, 0];
  for (const j of given) {
    const per = LEVEL * slopes[j];
    precision += (per / sigma) ** 2;
    sum += (per * (catalog.value[row * n + j] - LEVEL)) / sigma ** 2;
  }
  return [sum / precision, precision ** -0.5];
}

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];
const rms = (values: readonly number[]): number => Math.sqrt(values.reduce((s, x) => s + x * x, 0) / values.length);

describe("posteriors in a linear world", () => {
  const seen = sample(300, "seen", 10);
  it.each([[[0, 1, 2, 3, 4, 5]], [[0, 2]], [[3]]])(
    "bands %j: mean and deviation agree with the closed form within the library's sampling error",
    async (given) => {
      const { answers, of } = await ask(equallyBright, { amplitude: "absolute" }, seen.catalog, flags(...given), [
        SHAPE,
      ]);
      const off: number[] = [];
      const ratio: number[] = [];
      for (let row = 0; row < seen.catalog.rowCount; row++) {
        const [mean, deviation] = closedForm(row, seen.catalog, given, 10);
        const own = of(0).moments(row);
        // the mean of k draws of weight 1 / k scatters by the deviation over the root of k
        off.push((own.mean - mean) / (deviation / Math.sqrt(Math.min(KEPT, answers.posteriors[row].effectiveSize))));
        ratio.push(own.std / deviation);
      }
      expect(rms(off)).toBeLessThan(1.3); // the same rows stand for the library whatever is asked: errors of galaxies are not independent
      // a kernel of Silverman's width for 512 rows, 0.26 deviations, widens by 3.3 %
      expect(middle(ratio)).toBeGreaterThan(0.98);
      expect(middle(ratio)).toBeLessThan(1.08);
    },
  );

  it("answers are calibrated, also where few rows match", async () => {
    for (const sigma of [10, 1]) {
      const own = sample(400, `calibrated ${sigma}`, sigma);
      const { of } = await ask(equallyBright, { amplitude: "absolute" }, own.catalog, flags(0, 1, 2, 3, 4, 5), [SHAPE]);
      const inside = own.shape.filter((g, row) => Math.abs(of(0).cdf(row, g) - 0.5) < 0.34).length / 400;
      expect(inside, String(sigma)).toBeGreaterThan(0.62);
      expect(inside, String(sigma)).toBeLessThan(0.76);
    }
  });

  it("a free amplitude finds the shape of galaxies brighter than any in the library, and scales masses and bands", async () => {
    const bright = sample(100, "bright", 10, () => 30);
    const { answers, of, predictor } = await ask(library, {}, bright.catalog, flags(0, 1, 2, 3, 4), [SHAPE, MASS, 5]);
    const off = Array.from(bright.shape, (g, row) => of(0).moments(row).mean - g);
    expect(rms(off)).toBeLessThan(0.15);
    bright.shape.forEach((g, row) => {
      expect(of(1).moments(row).mean).toBeCloseTo(10 + Math.log10(30), 1);
      expect(of(2).moments(row).mean / (30 * LEVEL * (1 + slopes[5] * g))).toBeCloseTo(1, 1);
    });
    const draws = predictor.draw(answers, 50, (row) => createRng(`draw ${row}`));
    for (let d = 0; d < 100 * 50; d++) {
      const [shape, mass, flux] = draws.subarray(3 * d, 3 * d + 3);
      // a draw is one galaxy: its flux is what its shape and its mass say
      expect(flux / (LEVEL * 10 ** (mass - 10) * (1 + slopes[5] * shape))).toBeCloseTo(1, 4);
    }
  });

  it("mass says how bright: the library's own amplitudes answer", async () => {
    const some = select(clean.catalog, [1, 2, 3, 4, 5, 6, 7, 8]);
    const { of } = await ask(library, {}, some, flags(MASS), [0]);
    for (let i = 0; i < 8; i++) {
      const expected = LEVEL * 10 ** (clean.catalog.value[(i + 1) * n + MASS] - 10);
      const { mean, std } = of(0).moments(i);
      expect(Math.abs(mean / expected - 1)).toBeLessThan(0.05);
      expect(std / expected).toBeCloseTo(0.1, 1); // the slope of the band
    }
  });

  it("properties and classes are given like bands", async () => {
    const some = select(
      clean.catalog,
      Array.from({ length: 20 }, (_, i) => i),
    );
    const { of } = await ask(library, {}, some, flags(SHAPE), [KIND]);
    const { of: fromKind } = await ask(library, {}, some, flags(KIND), [SHAPE]);
    for (let row = 0; row < 20; row++) {
      const g = clean.shape[row];
      const p = Math.exp(of(0).logDensity(row, Number(g > 0)));
      if (Math.abs(g) > 0.2) expect(p).toBeGreaterThan(0.99);
      // half of a Gaussian: mean sqrt(2 / pi)
      expect(fromKind(0).moments(row).mean).toBeCloseTo(Math.sign(g) * Math.sqrt(2 / Math.PI), 0);
    }
  });

  it("not observed is not given, and a galaxy's answer doesn't depend on the others", async () => {
    const given = flags(0, 2, 3);
    const hidden = { ...seen.catalog, state: seen.catalog.state.slice() };
    for (let row = 0; row < 300; row++) hidden.state[row * n + 3] = State.notObserved;
    const means = async (catalog: Catalog, isGiven: Uint8Array): Promise<number[]> => {
      const { of } = await ask(library, {}, catalog, isGiven, [SHAPE]);
      return Array.from({ length: catalog.rowCount }, (_, row) => of(0).moments(row).mean);
    };
    const all = await means(hidden, given);
    (await means(seen.catalog, flags(0, 2))).forEach((mean, row) => expect(mean).toBeCloseTo(all[row], 6));
    const [alone] = await means(select(hidden, [7]), given);
    expect(alone).toBeCloseTo(all[7], 3);
  });
});

describe("a library that is too thin", () => {
  it("says so, and answers as widely as its nearest galaxies are apart", async () => {
    const exact = sample(50, "exact", 0.003);
    const { answers, of } = await ask(
      equallyBright,
      { amplitude: "absolute" },
      exact.catalog,
      flags(0, 1, 2, 3, 4, 5),
      [SHAPE],
    );
    const [state, size] = qualityColumns(answers);
    expect(new Set(state.data as string[])).toEqual(new Set(["sparse"]));
    expect(Math.max(...(size.data as Float32Array))).toBeLessThan(10);
    const spacing = (row: number): number => {
      const apart = Array.from(plain.shape, (g) => Math.abs(g - exact.shape[row])).sort((a, b) => a - b);
      return apart[4];
    };
    exact.shape.forEach((_, row) => {
      const { std } = of(0).moments(row);
      expect(std).toBeGreaterThan(0.5 * spacing(row));
      expect(std).toBeLessThan(20 * spacing(row));
    });
  });

  it("a match that is none has a large chi-square", async () => {
    const odd = sample(5, "odd", 1);
    for (let row = 0; row < 5; row++) odd.catalog.value[row * n] = -500;
    const { answers } = await ask(library, {}, odd.catalog, flags(0, 1, 2), [SHAPE]);
    for (const { chi2, bands } of answers.posteriors) expect(chi2 / bands).toBeGreaterThan(1000);
  });
});

describe("the likelihood of one galaxy", () => {
  const galaxy = Float32Array.of(90, 120, 60);
  const sigma = [9, 20, 7];
  const flux = [130, 150, 95];
  const limit = { place: 1, value: 160, sigma: 12, isBand: true };

  /** Of the bands of `evidence`, by the trapezium rule over the amplitude. */
  function integrate({ amplitude, bands, limits }: Evidence): { log: number; mean: number; deviation: number } {
    const tt = bands.reduce((sum, one) => sum + (galaxy[one.place] / one.sigma) ** 2, 0);
    let [total, first, second] = [0, 0, 0];
    const step = 1e-4;
    for (let a = amplitude === "free" ? step / 2 : -4; a < 6; a += step) {
      const chi2 = bands.reduce((sum, one) => sum + ((one.flux - a * galaxy[one.place]) / one.sigma) ** 2, 0);
      const s = Number(amplitude);
      const prior =
        amplitude === "free" ? Math.sqrt(tt) : Math.exp(-0.5 * ((a - 1) / s) ** 2) / (s * Math.sqrt(2 * Math.PI));
      const below = limits.reduce((p, one) => p * normalCdf((one.value - a * galaxy[one.place]) / one.sigma), 1);
      const density = prior * below * Math.exp(-0.5 * chi2) * step;
      total += density;
      first += a * density;
      second += a * a * density;
    }
    const mean = first / total;
    return { log: Math.log(total), mean, deviation: Math.sqrt(second / total - mean * mean) };
  }

  const evidence = (amplitude: Amplitude, places: number[], limits: Evidence["limits"] = []): Evidence => ({
    amplitude,
    bands: places.map((place) => ({ place, flux: flux[place], sigma: sigma[place] })),
    properties: [],
    classes: [],
    limits,
  });

  it.each<[Amplitude, number[]]>([
    ["free", [0, 1, 2]],
    ["free", [0]],
    [0.3, [0, 1, 2]],
    [1, [2]],
  ])("amplitude %s, bands %j: as integrated numerically", (amplitude, places) => {
    const own = evidence(amplitude, places);
    const { log, mean, deviation } = integrate(own);
    const match = matchOf(own, galaxy);
    expect(match.logLikelihood).toBeCloseTo(log, 5);
    expect(match.amplitude).toBeCloseTo(mean, 5);
    expect(match.amplitudeError).toBeCloseTo(deviation, 4);
  });

  it("a faint galaxy's amplitude stays above 0", () => {
    const faint = { ...evidence("free", [0]), bands: [{ place: 0, flux: -20, sigma: 9 }] };
    const { log, mean, deviation } = integrate(faint);
    const match = matchOf(faint, galaxy);
    expect(match.logLikelihood).toBeCloseTo(log, 4);
    expect(match.amplitude).toBeCloseTo(mean, 4);
    expect(match.amplitudeError).toBeCloseTo(deviation, 3);
  });

  it("an upper limit is the cdf, over the amplitude's spread too", () => {
    const own = evidence(0.3, [0, 2], [limit]);
    expect(matchOf(own, galaxy).logLikelihood).toBeCloseTo(integrate(own).log, 5);
    const absolute = evidence("absolute", [], [limit]);
    expect(matchOf(absolute, galaxy).logLikelihood).toBeCloseTo(Math.log(normalCdf((160 - 120) / 12)), 10);
  });

  it("limits count in a scan", async () => {
    const dark = sample(40, "dark", 10);
    const limited = { ...dark.catalog, state: dark.catalog.state.slice(), value: dark.catalog.value.slice() };
    for (let row = 0; row < 40; row++) {
      limited.state[row * n] = State.upperLimit;
      limited.value[row * n] = LEVEL; // band 0 grows with the shape: below the level, the shape is mostly negative
    }
    const { of } = await ask(equallyBright, { amplitude: "absolute" }, limited, flags(0), [SHAPE]);
    // p(g | below) = phi(g) Phi(-g) / (1/2) for error and slope alike: mean -1 / sqrt(pi)
    for (let row = 0; row < 40; row++) expect(of(0).moments(row).mean).toBeCloseTo(-1 / Math.sqrt(Math.PI), 0.7);
  });
});

describe("rows that stand for all", () => {
  it("sums over a reservoir are unbiased, and heavy rows are kept", () => {
    const weights = Array.from({ length: 5000 }, (_, i) => (i === 77 ? 400 : Math.exp(createRng(`w${i}`).normal())));
    const total = weights.reduce((a, b) => a + b, 0);
    const estimates = Array.from({ length: 60 }, (_, trial) => {
      const rng = createRng(`trial ${trial}`);
      const reservoir = createReservoir(1, 100);
      weights.forEach((w, i) => {
        const luck = -Math.log(1 - rng.uniform());
        reservoir.offer(0, i, Math.log(w) + luck, luck);
      });
      const { rows, scores } = reservoir.kept(0);
      expect(rows).toHaveLength(100);
      expect(rows).toContain(77);
      const threshold = reservoir.threshold(0);
      return scores.reduce((sum, score) => sum + Math.exp(Math.max(score, threshold)), 0);
    });
    const mean = estimates.reduce((a, b) => a + b, 0) / estimates.length;
    expect(rms(estimates.map((one) => one / total - 1))).toBeLessThan(0.15);
    expect(Math.abs(mean / total - 1)).toBeLessThan(0.04);
  });
});

describe("reading a library", () => {
  it("rows on disk answer as rows in memory", async () => {
    const seen = sample(20, "disk", 10);
    const onDisk = await createLibrary("disk", [clean.catalog], { survey, memory: 1e5 });
    const [a, b] = await Promise.all(
      [library, onDisk].map(async (of) => (await ask(of, {}, seen.catalog, flags(0, 1, 2), [SHAPE])).answers),
    );
    onDisk.close();
    b.posteriors.forEach((own, row) => expect(own.rows).toEqual(a.posteriors[row].rows));
  });

  it("what is no library is refused in a line", async () => {
    const open = (catalog: Catalog): Promise<Library> => createLibrary("lib.parquet", [catalog], { survey });
    await expect(open(sample(2000, "noisy", 10).catalog)).rejects.toThrow(
      /^lib\.parquet: not clean: .* errors of 10 %/,
    );
    await expect(open(sample(50, "few", 0).catalog)).rejects.toThrow(
      /^lib\.parquet: 50 clean galaxies, expected 1000 or more$/,
    );
    const empty = sample(2000, "no bands", 0).catalog;
    for (let at = 0; at < empty.state.length; at++) if (at % n < 6) empty.state[at] = State.notObserved;
    await expect(open(empty)).rejects.toThrow(/^lib\.parquet: none of the bands of toy/);
    const without = sample(2000, "a band less", 0).catalog;
    for (let at = 2; at < without.state.length; at += n) without.state[at] = State.notObserved;
    const short = await open(without);
    const seen = sample(3, "seen", 10).catalog;
    await expect(ask(short, {}, seen, flags(0, 2), [SHAPE])).rejects.toThrow(
      /the library has no band N3, which is given/,
    );
    await expect(ask(short, {}, seen, flags(0, 1), [SHAPE])).resolves.toBeDefined();
    await expect(ask(library, { amplitude: 0 }, seen, flags(0), [SHAPE])).rejects.toThrow(/amplitude 0: expected free/);
    await expect(ask(library, { modelError: 2 }, seen, flags(0), [SHAPE])).rejects.toThrow(/model error 2: expected/);
    short.close();
  });
});
