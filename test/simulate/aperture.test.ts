import { describe, expect, test } from "vitest";
import { createRng } from "../../src/random.ts";
import { drawShape, enclosedFlux } from "../../src/simulate/aperture.ts";
import { observe } from "../../src/simulate/observer.ts";
import type { SimulationInput } from "../../src/simulate/options.ts";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { openFits } from "../../src/io/fits.ts";
import { readAll } from "../../src/io/columns.ts";
import { magnitudeOfFlux } from "../../src/simulate/passband.ts";
import { simulationOptions } from "../../src/simulate/options.ts";
import { at, withData } from "./data.ts";
import { ksDistance } from "../../src/report/statistics.ts";
import { quantile } from "./statistics.ts";
import { drawPointing } from "../../src/simulate/pointing.ts";
import { sigmaOf } from "../../src/simulate/instrument.ts";
import { flat, isOptical, make, mean, survey } from "./observed.ts";

describe("apertures", () => {
  test("enclosed flux of a disc after seeing is that of photons thrown one by one", () => {
    const rng = createRng("photons");
    const [beta, n] = [2.38, 40_000];
    for (const [halfLight, seeing] of [
      [1.2, 0.9],
      [0.4, 1.6],
      [3, 0.01],
    ] as const) {
      const alpha = seeing / 2 / Math.sqrt(2 ** (1 / beta) - 1);
      let inside = 0;
      for (let i = 0; i < n; i++) {
        // exponential disc: r / h is Gamma(2); Moffat: its cumulative is inverted
        const r = (-Math.log((1 - rng.uniform()) * (1 - rng.uniform())) * halfLight) / 1.67835;
        const s = alpha * Math.sqrt((1 - rng.uniform()) ** (1 / (1 - beta)) - 1);
        const angle = 2 * Math.PI * rng.uniform();
        if (r * r + s * s + 2 * r * s * Math.cos(angle) < 1.5 ** 2) inside += 1;
      }
      expect(Math.abs(enclosedFlux(1.5, { halfLight, sersic: 1 }, seeing) - inside / n)).toBeLessThan(0.012);
    }
    const x = (1.5 / 0.5) * 1.67835; // no seeing: 1 - (1 + R/h) exp(-R/h)
    expect(enclosedFlux(1.5, { halfLight: 0.5, sersic: 1 }, 1e-6)).toBeCloseTo(1 - (1 + x) * Math.exp(-x), 2);
  });

  test("the profiles of every index: half of the light within the half-light radius, all of it far out, a point is a point", () => {
    for (const sersic of [0.5, 0.8, 1, 1.7, 2.5, 4, 6]) {
      expect(Math.abs(enclosedFlux(1, { halfLight: 1, sersic }, 1e-6) - 0.5), `${sersic}`).toBeLessThan(0.01);
      expect(enclosedFlux(100, { halfLight: 1, sersic }, 1e-6), `${sersic}`).toBeGreaterThan(0.995);
    }
    // de Vaucouleurs within 3 half-light radii: gamma(8, 7.669 x 3^(1/4)) = 0.788 (Graham & Driver 2005, PASA 22, 118, eq. 2)
    expect(Math.abs(enclosedFlux(3, { halfLight: 1, sersic: 4 }, 1e-6) - 0.788)).toBeLessThan(0.01);
    const point = enclosedFlux(1.5, { halfLight: 0, sersic: 4 }, 1);
    expect(point).toBeCloseTo(enclosedFlux(1.5, { halfLight: 1e-3, sersic: 1 }, 1), 3);
    expect(point).toBeGreaterThan(0.7);
  });

  test("sizes of nearby galaxies: a few kpc, larger when massive, smaller in the past, early types small and steep", () => {
    const shapes = (logMass: number, redshift: number, logSfr: number) => {
      const rng = createRng("size");
      const drawn = Array.from({ length: 400 }, () => drawShape(rng, { logMass, redshift, logSfr }));
      const average = (of: (one: (typeof drawn)[number]) => number): number =>
        Math.exp(mean(drawn.map((one) => Math.log(of(one)))));
      return { radius: average(({ halfLight }) => halfLight), sersic: average(({ sersic }) => sersic) };
    };
    const [disc, spheroid] = [1, -3].map((logSfr) => shapes(10.6, 0.1, logSfr));
    // 10^10.6 Msun: 3.6 and 2.5 kpc (Shen et al. 2003, figure 11); 1.845 kpc per arcsec at z = 0.1
    expect(Math.abs(disc.radius * 1.845 - 3.6)).toBeLessThan(0.3);
    expect(Math.abs(spheroid.radius * 1.845 - 2.5)).toBeLessThan(0.3);
    expect(disc.sersic).toBeLessThan(1.7);
    expect(spheroid.sersic).toBeGreaterThan(3);
    expect(shapes(11, 0.1, 1).radius / shapes(9, 0.1, 1).radius).toBeGreaterThan(2.5);
    expect(shapes(10.6, 0.8, 1).radius).toBeLessThan(disc.radius / 3);
  });

  test("an aperture loses light in all bands alike, or by each band's own seeing", () => {
    const target = { ...flat(100), redshift: 0.08, logMass: 10.3, logSfr: 0.5 };
    const quiet = { noiseScale: 0 } as const;
    const pointing = drawPointing(make(quiet), createRng("pointing"));
    const look = (aperture: SimulationInput["aperture"]) =>
      observe(make({ ...quiet, aperture }), target, createRng("aperture"), pointing).flux;
    const ratios = (flux: Float32Array): number[] =>
      Array.from(
        flux.filter((_, j) => isOptical[j]),
        (f) => f / 100,
      );
    expect(new Set(ratios(look({}))).size).toBe(1);
    const matched = ratios(look({ diameter: 3 }));
    expect(new Set(matched).size).toBe(1);
    expect(matched[0]).toBeGreaterThan(0.1);
    expect(matched[0]).toBeLessThan(0.8);
    const own = ratios(look({ diameter: 3, seeing: "own" }));
    expect(Math.max(...own) / Math.min(...own)).toBeGreaterThan(1.1);
    const wide = make({ aperture: { diameter: 6 } });
    const sky = (one: ReturnType<typeof make>): number => sigmaOf(one.bands[5].sky[0], Infinity, 0);
    expect(sky(wide) / sky(make())).toBeCloseTo(2, 10);
    const star = { ...flat(100), isPoint: true };
    const ofStar = observe(make({ ...quiet, aperture: { diameter: 3 } }), star, createRng("star"), pointing).flux;
    expect(ratios(ofStar)[0]).toBeGreaterThan(matched[0]);
  });
});

withData("galsim-cosmos")("sizes against 100 COSMOS galaxies of I < 22.5", () => {
  test("half-light radii and Sersic indices at the same magnitudes and redshifts", async () => {
    const file = await openFits(at("galsim-cosmos/real_galaxy_catalog_23.5_example_fits.fits"));
    const { columns } = await readAll(await file.hdus[1].table());
    await file.close();
    const elements = (name: string, width: number, element: number): number[] => {
      const data = Array.from(columns.find((one) => one.name === name)?.data as ArrayLike<number>, Number);
      return data.filter((_, i) => i % width === element);
    };
    const theirs = {
      magnitude: elements("mag_auto", 1, 0),
      redshift: elements("zphot", 1, 0),
      radius: elements("hlr", 3, 0).map(Math.log10), // of the Sersic fit [arcsec]
      sersic: elements("sersicfit", 8, 2),
    };
    const options = simulationOptions.parse({ fluxes: "clean", selection: { band: "iSDSS", faint: 22.5, bright: 16 } });
    const simulation = createSimulation(survey, options);
    const tables = Array.from({ length: 8 }, (_, block) => simulateBlock(simulation, block));
    const column = (name: string): number[] =>
      tables.flatMap((table) => Array.from(table.columns.find((one) => one.name === name)?.data as Float32Array));
    const [redshift, logMass, logSfr, flux] = ["z", "LOGM", "LOGSFR", "true_iSDSS"].map(column);
    const magnitude = flux.map((f) => magnitudeOfFlux(f * 1e-19, 7656.2));
    const rng = createRng("cosmos");
    // eight of ours that are nearest in magnitude and redshift for each of theirs
    const ours = theirs.magnitude.flatMap((mag, k) =>
      redshift
        .map((z, i) => [((magnitude[i] - mag) / 0.3) ** 2 + ((z - theirs.redshift[k]) / 0.1) ** 2, i])
        .sort((a, b) => a[0] - b[0])
        .slice(0, 8)
        .map(([, i]) => drawShape(rng, { redshift: redshift[i], logMass: logMass[i], logSfr: logSfr[i] })),
    );
    const radius = ours.map(({ halfLight }) => Math.log10(halfLight));
    const sersic = ours.map((one) => one.sersic);
    expect(theirs.radius).toHaveLength(100);
    // 0.136 is what one of twenty samples of 100 exceeds by chance
    expect(ksDistance(theirs.radius, radius)).toBeLessThan(0.18);
    expect(ksDistance(theirs.sersic, sersic)).toBeLessThan(0.18);
    expect(Math.abs(quantile(theirs.radius, 0.5) - quantile(radius, 0.5))).toBeLessThan(0.06);
    for (const q of [0.16, 0.5, 0.84]) {
      expect(Math.abs(Math.log(quantile(theirs.sersic, q) / quantile(sersic, q))), `${q}`).toBeLessThan(0.3);
    }
  });
});
