import { beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/random.ts";
import { ksDistance } from "../../src/report/statistics.ts";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { simulationOptions } from "../../src/simulate/options.ts";
import { createPassband, magnitudeOfFlux } from "../../src/simulate/passband.ts";
import { AGE_EDGES, clipOldest, formedMass, N_AGE } from "../../src/simulate/sfh.ts";
import { createStellarModel } from "../../src/simulate/stars.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { withData } from "./data.ts";
import {
  type Label,
  LABEL_NAMES,
  matchTo,
  observeAsDesi,
  readDesi,
  type Sample,
  simulateSample,
} from "./desi-sample.ts";
import { quantile, spearman } from "./statistics.ts";

interface Measured {
  readonly value: number;
  readonly error: number;
}
type Of = (label: Label, i: number) => Measured;

withData("desi-bgs-ew")("what belongs together, against the part of DESI BGS that nothing was tuned on", () => {
  let desi: ReturnType<typeof readDesi>;
  let simulation: Sample;
  let matched: number[];
  let samples: readonly Of[];

  beforeAll(() => {
    const rng = createRng("joint");
    desi = readDesi("heldOut");
    simulation = simulateSample();
    matched = matchTo(desi, simulation, rng);
    const noisy = observeAsDesi(desi, simulation, matched, rng);
    samples = [
      (label, i) => ({ value: desi.widths[label][i], error: desi.errors[label][i] }),
      (label, i) => noisy[label][i],
    ];
  }, 120_000);

  /** log10 of a ratio and of EW(Halpha) where all are seen, and the continuum luminosity of that galaxy in DESI. */
  function pairs(of: Of, top: Label, bottom: Label): { ratio: number[]; width: number[]; luminosity: number[] } {
    const seen = desi.z.flatMap((_, i) =>
      (["HALPHA_EW", top, bottom] as const).every((label) => of(label, i).value > 3 * of(label, i).error) ? [i] : [],
    );
    return {
      ratio: seen.map((i) => Math.log10(of(top, i).value / of(bottom, i).value)),
      width: seen.map((i) => Math.log10(of("HALPHA_EW", i).value)),
      luminosity: seen.map((i) => desi.luminosity[i]),
    };
  }

  /** Rank correlation of ratio and width: of all, and within quarters of the luminosity. */
  function correlations(of: Of, top: Label, bottom: Label): number[] {
    const { ratio, width, luminosity } = pairs(of, top, bottom);
    const edges = [0, 0.25, 0.5, 0.75, 1].map((q) => quantile(luminosity, q));
    const within = [0, 1, 2, 3].map((k) => {
      const chosen = (values: readonly number[]): number[] =>
        values.filter((_, i) => luminosity[i] >= edges[k] && luminosity[i] < edges[k + 1]);
      return spearman(chosen(ratio), chosen(width));
    });
    return [spearman(ratio, width), ...within];
  }

  test.each([
    ["NII6584_EW", "HALPHA_EW", 0.25],
    ["OIII5007_EW", "HBETA_EW", 0.3],
    ["HALPHA_EW", "HBETA_EW", 0.25],
  ] as const)(
    "%s / %s against EW(Halpha), of all and at fixed luminosity: rank correlations",
    (top, bottom, margin) => {
      const [theirs, ours] = samples.map((of) => correlations(of, top, bottom));
      ours.forEach((value, k) =>
        expect(Math.abs(value - theirs[k]), `${k}: ${theirs[k]} ${value}`).toBeLessThan(margin),
      );
    },
  );

  test("[NII]/Halpha knows of the galaxy's own star formation: -0.45 or steeper at every luminosity", () => {
    for (const value of correlations(samples[1], "NII6584_EW", "HALPHA_EW")) {
      expect(value).toBeLessThan(-0.45);
      expect(value).toBeGreaterThan(-0.75);
    }
  });

  test.each(LABEL_NAMES)("%s: the distribution of widths", (label) => {
    const [theirs, ours] = samples.map((of) =>
      desi.z.map((_, i) => of(label, i).value).filter((width) => width > (label === "OII3727_EW" ? 3 : 1)),
    );
    expect(ksDistance(theirs, ours)).toBeLessThan(0.1);
  });

  test("the tail of the line luminosities: 90, 99 and 99.7 % of Halpha, [OIII] and [OII] within 0.15, 0.25, 0.3 dex", () => {
    for (const label of ["HALPHA_EW", "OIII5007_EW", "OII3727_EW"] as const) {
      const [theirs, ours] = samples.map((of) =>
        desi.z.flatMap((_, i) => {
          const { value, error } = of(label, i);
          return value > 3 * error ? [Math.log10(value) + desi.luminosity[i]] : [];
        }),
      );
      for (const [q, margin] of [
        [0.9, 0.15],
        [0.99, 0.25],
        [0.997, 0.3],
      ]) {
        expect(Math.abs(quantile(theirs, q) - quantile(ours, q)), `${label} ${q}`).toBeLessThan(margin);
      }
    }
  });
});

describe("rare galaxies", () => {
  test("a line above 300 A at i < 22.5: 0.05 - 0.45 % (J-PAS finds some 31 of 17,000 per square degree)", () => {
    const options = simulationOptions.parse({ seed: "rare", selection: { band: "iSDSS", faint: 22.5 } });
    const simulation = createSimulation(loadSurvey("minijpas"), options);
    const tables = Array.from({ length: 24 }, (_, block) => simulateBlock(simulation, block));
    const column = (name: string): number[] =>
      tables.flatMap((table) => Array.from(table.columns.find((one) => one.name === name)?.data as Float32Array));
    const widths = ["HALPHA_EW", "OIII5007_EW", "OII3727_EW"].map(column);
    const extreme = widths[0].filter((_, i) => widths.some((one) => one[i] > 300)).length / widths[0].length;
    expect(extreme).toBeGreaterThan(5e-4);
    expect(extreme).toBeLessThan(4.5e-3);
    // dwarfs reach far below the fitted metallicities
    expect(Math.min(...column("LOGZ"))).toBeLessThan(-1.1);
  }, 60_000);
});

test("stars are not older than their galaxy: the last bin's mass moves to the one before as far as it is too old", () => {
  for (const start of [5.2, 6.5, 10.2]) {
    const history = { start, startOverTau: 3, recentFactor: 1, truncationTime: 0, truncation: 1, burst: undefined };
    const [formed, clipped] = [formedMass(history), formedMass(history)];
    clipOldest(clipped, start);
    const age = (mass: Float64Array): number => {
      let [sum, total] = [0, 0];
      for (let i = 1; i < N_AGE; i++) {
        sum += mass[i] * Math.log(Math.sqrt(AGE_EDGES[i] * AGE_EDGES[i + 1]));
        total += mass[i];
      }
      return sum / total;
    };
    const sum = (mass: Float64Array): number => mass.reduce((total, one) => total + one, 0);
    expect(sum(clipped)).toBeCloseTo(sum(formed), 10);
    expect(age(clipped)).toBeLessThan(age(formed));
    const last = clipped.findLastIndex((mass) => mass > 0);
    // as old as the stars of the bin are in the mean
    const share = clipped[last] / formed[last];
    const mean =
      Math.sqrt(AGE_EDGES[last] * AGE_EDGES[last + 1]) ** share *
      Math.sqrt(AGE_EDGES[last - 1] * AGE_EDGES[last]) ** (1 - share);
    expect(mean / Math.sqrt(AGE_EDGES[last] * start)).toBeCloseTo(1, 8);
  }
});

test("old populations of few metals have the colours of globular clusters, B - V and V - I within 0.07 and 0.1 mag", () => {
  const model = createStellarModel();
  // Bessell's bands as Gaussians; AB to Vega
  const [b, v, i] = [
    [4380, 390],
    [5480, 360],
    [7980, 600],
  ].map(([c, s]) =>
    createPassband("band", {
      range: [c - 3 * s, c + 3 * s],
      transmission: (x) => Math.exp(-0.5 * ((x - c) / s) ** 2),
    }),
  );
  // [Fe/H], B - V, V - I less E(B-V) and 1.3 E(B-V): 47 Tuc, M5, M3, M13, M92 (Harris 1996, AJ 112, 1487)
  for (const [metallicity, bv, vi] of [
    [-0.72, 0.84, 1.09],
    [-1.29, 0.69, 0.91],
    [-1.5, 0.68, 0.92],
    [-1.53, 0.66, 0.84],
    [-2, 0.61, 0.85],
  ]) {
    const spectrum = model.burst(12, metallicity).map(Math.exp);
    const [magB, magV, magI] = [b, v, i].map((band) =>
      magnitudeOfFlux(
        band.weights.reduce((sum, weight, j) => sum + weight * spectrum[band.first + j], 0),
        band.pivot,
      ),
    );
    expect(Math.abs(magB - magV + 0.11 - bv), `B - V at ${metallicity}`).toBeLessThan(0.07);
    expect(Math.abs(magV - magI + 0.42 - vi), `V - I at ${metallicity}`).toBeLessThan(0.1);
  }
});
