import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createRng } from "../../src/random.ts";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { codeOf, MECHANISMS } from "../../src/simulate/missing.ts";
import { observe } from "../../src/simulate/observer.ts";
import { sigmaOf } from "../../src/simulate/instrument.ts";
import { simulationOptions, type SimulationInput } from "../../src/simulate/options.ts";
import { fluxOfMagnitude } from "../../src/simulate/passband.ts";
import { drawPointing } from "../../src/simulate/pointing.ts";
import { State } from "../../src/survey/field.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { at, rms, withData } from "./data.ts";
import { bands, bandsOf, flat, isOptical, make, mean, pivots, regression, survey } from "./observed.ts";

describe("noise", () => {
  const instrument = make();

  test.each([300, 3])(
    "noise of a flux of %d: no bias, and the sky's and the photons' variance in every band",
    (level) => {
      const truth = flat(level);
      const rng = createRng(`pulls${level}`);
      const n = 4000;
      const sums = pivots.map(() => [0, 0]);
      const setup = { ...instrument, tiles: survey.tiles };
      for (let i = 0; i < n; i++) {
        const pointing = drawPointing(setup, rng);
        const { flux } = observe(instrument, truth, rng, pointing);
        flux.forEach((value, j) => {
          const { sky, gain } = instrument.bands[j];
          const part = pointing.parts[j];
          const pull = (value - level) / sigmaOf(sky[part % sky.length], gain[part % gain.length], level);
          sums[j][0] += pull / n;
          sums[j][1] += (pull * pull) / n;
        });
      }
      for (const [average, square] of sums) {
        expect(Math.abs(average)).toBeLessThan(4.5 / Math.sqrt(n));
        // counted photons have a little more kurtosis than Gaussian ones
        expect(Math.abs(square - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
      }
    },
  );

  test("a source at the tile's depth has S/N 5 from the sky alone", () => {
    for (const { band, pivot, sky, gain } of instrument.bands) {
      band.depth.forEach((depth, part) => {
        const flux = fluxOfMagnitude(depth, pivot) / 1e-19;
        expect(flux / sigmaOf(sky[part], gain[part % gain.length], 0)).toBeCloseTo(5, 6);
        expect(sigmaOf(sky[part], gain[part % gain.length], flux)).toBeGreaterThan(flux / 5);
      });
    }
  });

  test("Monte Carlo at the depth of every band and tile: 5 sigma, wider by the source's own photons", () => {
    const n = 1500;
    for (let tile = 0; tile < 4; tile++) {
      const pointing = { ...drawPointing(instrument, createRng(`tile${tile}`)), tile };
      pointing.parts.forEach((part, j) => (pointing.parts[j] = isOptical[j] ? tile : part));
      const depths = bands.map(({ band }, j) => {
        const part = pointing.parts[j];
        return fluxOfMagnitude(band.depth[part % band.depth.length], pivots[j]) / 1e-19;
      });
      const rng = createRng(`depth${tile}`);
      const snr = bands.map((): number[] => []);
      for (let i = 0; i < n; i++) {
        const { flux } = observe(instrument, { flux: Float64Array.from(depths) }, rng, pointing);
        flux.forEach((value, j) => snr[j].push((5 * value) / depths[j]));
      }
      snr.forEach((values, j) => {
        const average = mean(values);
        const { gain } = instrument.bands[j];
        const source = depths[j] / gain[pointing.parts[j] % gain.length] / (depths[j] / 5) ** 2;
        const spread = Math.sqrt(1 + source);
        expect(Math.abs(average - 5), bands[j].name).toBeLessThan((4.5 * spread) / Math.sqrt(n));
        if (!isOptical[j]) return; // few photons
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
      const band = instrument.bands.find((one) => one.name === name)!;
      const flux = fluxOfMagnitude(zeroPoint, band.pivot) / 1e-19;
      const exposures = band.band.exposure ?? band.collector?.layers?.map(({ exposure }) => exposure) ?? [];
      expect(exposures).toHaveLength(3);
      exposures.forEach((exposure, layer) => {
        expect(Math.abs(Math.log((flux * band.gain[layer]) / exposure)), name).toBeLessThan(0.06);
      });
    }
  });

  test("without a noise scale there is no noise, and the errors are zero", () => {
    const silent = make({
      noiseScale: 0,
      modelError: { smooth: 0 },
      systematics: 1,
      zeroPointScale: 0,
      drift: 0,
      blends: { share: 0 },
    });
    const { flux, error } = observe(silent, flat(300), createRng("silent"));
    expect(new Set(flux)).toEqual(new Set([300]));
    expect(new Set(error)).toEqual(new Set([0]));
  });

  test("band offsets have the stated rms and shift every object alike", () => {
    const shifted = make({ offsets: { rms: 0.06, seed: 1 } });
    const offsets = shifted.bands.map(({ offset }) => offset);
    expect(Math.abs(rms(offsets) - 0.06)).toBeLessThan(0.02);
    const [plain, moved] = [instrument, shifted].map((one) => observe(one, flat(300), createRng("same")));
    offsets.forEach((offset, j) => {
      expect(-2.5 * Math.log10(moved.flux[j] / plain.flux[j])).toBeCloseTo(offset, 3);
    });
  });
});

describe("errors as a catalogue gives them", () => {
  const names = ["gSDSS", "rSDSS", "J0500", "J0800"];
  const draw = (input: SimulationInput, n = 6000) => {
    const one = make({ systematics: 1, depthScatter: 0.064, ...input });
    const rng = createRng("leak");
    return Array.from({ length: n }, () => {
      const level = 30 * 300 ** rng.uniform();
      return { level, ...observe(one, flat(level), rng) };
    });
  };

  test("they are sky and photons at the measured flux; floor, calibration and zero-points are not in them", () => {
    const rows = draw({ depthScatter: 0 });
    const one = make();
    const parts = new Map(survey.tiles.map((tile, i) => [tile, i]));
    for (const name of names) {
      const j = bands.findIndex((band) => band.name === name);
      const { sky, gain } = one.bands[j];
      for (const { flux, error, tile } of rows.slice(0, 200)) {
        const part = parts.get(tile) ?? 0;
        expect(error[j] / sigmaOf(sky[part], gain[part], flux[j])).toBeCloseTo(1, 4);
      }
    }
  });

  test("flux and error together tell nothing of the noise: R^2 about 0, where an error at the true flux would tell it", () => {
    const [tile] = survey.tiles;
    const rows = draw({ depthScatter: 0, systematics: 0 }, 12_000).filter((row) => row.tile === tile);
    for (const name of names) {
      const j = bands.findIndex((band) => band.name === name);
      // fluxes far from the ends of those drawn: at the ends the flux alone tells its noise
      const some = rows.filter(({ flux }) => flux[j] > 100 && flux[j] < 3000);
      const noise = some.map(({ flux, error, level }) => (flux[j] - level) / error[j]);
      const told = (errorOf: (row: (typeof some)[number]) => number): number => {
        const [x, e] = [some.map(({ flux }) => Math.log(flux[j])), some.map((row) => Math.log(errorOf(row)))];
        return regression(noise, [x, e, x.map((v) => v * v), e.map((v) => v * v), x.map((v, i) => v * e[i])]);
      };
      const { sky, gain } = make().bands[j];
      expect(
        told(({ error }) => error[j]),
        name,
      ).toBeLessThan(0.01);
      expect(
        told(({ level }) => sigmaOf(sky[0], gain[0], level)),
        name,
      ).toBeGreaterThan(0.4);
    }
  });

  test("a survey whose catalogues include a floor has it in its errors", () => {
    const errors = [0, 0.03].map((errorFloor) => {
      const one = { ...make(), errorFloor };
      return observe(one, flat(3000), createRng("floor"));
    });
    const j = bands.findIndex(({ name }) => name === "rSDSS");
    const [without, within] = errors.map(({ error }) => error[j]);
    expect(Math.sqrt(within ** 2 - without ** 2) / errors[0].flux[j]).toBeCloseTo(0.03, 4);
  });
});

describe("missing bands", () => {
  const optical = bands.flatMap((_, j) => (isOptical[j] ? [j] : []));
  const draws = (missing: Record<string, number>, fraction = 0.1, n = 6000): Uint8Array[] => {
    const none = { edge: 0, star: 0, neighbour: 0, artefact: 0 };
    const one = make({ missingFraction: fraction, missing: { ...none, ...missing } });
    const rng = createRng(JSON.stringify(missing));
    return Array.from({ length: n }, () => observe(one, flat(300), rng).cause);
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
    const first = { ...drawPointing(one, createRng("first")), tile: 0 };
    const look = (i: number) => observe(one, flat(300), createRng(`blend${i}`), first).cause;
    const cause = Array.from({ length: 60 }, (_, i) => look(i)).find((c) => lost(c).length > 5 && lost(c).length < 50);
    const seeing = (j: number): number => bands[j].band.seeing?.[0] ?? 0;
    const worst = Math.max(...optical.filter((j) => cause?.[j] === 0).map(seeing));
    for (const j of lost(cause ?? new Uint8Array())) expect(seeing(j)).toBeGreaterThanOrEqual(worst);
  });

  test("layers of a space survey: their shares, their depths, nothing outside", () => {
    const one = make({ uvCoverage: undefined });
    const [fuv, nuv] = ["FUV", "NUV"].map((name) => bands.findIndex((band) => band.name === name));
    const rng = createRng("layers");
    const pointings = Array.from({ length: 4000 }, () => drawPointing(one, rng));
    const share = (layer: number): number => pointings.filter(({ parts }) => parts[nuv] === layer).length / 4000;
    for (const [layer, expected] of [0.45, 0.2, 0.2].entries())
      expect(Math.abs(share(layer) - expected)).toBeLessThan(0.03);
    const look = (layer: number) =>
      observe(
        one,
        flat(50),
        createRng("layer"),
        pointings.find(({ parts }) => parts[nuv] === layer),
      );
    const [ais, mis, deep, none] = [0, 1, 2, -1].map(look);
    expect(ais.error[nuv] / mis.error[nuv]).toBeGreaterThan(4);
    expect(mis.error[nuv] / deep.error[nuv]).toBeGreaterThan(5);
    expect([none.flux[fuv], none.cause[fuv], none.cause[nuv]]).toEqual([
      Number.NaN,
      codeOf("footprint"),
      codeOf("footprint"),
    ]);
  });

  test("below the detection limit: forced photometry, an upper limit, or missing because faint", () => {
    const nuv = bands.findIndex(({ name }) => name === "NUV");
    const shallow = drawPointing(make(), createRng("shallow"));
    shallow.parts[nuv] = 0;
    const look = (nonDetections: "forced" | "limit" | "missing", level: number) => {
      const one = make({ nonDetections });
      const { flux, error, state, cause } = observe(one, flat(level), createRng("faint"), shallow);
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

  test("errors against flux: the archive's noise at the faint end, with its scatter, and one camera's photons at the bright end", () => {
    const nameOf = new Map(csv("minijpas.Filter.csv").map((row) => [row.FILTER_ID, row.name.replace("uJPAS", "u")]));
    const one = make({ systematics: 1, depthScatter: 0.064 });
    const rng = createRng("errors against flux");
    const faint = Array.from({ length: 2000 }, () => observe(one, flat(0.01), rng));
    const electronsPerCount: number[] = [];
    const scatters: number[] = [];
    for (const row of csv("minijpas.TileImage.csv")) {
      const j = bands.findIndex(({ name }) => name === nameOf.get(row.FILTER_ID));
      const tile = survey.tiles.find((each) => row.name.startsWith(`${each}-`)) ?? "";
      const pixels = (Math.PI * 1.5 ** 2) / Number(row.PIXSCALE) ** 2;
      const perCount = fluxOfMagnitude(Number(row.ZPT), pivots[j]) / 1e-19;
      const sigma = Number(row.NOISE) * Math.sqrt(pixels) * perCount;
      const errors = faint.filter((each) => each.tile === tile).map(({ error }) => Math.log(error[j] / sigma));
      // the source has no photons, but a positive fluctuation of the sky counts as some
      expect(Math.abs(mean(errors)), row.name).toBeLessThan(0.03);
      scatters.push(rms(errors.map((x) => x - mean(errors))) / (Number(row.NOISE_RMS) / Number(row.NOISE)));
      const { gain, band } = one.bands[j];
      const part = survey.tiles.indexOf(tile);
      if (pivots[j] < 3850) continue;
      electronsPerCount.push(Math.log((gain[part % gain.length] * perCount) / (band.exposure?.[part] ?? 1)));
    }
    expect(Math.abs(mean(scatters) - 1)).toBeLessThan(0.15);
    // zero-points in counts per second: with the efficiencies of the survey file one camera has the same electrons per count
    // in all bands; blueward of 3850 A the archive's zero-points ask for half of the published transmission
    expect(electronsPerCount).toHaveLength(4 * 57);
    expect(Math.abs(Math.exp(mean(electronsPerCount)) - 2.4)).toBeLessThan(0.3);
    expect(rms(electronsPerCount.map((x) => x - mean(electronsPerCount)))).toBeLessThan(0.2);
  });
});
