import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { openFits } from "../../src/io/fits.ts";
import { readAll } from "../../src/io/columns.ts";
import type { Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import { ksDistance } from "../../src/report/statistics.ts";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { GRID_SIZE, gridIndex, gridWavelength } from "../../src/simulate/grid.ts";
import { drawKind, parseKinds } from "../../src/simulate/kinds.ts";
import { simulationOptions } from "../../src/simulate/options.ts";
import { createPassbands, magnitudeOfFlux, type Passband } from "../../src/simulate/passband.ts";
import { createQuasars, createStars } from "../../src/simulate/point-sources.ts";
import { createQuasarModel, drawQuasar } from "../../src/simulate/quasar.ts";
import { createStarPopulation } from "../../src/simulate/star-population.ts";
import { createStarModel, type Star } from "../../src/simulate/star-spectra.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { at, rms, withData } from "./data.ts";
import { quantile } from "./statistics.ts";

const work = new Float64Array(GRID_SIZE);
const fluxIn = (band: Passband): number =>
  band.weights.reduce((sum, weight, j) => sum + weight * work[band.first + j], 0);
const magnitudesOf = (bands: readonly Passband[]): number[] =>
  bands.map((band) => magnitudeOfFlux(fluxIn(band), band.pivot));
const named = (names: readonly string[], prefix: string): Passband[] =>
  createPassbands(
    names.map((name) => ({
      name,
      // all of it is read from the files
      band: { group: "broad", pivot: 5000, edges: [4500, 5500], rise: [10, 10], depth: [20], zeroPointError: [0] },
    })),
    at("filters"),
    prefix,
  );

describe("kinds of object in a table", () => {
  const survey = loadSurvey("minijpas");
  const column = (table: Table, name: string): unknown[] =>
    Array.from(table.columns.find((one) => one.name === name)?.data as ArrayLike<unknown>);

  test("shares are kept, stars have no redshift, and only galaxies have masses and widths", () => {
    const kinds = { galaxy: 1, star: 1, quasar: 1 };
    const simulation = createSimulation(survey, simulationOptions.parse({ kinds, seed: "kinds" }));
    const table = simulateBlock(simulation, 0);
    const classes = column(table, "CLASS");
    for (const kind of ["galaxy", "star", "quasar"]) {
      const share = classes.filter((one) => one === kind).length / classes.length;
      expect(Math.abs(share - 1 / 3), kind).toBeLessThan(0.1);
    }
    const [z, mass, width] = ["z", "LOGM", "HALPHA_EW"].map((name) => column(table, name) as number[]);
    classes.forEach((kind, i) => {
      expect(Number.isNaN(z[i])).toBe(kind === "star");
      expect(Number.isNaN(mass[i])).toBe(kind !== "galaxy");
      expect(Number.isNaN(width[i])).toBe(kind !== "galaxy");
    });
    expect(Math.max(...z.filter((_, i) => classes[i] === "quasar"))).toBeGreaterThan(2);
  });

  test("galaxies alone are not told apart: a table of one kind says nothing of others", () => {
    const table = simulateBlock(createSimulation(survey, simulationOptions.parse({ seed: "kinds" })), 0, 5);
    expect(column(table, "CLASS")).toEqual(["", "", "", "", ""]);
  });

  test("the command line's shares", () => {
    expect(parseKinds("galaxy=1, star=0.3")).toEqual({ galaxy: 1, star: 0.3 });
    for (const wrong of ["stars=1", "star", "star=-1", "star=many", ""]) {
      expect(() => parseKinds(wrong)).toThrow(/expected shares such as galaxy=1,star=0.3,quasar=0.05/);
    }
    expect(() => simulationOptions.parse({ kinds: { star: 0 } })).toThrow(/share above 0/);
    const rng = createRng("kinds");
    const drawn = Array.from({ length: 4000 }, () => drawKind(rng, { galaxy: 1, star: 0, quasar: 3 }));
    expect(drawn).not.toContain("star");
    expect(drawn.filter((one) => one === "quasar").length / 4000).toBeCloseTo(0.75, 1);
  });
});

describe("counts", () => {
  const limits = { bright: 14, faint: 22.5, band: 0, pivot: 6245, observed: [2000, 5000] } as const;

  test("stars: two to five thousand per square degree at latitude 60 degrees, r < 22.5 (Ivezic et al. 2008; Robin et al. 2003)", () => {
    const { perSquareDegree } = createStars(limits);
    expect(perSquareDegree).toBeGreaterThan(2000);
    expect(perSquareDegree).toBeLessThan(5000);
  });

  test("quasars: 100 - 250 per square degree to r 22.5 (Palanque-Delabrouille et al. 2016, A&A 587, A41)", () => {
    const { perSquareDegree } = createQuasars(limits);
    expect(perSquareDegree).toBeGreaterThan(100);
    expect(perSquareDegree).toBeLessThan(250);
  });
});

withData("splus-stripe82", "filters")("stars against S-PLUS, the rows that the colours were not fitted to", () => {
  const names = "uJAVA J0378 J0395 J0410 J0430 gSDSS J0515 rSDSS J0660 iSDSS J0861 zSDSS".split(" ");
  const [g, r, i] = ["gSDSS", "rSDSS", "iSDSS"].map((name) => names.indexOf(name));
  const bands = () => named(names, "OAJ_JPLUS");
  let real: number[][];
  let simulated: number[][];

  beforeAll(() => {
    const rows = readFileSync(at("splus-stripe82/stars-galaxies.txt"), "utf8").trim().split("\n").slice(1);
    real = rows
      .filter((_, row) => row % 2 === 0)
      .map((row) => row.trim().split(/\s+/))
      .filter((row) => row.at(-1) === "STAR")
      .map((row) => row.slice(-13, -1).map(Number))
      .filter((one) => one[r] > 16 && one[r] < 19);
    const rng = createRng("splus");
    const model = createStarModel(0, GRID_SIZE);
    const passbands = bands();
    // as many of each magnitude as there
    simulated = real.flatMap((one) => {
      const population = populations[Math.floor((one[r] - 16) / 0.5)];
      return [0, 1].map(() => {
        const { star } = population.draw(rng);
        model.render(star, work, 0, GRID_SIZE);
        return magnitudesOf(passbands);
      });
    });
  }, 60_000);
  const populations = Array.from({ length: 6 }, (_, k) => createStarPopulation(16 + 0.5 * k, 16.5 + 0.5 * k));

  test("the locus: every colour at a given g - i within 0.1 mag, 0.2 blueward of 4000 A", () => {
    for (const [low, high] of [
      [0.4, 0.6],
      [0.6, 0.8],
      [0.8, 1.2],
      [1.2, 1.8],
      [1.8, 2.4],
    ]) {
      names.forEach((name, j) => {
        const [a, b] = [real, simulated].map((all) => {
          const near = all.filter((one) => one[g] - one[i] > low && one[g] - one[i] < high);
          expect(near.length).toBeGreaterThan(20);
          return quantile(
            near.map((one) => one[j] - one[r]),
            0.5,
          );
        });
        expect(Math.abs(a - b), `${name} - r at g - i ${low}: ${a} ${b}`).toBeLessThan(j < 3 ? 0.2 : 0.1);
      });
    }
  });

  // redder ones are seldom seen in all twelve bands
  test("how many of each colour: g - i below 1.6", () => {
    const [a, b] = [real, simulated].map((all) => all.map((one) => one[g] - one[i]).filter((colour) => colour < 1.6));
    expect(ksDistance(a, b), `${quantile(a, 0.5)} ${quantile(b, 0.5)}`).toBeLessThan(0.15);
  });
});

describe("spectra of stars", () => {
  const model = createStarModel(0, GRID_SIZE);
  const render = (star: Partial<Star>): void =>
    model.render(
      { temperature: 5800, gravity: 4.4, metallicity: 0, whiteDwarf: undefined, ...star },
      work,
      0,
      GRID_SIZE,
    );
  const depthAt = (lambda: number, side: number): number => {
    const at = (x: number): number => work[Math.round(gridIndex(x))];
    return 1 - at(lambda) / Math.sqrt(at(lambda - side) * at(lambda + side));
  };

  test("Balmer lines are deepest in A stars, broad in white dwarfs; TiO is of M dwarfs", () => {
    const [cool, hot] = [4500, 9500].map((temperature) => {
      render({ temperature });
      return depthAt(4862.7, 70);
    });
    expect(hot).toBeGreaterThan(0.4);
    expect(cool).toBeLessThan(0.15);
    render({ temperature: 12_000, gravity: 8, whiteDwarf: "hydrogen" });
    expect(depthAt(4842, 120)).toBeGreaterThan(0.1);
    render({ temperature: 12_000, gravity: 8, whiteDwarf: "none" });
    expect(Math.abs(depthAt(4862.7, 70))).toBeLessThan(0.01);
    const heads = [3100, 3800, 5000].map((temperature) => {
      render({ temperature });
      return work[Math.round(gridIndex(7030))] / work[Math.round(gridIndex(7080))];
    });
    expect(heads[0]).toBeGreaterThan(1.5);
    expect(heads[1]).toBeGreaterThan(heads[2]);
    expect(heads[2]).toBeLessThan(1.05);
  });

  test("few metals make the blue brighter", () => {
    const [rich, poor] = [0, -2].map((metallicity) => {
      render({ metallicity });
      return work[Math.round(gridIndex(3600))] / work[Math.round(gridIndex(5500))];
    });
    expect(-2.5 * Math.log10(rich / poor)).toBeGreaterThan(0.2);
    expect(-2.5 * Math.log10(rich / poor)).toBeLessThan(1);
  });
});

/** Median u - g, g - r, r - i, i - z of real quasars by redshift; NaN where too few were seen. */
const quasarColours: readonly (readonly number[])[] = [
  [0.7, 0.329, 0.015, 0.019, 0.129],
  [1.1, 0.114, 0.214, -0.042, -0.065],
  [1.5, 0.169, 0.15, 0.182, -0.028],
  [1.9, -0.009, 0.046, 0.251, 0.057],
  [2.2, 0.289, 0.072, 0.119, 0.224],
  [2.6, 0.795, 0.172, 0.083, 0.252],
  [3, 1.475, 0.245, 0.088, 0.112],
  [3.2, Number.NaN, 0.217, 0.104, 0.051],
  [3.6, Number.NaN, 1.084, 0.093, 0.094],
  [4, Number.NaN, 1.406, 0.145, 0.121],
  [4.2, Number.NaN, 1.813, 0.295, 0.096],
];

withData("filters")("colours of quasars (Richards et al. 2001, AJ 121, 2308, table 3)", () => {
  test("medians within 0.15 mag at every redshift, 0.25 where u is in the forest", () => {
    const bands = named(["u", "g", "r", "i", "z"], "SLOAN_SDSS");
    const model = createQuasarModel();
    const rng = createRng("colours");
    for (const [z, ...real] of quasarColours) {
      const all = Array.from({ length: 80 }, () => {
        model.render(drawQuasar(rng, z, z < 1 ? -24 : z < 2 ? -25.5 : -26.5), work, 0, GRID_SIZE);
        const magnitudes = magnitudesOf(bands);
        return real.map((_, j) => magnitudes[j] - magnitudes[j + 1]);
      });
      real.forEach((colour, j) => {
        if (Number.isNaN(colour)) return;
        const median = quantile(
          all.map((one) => one[j]),
          0.5,
        );
        expect(Math.abs(median - colour), `colour ${j} at z ${z}: ${median}`).toBeLessThan(j === 0 ? 0.25 : 0.15);
      });
    }
  });
});

withData("sdss-spectra", "filters")("the quasars among the SDSS spectra", () => {
  test.each(["spec-1008-52707-0558", "spec-9562-57817-0802"])(
    "%s has a likeness among 400 simulated ones",
    async (name) => {
      const file = await openFits(at(`sdss-spectra/${name}.fits`));
      const read = async (hdu: number, wanted: string): Promise<number[]> => {
        const { columns } = await readAll(await file.hdus[hdu].table());
        const found = columns.find((column) => column.name.toLowerCase() === wanted);
        return Array.from(found?.data as ArrayLike<number>, Number);
      };
      const [flux, logWavelength, z] = [await read(1, "flux"), await read(1, "loglam"), (await read(2, "z"))[0]];
      await file.close();
      const edges = Array.from({ length: 50 }, (_, k) => 3900 * 1.0167 ** k);
      const binned = (wavelength: (k: number) => number, values: ArrayLike<number>): number[] => {
        const [sums, counts] = [edges.map(() => 0), edges.map(() => 0)];
        for (let k = 0; k < values.length; k++) {
          const bin = Math.floor(Math.log(wavelength(k) / edges[0]) / Math.log(1.0167));
          if (bin < 0 || bin >= edges.length) continue;
          sums[bin] += values[k];
          counts[bin] += 1;
        }
        return sums.map((sum, bin) => sum / counts[bin]);
      };
      const truth = binned((k) => 10 ** logWavelength[k], flux);
      const model = createQuasarModel();
      const rng = createRng(name);
      const distances = Array.from({ length: 400 }, () => {
        model.render(drawQuasar(rng, z, -22), work, 0, GRID_SIZE);
        const ratios = binned(gridWavelength, work).map((value, bin) => Math.log(value / truth[bin]));
        const level = ratios.reduce((sum, one) => sum + one, 0) / ratios.length;
        return rms(ratios.map((one) => one - level));
      });
      expect(Math.min(...distances)).toBeLessThan(0.16);
    },
  );
});
