import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openFits } from "../../src/io/fits.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import { luminosityDistance } from "../../src/simulate/cosmology.ts";
import { joinCameras, planJoin } from "../../src/survey/desi.ts";
import { readJoined } from "../../src/simulate/joined.ts";
import { createPassband, createPassbands, magnitudeOfFlux, readCurve } from "../../src/simulate/passband.ts";
import { movement, repair } from "../../src/simulate/resample.ts";
import { createTally, formatTally, simulateFromSpectra } from "../../src/simulate/spectra.ts";
import type { ObservedSpectrum, Pixels } from "../../src/survey/observed-spectrum.ts";
import { expandPaths, readSpectra } from "../../src/survey/spectrum-files.ts";
import { State } from "../../src/survey/field.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { at, withData } from "./data.ts";
import { measure } from "./measure.ts";
import { scratch } from "../helpers/scratch.ts";

const survey = loadSurvey("minijpas");
const bands = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
const quiet = { noiseScale: 0, calibrationFloor: 0, zeroPointScale: 0, missingFraction: 0 } as const;

async function all(path: string): Promise<ObservedSpectrum[]> {
  const spectra: ObservedSpectrum[] = [];
  for await (const spectrum of readSpectra(path)) spectra.push(spectrum);
  return spectra;
}

async function collect(batches: AsyncIterable<Table>): Promise<Map<string, (number | string)[]>> {
  const columns = new Map<string, (number | string)[]>();
  const add = ({ name, data }: Column): void => {
    columns.set(name, [...(columns.get(name) ?? []), ...Array.from(data as ArrayLike<number | string>)]);
  };
  for await (const { columns: batch } of batches) for (const column of batch) add(column);
  return columns;
}

const numbers = (columns: Map<string, (number | string)[]>, name: string): number[] =>
  (columns.get(name) ?? []).map(Number);

describe("resampling", () => {
  const band = createPassband("triangle", { range: [5000, 5100], transmission: (x) => 50 - Math.abs(x - 5050) });
  const wavelength = Float64Array.from({ length: 400 }, (_, i) => 4900 + i);

  test("propagated errors are those of many noisy copies", () => {
    const rng = createRng("copies");
    const sigma = wavelength.map((lambda) => 0.5 + (lambda - 4900) / 200);
    const ivar = sigma.map((s, i) => (i % 23 === 0 ? 0 : 1 / (s * s)));
    const stated = measure(repair({ wavelength, flux: wavelength.map(() => 3), ivar }), band);
    expect(stated?.flux).toBeCloseTo(3, 10);
    const n = 1500;
    let square = 0;
    for (let k = 0; k < n; k++) {
      const flux = sigma.map((s, i) => (ivar[i] > 0 ? 3 + s * rng.normal() : 1e6));
      square += ((measure(repair({ wavelength, flux, ivar }), band)?.flux ?? Number.NaN) - 3) ** 2 / n;
    }
    // interpolated pixels repeat their neighbours' noise: 3 %
    expect(Math.abs(Math.sqrt(square) / (stated?.error ?? 0) - 1)).toBeLessThan(0.06);
  });

  test("the curves' tables give what the curves themselves give, pixel by pixel", () => {
    const rng = createRng("table");
    const red = Float64Array.from({ length: 8000 }, (_, i) => 3600 + 0.8 * i);
    const flux = red.map((x) => 2 + Math.sin(x / 30) + 0.3 * rng.normal());
    const ivar = red.map((_, i) => 1 + (i % 5));
    let compared = 0;
    for (const one of createPassbands(bands)) {
      const { range, transmission } = one.curve;
      const inside = [...red.keys()].filter((i) => i > 0 && red[i] >= range[0] && red[i] <= range[1]);
      const weights = inside.map((i) => transmission(red[i]) * red[i]);
      const total = weights.reduce((sum, w) => sum + w, 0);
      const found = measure({ wavelength: red, flux, ivar }, one);
      if (found === undefined) continue;
      compared += 1;
      const mean = weights.reduce((sum, w, k) => sum + w * flux[inside[k]], 0) / total;
      const error = Math.sqrt(weights.reduce((sum, w, k) => sum + (w * w) / ivar[inside[k]], 0)) / total;
      expect(Math.abs(found.flux / mean - 1), one.name).toBeLessThan(1e-5);
      expect(Math.abs(found.error / error - 1), one.name).toBeLessThan(1e-5);
    }
    expect(compared).toBeGreaterThan(50);
  });

  test("a band that is not covered, or falls on bad pixels, is not observed", () => {
    const flux = wavelength.map(() => 1);
    const ivar = wavelength.map(() => 1);
    expect(measure({ wavelength: wavelength.slice(150), flux, ivar }, band)).toBeUndefined();
    const bad = ivar.map((one, i) => (i > 100 && i < 130 ? 0 : one));
    expect(measure(repair({ wavelength, flux, ivar: bad }), band)).toBeUndefined();
    expect(
      measure(repair({ wavelength, flux, ivar: ivar.map((one, i) => (i === 150 ? 0 : one)) }), band),
    ).toBeDefined();
  });

  test("cameras: the overlap is the mean weighted by inverse variance", () => {
    const plan = planJoin([
      [1, 2, 3],
      [2.001, 3.001, 4],
    ]);
    const joined = joinCameras(plan, [
      { flux: Float64Array.of(5, 6, 1), ivar: Float64Array.of(1, 0, 3) },
      { flux: Float64Array.of(8, 5, 7), ivar: Float64Array.of(2, 1, 0) },
    ]);
    expect([...joined.wavelength]).toEqual([1, 2, 3, 4]);
    expect([...joined.flux]).toEqual([5, 8, 2, 7]);
    expect([...joined.ivar]).toEqual([1, 2, 4, 0]);
  });

  test("moved in redshift: luminosity, rest-frame EW and S/N stay", () => {
    const [from, to] = [0.1, 0.25];
    const line = (5050 / 1.1) * (1 + from);
    const flux = wavelength.map((x) => 2 + 10 * Math.exp(-0.5 * ((x - line) / 4) ** 2));
    const pixels = { wavelength, flux, ivar: wavelength.map(() => 4) };
    const { stretch, dimming } = movement(from, to);
    const moved = {
      wavelength: wavelength.map((x) => x * stretch),
      flux: flux.map((f) => f * dimming),
      ivar: pixels.ivar.map((one) => one / dimming ** 2),
    };
    const power = ({ wavelength: x, flux: f }: Pixels): number =>
      f.reduce((sum, v, i) => sum + v * ((x[i + 1] ?? x[i]) - x[i]), 0);
    expect(power(moved) / power(pixels)).toBeCloseTo((luminosityDistance(from) / luminosityDistance(to)) ** 2, 10);
    const width = ({ wavelength: x, flux: f }: Pixels, z: number): number =>
      f.reduce((sum, v, i) => sum + (v / f[0] - 1) * ((x[i + 1] ?? x[i]) - x[i]), 0) / (1 + z);
    expect(width(moved, to)).toBeCloseTo(width(pixels, from), 8);
    moved.flux.forEach((f, i) => expect(f * Math.sqrt(moved.ivar[i])).toBeCloseTo(flux[i] * 2, 8));
    // moved on the way, or before: the same
    const red = createPassband("red", { range: [5600, 5780], transmission: (x) => 90 - Math.abs(x - 5690) });
    const [before, after] = [measure(moved, red), measure(pixels, red, stretch)];
    expect((after?.flux ?? Number.NaN) * dimming).toBeCloseTo(before?.flux ?? Number.NaN, 10);
    expect((after?.error ?? Number.NaN) * dimming).toBeCloseTo(before?.error ?? Number.NaN, 10);
  });
});

describe("paths", () => {
  test("files, folders and patterns; what has no spectra is one clear error", () => {
    const folder = scratch();
    mkdirSync(join(folder, "a"));
    for (const name of ["spec-1.fits", "spec-2.fits.gz", "coadd-x.fits", "redrock-x.fits", "notes.txt"]) {
      writeFileSync(join(folder, "a", name), "");
    }
    const names = (paths: string[]): string[] => expandPaths(paths).map((path) => path.slice(folder.length + 1));
    expect(names([join(folder, "a")])).toEqual(["a/coadd-x.fits", "a/spec-1.fits", "a/spec-2.fits.gz"]);
    expect(names([join(folder, "*", "spec-?.fits")])).toEqual(["a/spec-1.fits"]);
    expect(names([join(folder, "a"), join(folder, "a", "spec-1.fits")])).toHaveLength(3);
    expect(names([folder])).toHaveLength(3);
    expect(() => expandPaths([join(folder, "b-*")])).toThrow(/b-\*: no such file; expected spectra/);
    mkdirSync(join(folder, "empty"));
    expect(() => expandPaths([join(folder, "empty")])).toThrow(/no file of spectra in this folder/);
  });
});

withData("desi-spectra", "filters")("DESI spectra", () => {
  const coadd = at("desi-spectra/coadd-4-80613-thru20210324.fits");

  test("coadds with redrock beside them; without, sky and flagged fibres are told apart", async () => {
    const [galaxy] = await all(coadd);
    expect(galaxy.id).toBe("39633345008634465");
    expect(galaxy.redshift).toBeCloseTo(0.36874355, 8);
    expect(galaxy.wavelength[0]).toBeCloseTo(3600, 6);
    expect(galaxy.wavelength.at(-1)).toBeCloseTo(9824, 6);
    // 0.8 Angstrom throughout: the overlaps of the cameras are joined
    galaxy.wavelength.forEach((x, i) => {
      if (i > 0) expect(x - galaxy.wavelength[i - 1]).toBeCloseTo(0.8, 4);
    });
    const others = await all(at("desi-spectra/coadd-sv3-dark-26065.fits"));
    expect(others.map(({ warning }) => warning)).toEqual([
      "sky fibre",
      "sky fibre",
      "no redshift",
      "sky fibre",
      "no redshift",
    ]);
    await expect(all(at("desi-spectra/stack-LRG.fits"))).rejects.toThrow(
      /stack of many objects' spectra.*expected one of DESI/,
    );
  });

  test("synthetic g and r lie between the fibre's flux and the galaxy's", async () => {
    const [galaxy] = await all(coadd);
    // FIBERFLUX_G, _R and FLUX_G, _R of the FIBERMAP [nanomaggies], other filters than SDSS's by 0.05 mag
    const imaging = { g: [1.904, 3.237], r: [3.499, 5.947] } as const;
    for (const [name, [fibre, total]] of Object.entries(imaging)) {
      const band = createPassband(name, readCurve(at(`filters/SLOAN_SDSS.${name}.dat`)));
      const measured = measure(repair(galaxy), band);
      const flux = 10 ** (0.4 * (22.5 - magnitudeOfFlux((measured?.flux ?? Number.NaN) * 1e-17, band.pivot)));
      expect(flux / fibre, name).toBeGreaterThan(0.8);
      expect(flux / total, name).toBeLessThan(1.1);
    }
  });

  test("counts say what was skipped and why", async () => {
    const tally = createTally();
    const rows = await collect(
      simulateFromSpectra([at("desi-spectra/coadd-*.fits")], { survey, filters: at("filters") }, tally),
    );
    expect(new Set(rows.get("parent_id"))).toEqual(new Set(["39633345008634465", "39089837499744649"]));
    expect(tally.spectra).toBe(12);
    expect(formatTally(tally)).toEqual([
      "12 spectra read, 2 used, 2 rows",
      expect.stringMatching(/^6 skipped: sky fibre$/),
      expect.stringMatching(/^3 skipped: no redshift$/),
      expect.stringMatching(/^1 skipped: fibre flagged$/),
    ]);
  });

  test("quasars are no galaxies; a shredded galaxy is not scaled down to a piece of it", async () => {
    const request = { survey, filters: at("filters") };
    const tally = createTally();
    const spectra = [at("sdss-spectra/*.fits")];
    await collect(simulateFromSpectra(spectra, request, tally));
    expect(formatTally(tally)).toEqual(["8 spectra read, 3 used, 3 rows", expect.any(String), "2 skipped: quasar"]);
    const scaled = createTally();
    // of one spectrum the imaging has r 20.3 where the fibre holds 19.3; the files of the others name no total flux
    await collect(simulateFromSpectra(spectra, { ...request, observed: { rescale: ["rSDSS"] } }, scaled));
    expect(scaled.skipped.get("imaging fainter than the spectrum in rSDSS")).toBe(1);
    expect(scaled.skipped.get("no total flux or no coverage in rSDSS")).toBe(2);
  });

  test("labels and GALEX fluxes are joined by id; total fluxes rescale; moved draws keep mass and EWs", async () => {
    const path = join(scratch(), "labels.csv");
    const header = "object_id,z,LOGM,LOGM_err,HALPHA_EW,rSDSS,rSDSS_err,FUV,FUV_err,FUV_state,NUV,NUV_err,NUV_state";
    writeFileSync(
      path,
      `${header}\n39633345008634465,0.5,10.25,0.1,12.5,90,3,40,20,3,200,20,1\n7,0.1,9,0.1,1,1,1,1,1,1,1,1,1\n`,
    );
    const reading = { units: [{ column: "*", unit: "survey" }] };
    const request = { survey, filters: at("filters"), ...quiet, labels: [{ path, survey, reading }] };
    const tally = createTally();
    const columns = await collect(
      simulateFromSpectra([coadd], { ...request, observed: { rescale: ["rSDSS"] } }, tally),
    );
    const get = (name: string): number => numbers(columns, name)[0];
    expect(get("z")).toBeCloseTo(0.36874, 5); // the spectrum's own, not the table's
    expect([get("LOGM"), get("HALPHA_EW")]).toEqual([10.25, 12.5]);
    expect(get("LOGM_err")).toBeCloseTo(0.1, 6);
    expect(get("rSDSS")).toBeCloseTo(90, 3);
    expect([get("FUV"), get("FUV_err"), get("FUV_state")]).toEqual([40, 20, State.nonDetection]);
    expect([get("NUV"), get("NUV_err"), get("NUV_state")]).toEqual([200, 20, State.measured]);
    expect(tally.joined.get(path)?.count).toBe(1);
    expect(formatTally(tally)[1]).toBe(`1 joined with ${path}: rSDSS, FUV, NUV, z, LOGM, HALPHA_EW`);
    expect(tally.rescaled).toHaveLength(1);
    const alien = join(path, "../alien.csv");
    writeFileSync(alien, "object_id,LOGM\nNGC1,10\n");
    const none = createTally();
    await collect(simulateFromSpectra([coadd], { ...request, labels: [{ path: alien, survey }] }, none));
    expect(formatTally(none)[1]).toMatch(/^0 joined with .* like NGC1, those of spectra like 39633345008634465;/);

    const three = "object_id,gSDSS,gSDSS_err,rSDSS,rSDSS_err,iSDSS,iSDSS_err\n39633345008634465,70,1,90,1,85,1\n";
    const warped = join(path, "../three.csv");
    writeFileSync(warped, three);
    const bent = await collect(
      simulateFromSpectra([coadd], {
        ...request,
        labels: [{ path: warped, survey, reading }],
        observed: { rescale: ["rSDSS", "gSDSS", "iSDSS"] },
      }),
    );
    [70, 90, 85].forEach((flux, k) => {
      expect(numbers(bent, ["gSDSS", "rSDSS", "iSDSS"][k])[0] / flux).toBeCloseTo(1, 3);
    });

    const moved = await collect(
      simulateFromSpectra([coadd], { ...request, draws: 6, observed: { moveRedshift: [0.2, 0.3] } }),
    );
    const z = numbers(moved, "z");
    expect(z).toHaveLength(6);
    expect(new Set(z).size).toBe(6);
    expect(new Set(moved.get("parent_id")).size).toBe(1);
    for (const one of z) expect(one > 0.2 && one < 0.3).toBe(true);
    expect(new Set(numbers(moved, "LOGM"))).toEqual(new Set([10.25]));
    expect(numbers(moved, "NUV").every(Number.isNaN)).toBe(true);
  });

  test("stars older than the universe at the new redshift, or bands out of reach: not moved", async () => {
    const path = join(scratch(), "age.csv");
    writeFileSync(path, "object_id,AGE\n39633345008634465,12\n");
    const run = async (moveRedshift: [number, number], labels: { path: string; survey: typeof survey }[]) => {
      const tally = createTally();
      await collect(simulateFromSpectra([coadd], { survey, labels, observed: { moveRedshift } }, tally));
      return [tally.rows, [...tally.skipped.keys()].join()] as const;
    };
    const reading = { units: [{ column: "*", unit: "survey" }] };
    const table = { path, survey, reading };
    expect(await run([0.05, 0.1], [table])).toEqual([1, ""]);
    expect(await run([0.3, 0.4], [table])).toEqual([0, "no coverage at z 0.3 - 0.4, or older than the universe there"]);
    expect(await run([0.3, 0.4], [])).toEqual([1, ""]);
    expect((await run([2, 3], []))[0]).toBe(0);
  });

  test("a redshift that only the catalogue knows brings a spectrum in", async () => {
    const path = join(scratch(), "z.csv");
    writeFileSync(path, "object_id,z\n39627866878511337,0.81\n");
    const spectra = [at("desi-spectra/coadd-sv3-dark-26065.fits")];
    const tally = createTally();
    const rows = await collect(simulateFromSpectra(spectra, { survey, labels: [{ path, survey }] }, tally));
    expect(rows.get("parent_id")).toEqual(["39627866878511337"]);
    expect(numbers(rows, "z")[0]).toBeCloseTo(0.81, 6);
    const joined = await readJoined({ path, survey }, survey.fluxUnit);
    expect([joined.fields, joined.of("nobody")]).toEqual([["z"], undefined]);
  });
});

withData("sdss-spectra", "filters")("SDSS spectra", () => {
  const files = existsSync(at("sdss-spectra"))
    ? readdirSync(at("sdss-spectra")).filter((file) => file.endsWith(".fits"))
    : [];

  test.each(files)("%s: synthetic g, r, i equal the catalogue's", async (file) => {
    const [spectrum] = await all(at(`sdss-spectra/${file}`));
    const fits = await openFits(at(`sdss-spectra/${file}`));
    const source = await fits.hdus[2].table();
    const name = source.schema.find((column) => column.name.toUpperCase() === "SPECTROFLUX")?.name ?? "";
    let fluxes: number[] = [];
    for await (const { columns } of source.batches({ columns: [name] })) fluxes = Array.from(columns[0].data, Number);
    await fits.close();
    ["g", "r", "i"].forEach((letter, j) => {
      const band = createPassband(letter, readCurve(at(`filters/SLOAN_SDSS.${letter}.dat`)));
      const measured = measure(repair(spectrum), band);
      const synthetic = magnitudeOfFlux((measured?.flux ?? Number.NaN) * 1e-17, band.pivot);
      const catalogue = 22.5 - 2.5 * Math.log10(fluxes[j + 1]);
      // faint BOSS spectra have larger errors of their own
      expect(Math.abs(synthetic - catalogue), letter).toBeLessThan(catalogue > 21 ? 0.03 : 0.01);
    });
  });

  test("J-PAS rows: covered bands only, rest-frame EWs, draws of one parent", async () => {
    const path = at("sdss-spectra/spec-0285-51930-0184.fits");
    const options = { survey, draws: 3, missingFraction: 0, filters: at("filters") };
    const columns = await collect(simulateFromSpectra([path], options));
    const get = (name: string): number => numbers(columns, name)[0];
    expect(columns.get("parent_id")).toEqual(["285-51930-184", "285-51930-184", "285-51930-184"]);
    expect(get("z")).toBeCloseTo(0.09484, 4);
    expect(get("HALPHA_EW")).toBeCloseTo(7.48 / 1.09484, 1);
    for (const name of ["uJAVA", "FUV", "J1007", "LOGM"]) expect(get(name), name).toBeNaN(); // it begins at 3801 A
    expect(get("missing_spectrum") + get("missing_footprint")).toBe(
      bands.filter(({ name }) => Number.isNaN(get(name))).length,
    );
    expect(get("J0620") / get("J0620_err")).toBeGreaterThan(20);
    // flux calibration is worst at the end of the spectrum
    expect(get("J0390_err") / get("J0390")).toBeGreaterThan(0.05);
    const ab = magnitudeOfFlux(get("rSDSS") * 1e-19, 6245);
    expect(Math.abs(ab - (22.5 - 2.5 * Math.log10(42.68)))).toBeLessThan(0.15);
  });
});
