import { describe, expect, test } from "vitest";
import { createRng } from "../../src/random.ts";
import { bumpOfSlope, bumpProfile, calzetti, cardelli, kriekConroy } from "../../src/simulate/dust.ts";
import { createExtinction } from "../../src/simulate/extinction.ts";
import { GRID_SIZE, gridIndex, gridWavelength, LOG_STEP } from "../../src/simulate/grid.ts";
import { ewLabels, LINE_NAMES, lines } from "../../src/simulate/lines.ts";
import { nebularContinuum } from "../../src/simulate/nebular.ts";
import { createPassband, createPassbands, lineDensity, magnitudeOfFlux } from "../../src/simulate/passband.ts";
import { createPhotometer, lastIndex } from "../../src/simulate/photometer.ts";
import { drawGalaxy, type Galaxy } from "../../src/simulate/population.ts";
import { enrichedAbundances, formedMass, N_AGE } from "../../src/simulate/sfh.ts";
import {
  broadeningKernel,
  createSpectrum,
  createTemplates,
  METALLICITIES,
  mixOf,
  synthesise,
} from "../../src/simulate/synthesis.ts";
import { equivalentWidths } from "../../src/simulate/widths.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { rms } from "./data.ts";
import { fastSpecFitFactor } from "./fastspecfit.ts";
import { quantile, spearman } from "./statistics.ts";

const templates = createTemplates(1.2);
const work = createSpectrum();
const lineOf = (name: (typeof LINE_NAMES)[number]): number => work.lines[LINE_NAMES.indexOf(name)];
const bandsOf = (name: string) =>
  loadSurvey(name).fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
const render = (galaxy: Galaxy): void => synthesise(work, templates, galaxy, mixOf(galaxy), 0, GRID_SIZE);
const drawMany = (count: number, z: number, seed: string): Galaxy[] => {
  const rng = createRng(seed);
  return Array.from({ length: count }, () => drawGalaxy(rng, z, 8.8 + 2.4 * rng.uniform()));
};

describe("nebular continuum at 10,000 K", () => {
  const RYDBERG = 3.289842e15; // of infinite mass, as the table
  const emissivity = (energy: number): number => {
    const wavelength = 2.99792458e18 / (energy * RYDBERG);
    // per frequency, in erg cm3/s/Hz, helium's tenth taken away where it is a copy of hydrogen's
    return (nebularContinuum(wavelength).freeBound * 1.235e-25 * wavelength) / (energy * RYDBERG);
  };

  test("recombination of hydrogen (Ercolano & Storey 2006, table of gamma at log T 4)", () => {
    // energy and threshold [Ry], scaled coefficient; the Paschen continuum carries helium's copy, 10 %
    for (const [energy, threshold, scaled, helium] of [
      [0.1111, 0.11105124, 10.18, 1.1],
      [0.18, 0.11105124, 10.72, 1.1],
      [0.24, 0.11105124, 10.98, 1.1],
      [0.07, 0.0624662, 6.109, 1.1],
    ]) {
      const published = scaled * 1e-40 * Math.exp(-15.7887 * (energy - threshold)) * helium;
      expect(Math.abs(emissivity(energy) / published - 1), `${energy} Ry`).toBeLessThan(0.03);
    }
    // the Balmer edge is hydrogen's alone
    const step = emissivity(0.2501) - emissivity(0.2498);
    expect(Math.abs(step / ((24.87 - 11.02 * Math.exp(-15.7887 * 0.13882)) * 1e-40) - 1)).toBeLessThan(0.03);
  });

  test("Balmer jump: the temperature of Liu et al. (2001, MNRAS 327, 141, eq. 3) from it is 10,000 K", () => {
    // jump over H11 [1/Angstrom]; H11 / Hbeta = 0.0397 in case B
    const jump = (nebularContinuum(3643).total - nebularContinuum(3681).total) / 0.0397;
    expect(Math.abs((368 * (1 + 0.259 * 0.1)) / jump ** 1.5 / 1e4 - 1)).toBeLessThan(0.08);
  });

  test("a pure nebula has EW(Hbeta) of 1000 - 1500 A, two photons bend down at 1216 A", () => {
    const width = 1 / nebularContinuum(4862.7).total;
    expect(width).toBeGreaterThan(1000);
    expect(width).toBeLessThan(1500);
    expect(nebularContinuum(1220).twoPhoton).toBeLessThan(nebularContinuum(1500).twoPhoton);
    expect(nebularContinuum(1210).twoPhoton).toBe(0);
    // each decay gives the energy of Lyman alpha: 0.838e-13 cm3/s times 1.634e-11 erg
    let energy = 0;
    for (let x = 1216; x < 2e5; x *= 1.0005) energy += nebularContinuum(x).twoPhoton * 1.235e-25 * x * 5e-4;
    expect(energy / (0.838e-13 * 1.634e-11)).toBeCloseTo(1, 1);
  });
});

describe("dust", () => {
  test("Kriek & Conroy (2013): without slope and bump it is Calzetti's, the bump stands at 2175 A, V stays", () => {
    for (const lambda of [1300, 2175, 4000, 8000]) {
      expect(kriekConroy(lambda, { slope: 0, bump: 0 })).toBe(calzetti(lambda));
      expect(kriekConroy(lambda, { slope: -0.4, bump: 0 }) / calzetti(lambda)).toBeCloseTo((lambda / 5500) ** -0.4, 12);
    }
    expect(bumpProfile(2175)).toBe(1);
    // half the height at x^2 - x0^2 = +- 350 x
    const half = (350 + Math.sqrt(350 ** 2 + 4 * 2175 ** 2)) / 2;
    expect(bumpProfile(half)).toBeCloseTo(0.5, 12);
    expect(bumpOfSlope(-0.5) - bumpOfSlope(0)).toBeCloseTo(0.95, 12);
    const shape = { slope: 0, bump: 3 };
    expect(4.05 * (kriekConroy(2175, shape) - calzetti(2175))).toBeCloseTo(3, 12);
  });

  test("the spectrum of a galaxy is attenuated by that curve, the lines by the Milky Way's", () => {
    const [galaxy] = drawMany(1, 0.1, "dust");
    // no dust but the diffuse: stars in their clouds have more
    const history = { ...galaxy.history, truncation: 0, truncationTime: 0.02, burst: undefined };
    const bare = {
      ...galaxy,
      history,
      avStars: 0,
      avGas: 0,
      sigmaStars: 0,
      gas: { ...galaxy.gas, nucleus: undefined },
    };
    render(bare);
    const [stars, halpha] = [work.stars.slice(), lineOf("Halpha")];
    const attenuation = { slope: -0.3, bump: 2 };
    render({ ...bare, avStars: 1, avGas: 1.5, attenuation });
    for (const lambda of [1500, 2175, 3600, 5500, 9000]) {
      const k = Math.round(gridIndex(lambda));
      const curve = kriekConroy(gridWavelength(k), attenuation);
      // the rest is nebular continuum, which has its own extinction
      expect((-2.5 * Math.log10(work.stars[k] / stars[k])) / curve).toBeCloseTo(1, 1);
    }
    expect(-2.5 * Math.log10(lineOf("Halpha") / halpha)).toBeCloseTo(1.5 * cardelli(lines.Halpha.wavelength), 10);
  });

  test("ultraviolet extinction: within 5 % of Seaton's (1979, MNRAS 187, 73P); A(FUV) = 8.24 E(B-V) (Wyder et al. 2007, ApJS 173, 293)", () => {
    for (let x = 3.7; x < 7.1; x += 0.1) {
      const seaton = 2.29 + 0.848 * x + 1.01 / ((x - 4.6) ** 2 + 0.28);
      expect(Math.abs((3.1 * cardelli(1e4 / x)) / seaton - 1), `${x} / micron`).toBeLessThan(0.05);
    }
    expect(Math.abs(3.1 * cardelli(1535) - 8.24)).toBeLessThan(0.25);
    // the parts meet
    for (const x of [1.1, 3.3, 8]) expect(cardelli(1e4 / (x - 1e-6))).toBeCloseTo(cardelli(1e4 / (x + 1e-6)), 1);
  });

  test("Milky Way dust: what the observer leaves of the fluxes is what dust before the spectrum does", () => {
    const survey = bandsOf("minijpas");
    const bands = createPassbands(survey);
    const photometer = createPhotometer(bands, templates);
    const extinction = createExtinction(
      bands,
      survey.map(({ band }) => band.edges),
    );
    const errors: Record<string, number[]> = { narrow: [], broad: [], uv: [] };
    for (const z of [0.05, 0.2, 0.5, 0.9]) {
      const dust = (lambda: number): number => 10 ** (-0.4 * 0.31 * cardelli(lambda * (1 + z)));
      const onStars = work.stars.map((_, k) => dust(gridWavelength(k)));
      for (const galaxy of drawMany(10, z, `foreground${z}`)) {
        render(galaxy);
        const dimmed = photometer.fluxes(work, z);
        extinction.dim(dimmed, 0.1);
        render(galaxy);
        onStars.forEach((factor, k) => (work.stars[k] *= factor));
        LINE_NAMES.forEach((name, i) => (work.lines[i] *= dust(lines[name].wavelength)));
        photometer.fluxes(work, z).forEach((exact, j) => {
          errors[survey[j].band.group].push(2.5 * Math.log10(dimmed[j] / exact));
        });
      }
    }
    for (const [group, margins] of Object.entries({ narrow: [5e-4, 3e-3], broad: [5e-4, 3e-3], uv: [0.02, 0.04] })) {
      expect(rms(errors[group]), group).toBeLessThan(margins[0]);
      expect(Math.max(...errors[group].map(Math.abs)), group).toBeLessThan(margins[1]);
    }
  });

  test("Balmer decrement is tied to A_V: 2.86 reddened by the gas's extinction, which follows the stars'", () => {
    const galaxies = drawMany(400, 0.1, "decrement");
    const decrements = galaxies.map((galaxy) => {
      render(galaxy);
      const expected =
        2.86 * 10 ** (0.4 * galaxy.avGas * (cardelli(lines.Hbeta.wavelength) - cardelli(lines.Halpha.wavelength)));
      expect(lineOf("Halpha") / lineOf("Hbeta") / expected).toBeCloseTo(1, 10);
      return lineOf("Halpha") / lineOf("Hbeta");
    });
    expect(Math.min(...decrements)).toBeGreaterThanOrEqual(2.86);
    expect(
      spearman(
        galaxies.map(({ avStars }) => avStars),
        decrements,
      ),
    ).toBeGreaterThan(0.6);
  });
});

describe("chemical enrichment", () => {
  test("the mean abundance of any history is the one asked for, and the last stars are the richest", () => {
    for (const galaxy of drawMany(50, 0.1, "enrichment")) {
      const formed = formedMass(galaxy.history);
      const abundances = enrichedAbundances(formed, 0.5, 0.6);
      const total = formed.reduce((sum, mass) => sum + mass, 0);
      const mean = formed.reduce((sum, mass, i) => sum + mass * abundances[i], 0) / total;
      expect(mean).toBeCloseTo(0.5, 10);
      expect(abundances[0] / mean).toBeCloseTo(1 + 0.6 * (1 - formed[0] / total), 10);
      for (let i = 1; i < N_AGE; i++) expect(abundances[i]).toBeLessThanOrEqual(abundances[i - 1]);
    }
  });

  test("the label LOGZ is the mean over the templates that make the spectrum", () => {
    for (const galaxy of drawMany(50, 0.1, "label")) {
      const { formed, nodes, fractions, logZ } = mixOf(galaxy);
      let [metals, mass] = [0, 0];
      for (let i = 0; i < N_AGE; i++) {
        const [low, high] = [METALLICITIES[nodes[i]], METALLICITIES[nodes[i] + 1]];
        metals += formed[i] * 10 ** (low + fractions[i] * (high - low));
        mass += formed[i];
      }
      expect(logZ).toBeCloseTo(Math.log10(metals / mass), 10);
      // the templates' range takes little away
      expect(Math.abs(logZ - galaxy.logZ)).toBeLessThan(0.15);
    }
  });
});

describe("velocity dispersion", () => {
  test.each([20, 70, 150, 300, 400])("the kernel of %d km/s has that second moment and sums to 1", (sigma) => {
    const kernel = broadeningKernel(sigma);
    const moment = kernel.reduce((sum, weight, i) => sum + 2 * weight * i * i, 0);
    const total = kernel.reduce((sum, weight, i) => sum + (i === 0 ? weight : 2 * weight), 0);
    expect(total).toBeCloseTo(1, 4);
    expect(Math.sqrt(moment) * 299792.458 * LOG_STEP).toBeCloseTo(sigma, 0);
  });

  test("broadening keeps the light and smooths the lines of stars", () => {
    const [drawn] = drawMany(1, 0.1, "sigma");
    const variance = (sigmaStars: number): number => {
      render({ ...drawn, sigmaStars });
      let sum = 0;
      for (let k = Math.round(gridIndex(5100)); k < gridIndex(5500); k++) {
        sum += (work.stars[k] / ((work.stars[k - 1] + work.stars[k + 1]) / 2) - 1) ** 2;
      }
      return sum;
    };
    const light = (): number => {
      let sum = 0;
      for (let k = Math.round(gridIndex(4000)); k < gridIndex(8000); k++) sum += work.stars[k] * gridWavelength(k);
      return sum;
    };
    const [sharp, bright] = [variance(0), light()];
    expect(variance(250)).toBeLessThan(0.9 * sharp);
    expect(light() / bright).toBeCloseTo(1, 4);
  });

  test("a broad line at a band's edge: two points have the mean of a Gaussian", () => {
    const band = createPassband("ramp", { range: [6000, 7000], transmission: (x) => Math.min(1, (x - 6000) / 400) });
    const shift = gridIndex(6200);
    const spread = 200 / (299792.458 * LOG_STEP);
    let [exact, norm] = [0, 0];
    for (let t = -5; t <= 5; t += 0.01) {
      exact += Math.exp(-0.5 * t * t) * lineDensity(band, shift + t * spread);
      norm += Math.exp(-0.5 * t * t);
    }
    const two = (lineDensity(band, shift - spread) + lineDensity(band, shift + spread)) / 2;
    expect(two / (exact / norm)).toBeCloseTo(1, 3);
  });

  test("dispersions grow with mass: about 120 km/s at 10^10.3 Msun (Zahid et al. 2016)", () => {
    const rng = createRng("dispersion");
    const at = (mass: number): number =>
      quantile(
        Array.from({ length: 200 }, () => drawGalaxy(rng, 0.1, mass).sigmaStars),
        0.5,
      );
    expect(Math.abs(at(10.26) / 117.5 - 1)).toBeLessThan(0.1);
    expect(at(11.2) / at(10.26)).toBeCloseTo(10 ** (0.293 * 0.94), 0);
  });
});

describe("infrared", () => {
  const bands = createPassbands(bandsOf("infrared"));
  const vega: Record<string, number> = { J: 0.91, H: 1.39, Ks: 1.85, W1: 2.699, W2: 3.339 };

  test("an old, dustless galaxy keeps the anchored colours through the bands: J - H 0.65, H - K 0.2, W1 - W2 about 0", () => {
    const [drawn] = drawMany(1, 0.01, "infrared");
    const history = {
      ...drawn.history,
      start: 12,
      startOverTau: 40,
      truncation: 1,
      truncationTime: 0,
      burst: undefined,
    };
    render({ ...drawn, history, logZ: 0, avStars: 0 });
    const fluxes = createPhotometer(bands, templates).fluxes(work, 0.005);
    const magnitude = (name: string): number => {
      const j = bands.findIndex((band) => band.name === name);
      return magnitudeOfFlux(fluxes[j] * 1e-19, bands[j].pivot) - vega[name];
    };
    expect(Math.abs(magnitude("J") - magnitude("H") - 0.65)).toBeLessThan(0.1);
    expect(Math.abs(magnitude("H") - magnitude("Ks") - 0.21)).toBeLessThan(0.1);
    expect(Math.abs(magnitude("W1") - magnitude("W2"))).toBeLessThan(0.1);
  });

  test("bands where dust shines are not observed, those that redshift brings onto the grid are", () => {
    const fluxes = (z: number): Map<string, number> => {
      render(drawMany(1, z, "wise")[0]);
      const found = createPhotometer(bands, templates).fluxes(work, z);
      return new Map(bands.map(({ name }, j) => [name, found[j]]));
    };
    for (const z of [0.01, 1]) {
      for (const name of ["W3", "W4"]) expect(fluxes(z).get(name), name).toBeNaN();
      for (const name of ["J", "H", "Ks", "W1"]) expect(fluxes(z).get(name), name).toBeGreaterThan(0);
    }
    expect(fluxes(1).get("W2")).toBeGreaterThan(0);
  });

  test("templates of an optical survey end where its bands do", () => {
    expect(lastIndex(bands)).toBeGreaterThan(gridIndex(38_000));
    expect(lastIndex(createPassbands(bandsOf("minijpas")))).toBeLessThan(gridIndex(12_500));
  });
});

describe("definition of equivalent widths", () => {
  const galaxies = drawMany(200, 0.1, "widths");
  const names = Object.keys(ewLabels) as (keyof typeof ewLabels)[];
  const continuum = (lambda: number): number => {
    const x = gridIndex(lambda);
    const k = Math.floor(x);
    return work.stars[k] + (x - k) * (work.stars[k + 1] - work.stars[k]);
  };
  const ratios = (continuumOf: (centre: number, sigma: number) => number): Record<string, number> => {
    const found: Record<string, number[]> = {};
    for (const galaxy of galaxies) {
      render(galaxy);
      const widths = equivalentWidths(work);
      names.forEach((name, j) => {
        const members = ewLabels[name] as readonly (typeof LINE_NAMES)[number][];
        const centre = members.reduce((sum, one) => sum + lines[one].wavelength, 0) / members.length;
        const flux = members.reduce((sum, one) => sum + lineOf(one), 0);
        const sigma = Math.max((galaxy.sigmaGas / 299792.458) * centre, 1.6);
        (found[name] ??= []).push(flux / continuumOf(centre, sigma) / widths[j]);
      });
    }
    return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, quantile(values, 0.5)]));
  };

  test("emission over the pseudo-continuum beside the line: within 14 % of what FastSpecFit divides by", () => {
    const medians = ratios((centre, sigma) => {
      const sides: number[] = [];
      for (let d = 3 * sigma; d < 10 * sigma; d += 0.3) sides.push(continuum(centre - d), continuum(centre + d));
      sides.sort((a, b) => a - b);
      // an even number, one half from either side: the two in the middle may lie far apart
      return (sides[sides.length / 2 - 1] + sides[sides.length / 2]) / 2;
    });
    for (const name of names)
      expect(Math.abs(medians[name] - fastSpecFitFactor[name]), `${name} ${medians[name]}`).toBeLessThan(0.02);
  });

  test("not over the bottom of the Balmer absorption, which would make Halpha 10 - 30 % stronger", () => {
    const { HALPHA_EW: halpha, HBETA_EW: hbeta, NII6584_EW: nii } = ratios((centre) => continuum(centre));
    expect(halpha).toBeGreaterThan(1.1);
    expect(halpha).toBeLessThan(1.3);
    expect(hbeta).toBeGreaterThan(1.2);
    expect(Math.abs(nii - 1)).toBeLessThan(0.02);
  });
});

test("every part of the physics can be left out, and the rest of the galaxy stays", () => {
  const full = { attenuation: "kriek-conroy", enrichment: 0.6, velocityDispersion: true } as const;
  const draw = (physics: Parameters<typeof drawGalaxy>[3]): Galaxy => drawGalaxy(createRng("parts"), 0.1, 10, physics);
  const complete = draw(full);
  expect(draw({ ...full, attenuation: "calzetti" })).toEqual({ ...complete, attenuation: { slope: 0, bump: 0 } });
  expect(draw({ ...full, enrichment: 0 })).toEqual({ ...complete, enrichment: 0 });
  expect(draw({ ...full, velocityDispersion: false })).toEqual({ ...complete, sigmaStars: 0, sigmaGas: 0 });
  expect(complete.attenuation.bump).toBeGreaterThan(0);
  expect(createTemplates(0.1, { nebularContinuum: false }).nebular).toBeUndefined();
});
