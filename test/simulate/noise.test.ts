import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createRng } from "../../src/random.ts";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { drawHalfLight, enclosedFlux } from "../../src/simulate/aperture.ts";
import { codeOf, MECHANISMS } from "../../src/simulate/missing.ts";
import { createObserver, type Observer, observe, sigmaOf } from "../../src/simulate/noise.ts";
import { simulationOptions, type SimulationInput } from "../../src/simulate/options.ts";
import { createPassbands, fluxOfMagnitude } from "../../src/simulate/passband.ts";
import { State } from "../../src/survey/field.ts";
import { loadSurvey, type Survey } from "../../src/survey/survey.ts";
import { at, rms, withData } from "./data.ts";

const survey = loadSurvey("minijpas");
const bandsOf = (one: Survey) => one.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
const bands = bandsOf(survey);
const passbands = createPassbands(bands);
const pivots = passbands.map(({ pivot }) => pivot);
const make = (input: SimulationInput = {}): Observer =>
  createObserver(
    survey,
    passbands,
    simulationOptions.parse({ missingFraction: 0, uvCoverage: 1, foreground: { ebv: 0 }, ...input }),
  );
const flat = (value: number): Float64Array => new Float64Array(bands.length).fill(value);
const isOptical = bands.map(({ band }) => band.group !== "uv");
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

describe("noise", () => {
  const instrument = make({ zeroPointScale: 0 });

  test.each([300, 3])("pulls of a flux of %d have zero mean and unit variance in every band", (level) => {
    const truth = flat(level);
    const rng = createRng(`pulls${level}`);
    const n = 4000;
    const sums = pivots.map(() => [0, 0]);
    for (let i = 0; i < n; i++) {
      const { flux, error } = observe(instrument, truth, i % 4, rng);
      flux.forEach((value, j) => {
        const pull = (value - truth[j]) / error[j];
        sums[j][0] += pull / n;
        sums[j][1] += (pull * pull) / n;
      });
    }
    for (const [average, square] of sums) {
      expect(Math.abs(average)).toBeLessThan(4.5 / Math.sqrt(n));
      // counted photons have a little more kurtosis than Gaussian ones
      expect(Math.abs(square - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    }
  });

  test("a source at the tile's depth has S/N 5 from the sky alone", () => {
    for (const band of instrument.bands) {
      band.band.depth.forEach((depth, part) => {
        const flux = fluxOfMagnitude(depth, band.pivot) / 1e-19;
        expect(flux / sigmaOf(band, part, 0, 0)).toBeCloseTo(5, 6);
        expect(sigmaOf(band, part, flux, 0)).toBeGreaterThan(sigmaOf(band, part, 0, 0));
      });
    }
  });

  test("Monte Carlo at the depth of every band and tile: 5 sigma, wider by the source's own photons", () => {
    const quiet = make({ zeroPointScale: 0, calibrationFloor: 0 });
    const n = 1500;
    for (let tile = 0; tile < 4; tile++) {
      const depths = bands.map(({ band }, j) => {
        const part = Math.max(0, quiet.parts[tile * bands.length + j]);
        return fluxOfMagnitude(band.depth[part % band.depth.length], pivots[j]) / 1e-19;
      });
      const truth = Float64Array.from(depths);
      const rng = createRng(`depth${tile}`);
      const snr = bands.map((): number[] => []);
      for (let i = 0; i < n; i++) {
        const { flux } = observe(quiet, truth, tile, rng);
        flux.forEach((value, j) => snr[j].push((5 * value) / depths[j]));
      }
      snr.forEach((values, j) => {
        const average = mean(values);
        const source = truth[j] / quiet.bands[j].gain[tile % quiet.bands[j].gain.length] / (truth[j] / 5) ** 2;
        const spread = Math.sqrt(1 + source);
        expect(Math.abs(average - 5), bands[j].name).toBeLessThan((4.5 * spread) / Math.sqrt(n));
        if (!isOptical[j]) return; // few photons: which layer a tile's pointing has is not this test's
        expect(Math.abs(rms(values.map((x) => x - average)) / spread - 1), bands[j].name).toBeLessThan(0.09);
        // the sky's photons dominate at the depth
        expect(source, bands[j].name).toBeLessThan(0.2);
      });
    }
  });

  test("photons of the ultraviolet are counted as GALEX counts them", () => {
    // one count per second at AB 18.82 (FUV) and 20.08 (NUV): Morrissey et al. 2007, ApJS 173, 682, table 1
    for (const [name, zeroPoint] of [
      ["FUV", 18.82],
      ["NUV", 20.08],
    ] as const) {
      const band = instrument.bands.find((one) => one.name === name);
      const flux = fluxOfMagnitude(zeroPoint, band?.pivot ?? 0) / 1e-19;
      const exposures = band?.collector?.layers?.map(({ exposure }) => exposure) ?? [];
      expect(exposures).toHaveLength(2);
      exposures.forEach((exposure, layer) => {
        const rate = (flux * (band?.gain[layer] ?? 0)) / exposure;
        expect(Math.abs(Math.log(rate)), name).toBeLessThan(0.25);
      });
    }
  });

  test("band offsets have the stated rms and shift every object alike", () => {
    const shifted = make({ zeroPointScale: 0, offsets: { rms: 0.06, seed: 1 } });
    const offsets = shifted.bands.map(({ offset }) => offset);
    expect(Math.abs(rms(offsets) - 0.06)).toBeLessThan(0.02);
    const [plain, moved] = [instrument, shifted].map((one) => observe(one, flat(300), 0, createRng("same")));
    offsets.forEach((offset, j) => {
      expect(-2.5 * Math.log10(moved.flux[j] / plain.flux[j])).toBeCloseTo(offset, 3);
    });
  });
});

describe("calibration", () => {
  test("zero-points are by pointing and band, of the survey's size, the same for every object", () => {
    const one = make({ noiseScale: 0, calibrationFloor: 0, calibration: { smooth: 0 } });
    const [a, b] = [100, 900].map((level, i) => observe(one, flat(level), 7, createRng(`object${i}`)).flux);
    a.forEach((flux, j) => expect(b[j] / flux).toBeCloseTo(9, 4));
    const other = observe(one, flat(100), 8, createRng("object0")).flux;
    expect(a.filter((flux, j) => Math.abs(flux - other[j]) > 0.01).length).toBeGreaterThan(50);
    const shifts = Array.from(one.zeroPoints, (factor) => -2.5 * Math.log10(factor));
    expect(Math.abs(rms(shifts) - 0.04)).toBeLessThan(0.001);
  });

  test("the smooth error has its size, is alike in neighbours and unrelated far away", () => {
    const one = make({ noiseScale: 0, calibrationFloor: 0, calibration: { smooth: 0.02, length: 500 }, pointings: 1 });
    const rng = createRng("smooth");
    const rows = Array.from({ length: 3000 }, () => observe(one, flat(100), 0, rng).flux);
    const magnitudes = (name: string): number[] => {
      const j = bands.findIndex((band) => band.name === name);
      const values = rows.map((flux) => -2.5 * Math.log10(flux[j]));
      const average = mean(values); // the pointing's zero-point
      return values.map((x) => x - average);
    };
    const [blue, near, far] = ["J0500", "J0530", "J0800"].map(magnitudes);
    const correlation = (x: number[], y: number[]): number => mean(x.map((v, i) => v * y[i])) / rms(x) / rms(y);
    for (const values of [blue, near, far]) expect(Math.abs(rms(values) / 0.02 - 1)).toBeLessThan(0.06);
    expect(Math.abs(correlation(blue, near) - Math.exp(-0.5 * (298.2 / 500) ** 2))).toBeLessThan(0.03);
    expect(Math.abs(correlation(blue, far))).toBeLessThan(0.06);
  });
});

describe("missing bands", () => {
  const optical = bands.flatMap((_, j) => (isOptical[j] ? [j] : []));
  const draws = (missing: Record<string, number>, fraction = 0.1, n = 6000): Uint8Array[] => {
    const none = { edge: 0, star: 0, neighbour: 0, artefact: 0 };
    const one = make({ missingFraction: fraction, missing: { ...none, ...missing } });
    const rng = createRng(JSON.stringify(missing));
    return Array.from({ length: n }, () => observe(one, flat(300), rng.integer(256), rng).cause);
  };
  const lost = (cause: Uint8Array): number[] => optical.filter((j) => cause[j] > 0);

  test.each(["edge", "star", "neighbour", "artefact"] as const)("%s costs its fraction of the bands", (mechanism) => {
    const causes = draws({ [mechanism]: 1 });
    expect(Math.abs(mean(causes.map((cause) => lost(cause).length / optical.length)) - 0.1)).toBeLessThan(0.012);
    expect(new Set(causes.flatMap((cause) => lost(cause).map((j) => MECHANISMS[cause[j] - 1][0])))).toEqual(
      new Set([mechanism]),
    );
    // all but artefacts come in whole runs: far fewer objects than independent bands would touch
    const touched = causes.filter((cause) => lost(cause).length > 0).length / causes.length;
    if (mechanism === "artefact") expect(touched).toBeGreaterThan(0.99);
    else expect(touched).toBeLessThan(0.21);
  });

  test("edges cost runs of neighbouring bands, stars one end of the spectrum, neighbours the worst seeing", () => {
    const breaks = (cause: Uint8Array, order: number[]): number =>
      order.filter((j, i) => i > 0 && cause[j] > 0 !== cause[order[i - 1]] > 0).length;
    const narrow = optical.filter((j) => bands[j].band.group === "narrow");
    const ofEdges = draws({ edge: 1 }).filter((cause) => lost(cause).length > 0);
    expect(mean(ofEdges.map((cause) => breaks(cause, narrow)))).toBeLessThan(8); // 27 where bands are independent
    const byPivot = optical.toSorted((a, b) => pivots[a] - pivots[b]);
    const ofStars = draws({ star: 1 }).filter((cause) => lost(cause).length > 0);
    expect(Math.max(...ofStars.map((cause) => breaks(cause, byPivot)))).toBe(1);
    const red = ofStars.filter((cause) => cause[byPivot[byPivot.length - 1]] > 0).length / ofStars.length;
    expect(Math.abs(red - 0.7)).toBeLessThan(0.06);
    const one = make({ missingFraction: 0.3, missing: { edge: 0, star: 0, artefact: 0 } });
    const cause = Array.from({ length: 60 }, (_, i) => observe(one, flat(300), 0, createRng(`blend${i}`)).cause).find(
      (c) => lost(c).length > 5 && lost(c).length < 50,
    );
    const seeing = (j: number): number => bands[j].band.seeing?.[0] ?? 0;
    const worst = Math.max(...optical.filter((j) => cause?.[j] === 0).map(seeing));
    for (const j of lost(cause ?? new Uint8Array())) expect(seeing(j)).toBeGreaterThanOrEqual(worst);
  });

  test("layers of a space survey: their shares, their depths, nothing outside", () => {
    const one = make({ uvCoverage: undefined });
    const [fuv, nuv] = ["FUV", "NUV"].map((name) => bands.findIndex((band) => band.name === name));
    const layers = Array.from({ length: 256 }, (_, p) => one.parts[p * bands.length + nuv]);
    const share = (layer: number): number => layers.filter((x) => x === layer).length / 256;
    expect([share(0), share(1), share(-1)].map((x) => Math.round(x * 100) / 100)).toEqual([0.65, 0.2, 0.15]);
    const look = (layer: number) => observe(one, flat(50), layers.indexOf(layer), createRng("layer"));
    const [ais, mis, none] = [look(0), look(1), look(-1)];
    expect(ais.error[nuv] / mis.error[nuv]).toBeGreaterThan(4);
    expect([none.flux[fuv], none.cause[fuv], none.cause[nuv]]).toEqual([
      Number.NaN,
      codeOf("footprint"),
      codeOf("footprint"),
    ]);
  });

  test("below the detection limit: forced photometry, an upper limit, or missing because faint", () => {
    const nuv = bands.findIndex(({ name }) => name === "NUV");
    const look = (nonDetections: "forced" | "limit" | "missing", level: number) => {
      const one = make({ nonDetections });
      const { flux, error, state, cause } = observe(one, flat(level), 3, createRng("faint"));
      return { flux: flux[nuv], error: error[nuv], state: state[nuv], cause: cause[nuv] };
    };
    const forced = look("forced", 0.1);
    expect(forced.state).toBe(State.nonDetection);
    expect(forced.flux).toBeLessThan(3 * forced.error);
    const limit = look("limit", 0.1);
    expect([limit.state, limit.flux / limit.error]).toEqual([State.upperLimit, expect.closeTo(3, 5)]);
    expect(look("missing", 0.1)).toEqual({ flux: Number.NaN, error: Number.NaN, state: 0, cause: codeOf("faint") });
    for (const kind of ["forced", "limit", "missing"] as const) expect(look(kind, 1e4).state).toBe(State.measured);
  });
});

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
      expect(Math.abs(enclosedFlux(1.5, halfLight, seeing) - inside / n)).toBeLessThan(0.012);
    }
    const x = (1.5 / 0.5) * 1.67835; // no seeing: 1 - (1 + R/h) exp(-R/h)
    expect(enclosedFlux(1.5, 0.5, 1e-6)).toBeCloseTo(1 - (1 + x) * Math.exp(-x), 2);
  });

  test("sizes of nearby discs: a few kpc, larger when massive, smaller in the past", () => {
    const radius = (logMass: number, z: number): number => {
      const rng = createRng("size");
      const values = Array.from({ length: 400 }, () => Math.log(drawHalfLight(rng, logMass, z)));
      return Math.exp(mean(values));
    };
    // 10^10.6 Msun: 3.6 kpc (Shen et al. 2003, figure 11); 1.845 kpc per arcsec at z = 0.1
    expect(Math.abs(radius(10.6, 0.1) * 1.845 * 1.1 ** 0.75 - 3.6)).toBeLessThan(0.3);
    expect(radius(11, 0.1) / radius(9, 0.1)).toBeGreaterThan(2.5);
    expect(radius(10.6, 0.8)).toBeLessThan(radius(10.6, 0.1) / 3);
  });

  test("an aperture loses light in all bands alike, or by each band's own seeing", () => {
    const quiet = { noiseScale: 0, calibrationFloor: 0, zeroPointScale: 0 } as const;
    const target = { redshift: 0.08, logMass: 10.3 };
    const look = (aperture: SimulationInput["aperture"]) =>
      observe(make({ ...quiet, aperture }), flat(100), 0, createRng("aperture"), target).flux;
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
    expect(sigmaOf(wide.bands[5], 0, 0, 0) / sigmaOf(make().bands[5], 0, 0, 0)).toBeCloseTo(2, 10);
  });
});

test("the same galaxies however they are observed; labels stay those of the whole galaxy", () => {
  const look = (input: SimulationInput): Map<string, number[]> => {
    const table = simulateBlock(
      createSimulation(survey, simulationOptions.parse({ redshift: { max: 0.3 }, ...input })),
      0,
      30,
    );
    return new Map(table.columns.map(({ name, data }) => [name, Array.from(data as ArrayLike<number>, Number)]));
  };
  const [total, inside] = [look({ missingFraction: 0 }), look({ missingFraction: 0.2, aperture: { diameter: 3 } })];
  for (const name of ["z", "LOGM", "HALPHA_EW"]) expect(inside.get(name), name).toEqual(total.get(name));
  const ratio = (inside.get("rSDSS") ?? [])
    .map((flux, i) => flux / (total.get("rSDSS")?.[i] ?? 1))
    .filter(Number.isFinite);
  expect(mean(ratio)).toBeGreaterThan(0.4);
  expect(mean(ratio)).toBeLessThan(0.95);
});

withData("survey-depths")("survey files against the archive's tables", () => {
  const csv = (name: string): Record<string, string>[] => {
    const [head, ...lines] = readFileSync(at(`survey-depths/${name}`), "utf8")
      .trim()
      .split("\n")
      .slice(1);
    const cells = (line: string): string[] => line.split(",").map((cell) => cell.replaceAll('"', ""));
    const names = cells(head);
    return lines.map((line) => Object.fromEntries(cells(line).map((cell, i) => [names[i], cell])));
  };

  test.each(["minijpas", "jnep"])("%s: depth, seeing, exposure and zero-point error of every tile and band", (name) => {
    const nameOf = new Map(csv("minijpas.Filter.csv").map((row) => [row.FILTER_ID, row.name.replace("uJPAS", "u")]));
    const one = loadSurvey(name);
    const rows = csv(`${name}.TileImage.csv`);
    expect(rows).toHaveLength(60 * one.tiles.length);
    for (const row of rows) {
      const band = bandsOf(one).find((each) => each.name === nameOf.get(row.FILTER_ID))?.band;
      const tile = Math.max(
        0,
        one.tiles.findIndex((each) => row.name.startsWith(`${each}-`)),
      );
      const value = (list: readonly number[] | undefined): number => list?.[tile % list.length] ?? Number.NaN;
      expect(Math.abs(value(band?.depth) - Number(row.DEPTH3ARC5S))).toBeLessThan(0.006);
      expect(Math.abs(value(band?.seeing) - Number(row.FWHM_MEAN))).toBeLessThan(0.006);
      expect(value(band?.exposure)).toBeCloseTo(Number(row.TEXPOSED), 0);
      expect(value(band?.zeroPointError)).toBeCloseTo(Number(row.ERRZPT), 6);
      // the archive's depth is white noise of its NOISE column in a circle of 3 arcsec: our sky sigma in closed form
      const pixels = (Math.PI * 1.5 ** 2) / Number(row.PIXSCALE) ** 2;
      const depth = Number(row.ZPT) - 2.5 * Math.log10(5 * Number(row.NOISE) * Math.sqrt(pixels));
      expect(Math.abs(depth - Number(row.DEPTH3ARC5S))).toBeLessThan(0.01);
    }
  });
});
