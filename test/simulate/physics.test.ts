import { describe, expect, test } from "vitest";
import { ageOfUniverse, comovingDistance, luminosityDistance, volumeElement } from "../../src/simulate/cosmology.ts";
import { calzetti, cardelli } from "../../src/simulate/dust.ts";
import { igmTransmission } from "../../src/simulate/igm.ts";
import { starFormingGas } from "../../src/simulate/lines.ts";
import {
  createPassband,
  createPassbands,
  fluxOfMagnitude,
  lineDensity,
  magnitudeOfFlux,
  parametricCurve,
} from "../../src/simulate/passband.ts";
import { gridIndex, gridWavelength, LOG_STEP } from "../../src/simulate/grid.ts";
import {
  AGE_EDGES,
  formedMass,
  N_AGE,
  solveStartOverTau,
  summarise,
  survivingFraction,
} from "../../src/simulate/sfh.ts";
import { erf } from "../../src/simulate/special.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const bandsOf = (name: string) =>
  loadSurvey(name).fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));

describe("cosmology: H0 70, Omega_m 0.3, flat (Wright 2006, PASP 118, 1711, on-line calculator; z = 4 from astropy's documentation)", () => {
  test.each([
    [0.5, 1888.6, 2832.9, 8.422],
    [1, 3303.8, 6607.7, 5.751],
    [4, 7168.47, 35842.35, 1.5145],
  ])("z = %f", (z, comoving, luminosity, age) => {
    expect(comovingDistance(z) / comoving).toBeCloseTo(1, 3);
    expect(luminosityDistance(z) / luminosity).toBeCloseTo(1, 3);
    expect(ageOfUniverse(z) / age).toBeCloseTo(1, 2);
  });

  test("the volume element integrates to the sphere", () => {
    const n = 2000;
    let volume = 0;
    for (let i = 0; i < n; i++) volume += volumeElement((i + 0.5) / n) / n;
    expect(volume / ((4 / 3) * Math.PI * comovingDistance(1) ** 3)).toBeCloseTo(1, 5);
  });
});

describe("dust and intergalactic medium", () => {
  test("Calzetti: k(V) = 1, both branches meet, E(B-V) is A_V / 4.05", () => {
    expect(calzetti(5500)).toBeCloseTo(1, 2);
    expect(calzetti(6299.9)).toBeCloseTo(calzetti(6300.1), 1);
    expect(4.05 * (calzetti(4400) - calzetti(5500))).toBeCloseTo(1, 1);
    // Calzetti 2001, PASP 113, 1449: k(1500 A) about 10.3
    expect(4.05 * calzetti(1500)).toBeCloseTo(10.33, 1);
  });

  test("Cardelli, Clayton & Mathis (1989), table 3: U, B, V, R, I", () => {
    for (const [inverseMicron, ratio] of [
      [2.78, 1.569],
      [2.27, 1.337],
      [1.82, 1.0],
      [1.43, 0.751],
      [1.11, 0.479],
    ]) {
      // the table's own values scatter about the paper's polynomial
      expect(Math.abs(cardelli(1e4 / inverseMicron) - ratio)).toBeLessThan(0.02);
    }
  });

  test("Madau (1995): no absorption redward of Lyman alpha, mean decrement at z = 3.5, opaque at the limit", () => {
    expect(igmTransmission(1300, 0.05)).toBe(1);
    let sum = 0;
    for (let i = 0; i < 120; i++) sum += igmTransmission((1050 + i) * 4.5, 3.5) / 120;
    expect(1 - sum).toBeGreaterThan(0.35); // D_A(3.5): Madau 1995, eq. 12 and fig. 2
    expect(1 - sum).toBeLessThan(0.42);
    expect(igmTransmission(700 * 4.5, 3.5)).toBeLessThan(igmTransmission(1000 * 4.5, 3.5) / 4);
  });

  test("the local forest: mean decrement 0.016 (1 + z)^1.01 at z 0.5 - 1.2 (Kirkman et al. 2007, MNRAS 376, 1227)", () => {
    for (const z of [0.5, 0.8, 1.2]) {
      const decrement = 1 - igmTransmission(1215 * (1 + z), z);
      expect(Math.abs(decrement - 0.016 * (1 + z) ** 1.01)).toBeLessThan(0.02);
    }
  });

  test("erf", () => {
    for (const [x, y] of [
      [0, 0],
      [0.5, 0.5204998778],
      [1, 0.8427007929],
      [-2, -0.995322265],
    ]) {
      expect(erf(x)).toBeCloseTo(y, 6);
    }
  });
});

describe("passbands", () => {
  const passbands = createPassbands(bandsOf("minijpas"));

  test("a flat f_nu source has the same AB magnitude in every band, to 1e-4", () => {
    for (const band of passbands) {
      let flux = 0;
      band.weights.forEach((weight, j) => {
        flux += weight * fluxOfMagnitude(20, gridWavelength(band.first + j));
      });
      expect(Math.abs(magnitudeOfFlux(flux, band.pivot) - 20), band.name).toBeLessThan(1e-4);
    }
  });

  test("the parametric passband has the survey file's pivot and half-peak edges", () => {
    for (const [j, { band }] of bandsOf("minijpas").entries()) {
      expect(Math.abs(passbands[j].pivot / band.pivot - 1), passbands[j].name).toBeLessThan(2e-3);
      if (band.group !== "narrow") continue;
      const { transmission } = parametricCurve(band);
      for (const edge of band.edges) expect(transmission(edge) / transmission(band.pivot)).toBeCloseTo(0.5, 0.1);
    }
  });

  test("photon weighting: a power law through a top hat equals its closed form", () => {
    const [low, high] = [5000, 5600];
    const hat = createPassband("hat", {
      transmission: (x) => (x >= low && x <= high ? 0.7 : 0),
      range: [low, high],
    });
    // f = lambda^2: int lambda^3 / int lambda
    const expected = (high ** 4 - low ** 4) / 4 / ((high ** 2 - low ** 2) / 2);
    let flux = 0;
    hat.weights.forEach((weight, j) => (flux += weight * gridWavelength(hat.first + j) ** 2));
    expect(flux / expected).toBeCloseTo(1, 4);
    // pivot^2 = int lambda / int 1/lambda
    expect(hat.pivot).toBeCloseTo(Math.sqrt((high ** 2 - low ** 2) / 2 / Math.log(high / low)), 0);
  });

  test("a line adds F T lambda / int T lambda, and a line across the band integrates to F", () => {
    const band = passbands.find(({ name }) => name === "J0660") ?? passbands[0];
    let integral = 0;
    for (let k = 0; k < band.lineResponse.length; k++) {
      const index = band.first + k;
      // a line at every wavelength, equally bright per wavelength, is a flat continuum of that brightness
      integral += lineDensity(band, index) * gridWavelength(index) * LOG_STEP;
    }
    expect(integral).toBeCloseTo(1, 3);
    // far from the edges the transmission is smooth: F T lambda / int T lambda
    const { transmission, range } = band.curve;
    let photons = 0;
    for (let x = range[0]; x < range[1]; x += 0.25) photons += transmission(x) * x * 0.25;
    expect((lineDensity(band, gridIndex(6600)) * photons) / (transmission(6600) * 6600)).toBeCloseTo(1, 3);
  });
});

describe("star formation history", () => {
  const smooth = (start: number, startOverTau: number) => ({
    start,
    startOverTau,
    recentFactor: 1,
    truncationTime: 0,
    truncation: 1,
    burst: undefined,
  });

  test("mass is conserved over the bins", () => {
    for (const x of [0.01, 1, 5, 20]) {
      expect(formedMass(smooth(10, x)).reduce((sum, mass) => sum + mass, 0)).toBeCloseTo(1, 10);
    }
  });

  test("the mean age of t exp(-t/tau) is its closed form", () => {
    const [start, x] = [13.5, 4];
    const [tau, e] = [start / x, Math.exp(-x)];
    // <t> = tau (2 - e (x^2 + 2x + 2)) / (1 - (1 + x) e)
    const meanTime = (tau * (2 - e * (x * x + 2 * x + 2))) / (1 - (1 + x) * e);
    expect(Math.abs(summarise(formedMass(smooth(start, x)), start).age - (start - meanTime))).toBeLessThan(0.15);
  });

  test("solving for a rate gives that rate", () => {
    for (const target of [1.5, 1, 0.3, 0.01]) {
      const formed = formedMass(smooth(9, solveStartOverTau(target, 9)));
      expect((summarise(formed, 9).rate * 9) / target).toBeCloseTo(1, 5);
    }
  });

  test("a burst adds its mass, truncation removes the young", () => {
    const burst = { time: 0.3, duration: 0.05, fraction: 0.2 };
    const total = formedMass({ ...smooth(8, 2), burst }).reduce((sum, mass) => sum + mass, 0);
    expect(total).toBeCloseTo(1.2, 10);
    const truncated = formedMass({ ...smooth(8, 2), truncationTime: 0.35, truncation: 0 });
    for (let i = 0; i < N_AGE; i++) expect(truncated[i] === 0).toBe(AGE_EDGES[i + 1] <= 0.35 || AGE_EDGES[i] >= 8);
  });

  test("as much mass survives 10 Gyr as Kroupa's stars above the Sun's mass leave in remnants", () => {
    // Kroupa 2001 over 0.1 - 100 Msun; remnants of Renzini & Ciotti 1993, ApJ 416, L49
    const remnant = (m: number): number => (m < 8.5 ? 0.077 * m + 0.48 : m < 40 ? 1.4 : 0.5 * m);
    let [formed, returned] = [0, 0];
    for (let i = 0; i < 20_000; i++) {
      const m = 10 ** (-1 + (3 * (i + 0.5)) / 20_000);
      const stars = m * (m < 0.5 ? m ** -1.3 : 0.5 * m ** -2.3);
      formed += stars * m;
      if (m > 1) returned += stars * (m - remnant(m));
    }
    expect(Math.abs(survivingFraction(10) - (1 - returned / formed))).toBeLessThan(0.02);
  });
});

test("line ratios run along the star-forming sequence: metal-poor gas is high in [OIII], low in [NII]", () => {
  const [poor, rich] = [starFormingGas(8.1, 0), starFormingGas(8.75, 0)];
  expect(poor.r3).toBeGreaterThan(0.5);
  expect(rich.r3).toBeLessThan(-0.2);
  expect(poor.n2).toBeLessThan(-1.2);
  expect(rich.n2).toBeGreaterThan(-0.6);
});
