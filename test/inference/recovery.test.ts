import { describe, expect, it } from "vitest";
import type { TruthAnswers } from "../../src/inference/evaluate.ts";
import { recoveryOf, recoveryTables, trueLineFluxes } from "../../src/inference/recovery.ts";
import { lines } from "../../src/simulate/lines.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog, emptyCatalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const survey = loadSurvey("moons");
const { fields } = survey;
const n = fields.length;
const column = (name: string): number => fields.findIndex((field) => field.name === name);
const H = column("H");

interface Galaxy {
  readonly z: number;
  readonly ew: number;
  /** Flux density in every band [1e-19 erg/s/cm2/A]. */
  readonly flux: number;
}

function catalogOf(galaxies: readonly Galaxy[]): Catalog {
  const catalog = emptyCatalog(fields, galaxies.length);
  const ids = galaxies.map((_, i) => `g${i}`);
  galaxies.forEach(({ z, ew, flux }, row) => {
    const set = (j: number, x: number): void => {
      catalog.value[row * n + j] = x;
      catalog.state[row * n + j] = State.measured;
    };
    fields.forEach(({ band }, j) => band !== undefined && set(j, flux));
    set(column("z"), z);
    set(column("HALPHA_EW"), ew);
  });
  return { ...catalog, objectId: ids, parentId: ids };
}

describe("true line fluxes", () => {
  const [flux, ew] = [40, 0.5];
  const at = (z: number, width = ew): Galaxy => ({ z, ew: width, flux });
  const catalog = catalogOf([at(1), at(1.55), at(2.2), at(1, -3)]);
  const known = trueLineFluxes(catalog, allRows(catalog), "HALPHA_FLUX")!;

  it("are observed width times flux density, of a flat spectrum with a line that hardly adds to it", () => {
    // 1e-19 erg/s/cm2/A to 1e-17 erg/s/cm2
    expect(known.flux[0] / (ew * 2 * flux * 0.01)).toBeCloseTo(1, 2);
    expect(known.flux[3]).toBeLessThan(0);
  });
  it("come from the band at the line where no band is redder, less the line, and from nothing beyond", () => {
    const observed = lines.Halpha.wavelength * 2.55;
    expect(observed).toBeGreaterThan(fields[H].band!.pivot);
    const [from, to] = fields[H].band!.edges;
    const width = ew * 2.55;
    expect(known.flux[1]).toBeCloseTo((0.01 * (width * flux)) / (1 + width / (to - from)), 6);
    expect(known.flux[2]).toBeNaN();
    expect([known.continuum, known.band]).toEqual([2, 1]);
  });
});

describe("redshifts by magnitude and line flux", () => {
  const rng = createRng("recovery");
  // faint ones fail: |dz| is 0.02 below H = 23.5, else 0.004
  const galaxies = Array.from({ length: 400 }, (): Galaxy => ({
    z: 0.9 + 0.3 * rng.uniform(),
    ew: 50,
    flux: 10 ** (rng.uniform() * 2 - 0.4),
  }));
  const catalog = catalogOf(galaxies);
  const magnitude = (flux: number): number =>
    -2.5 * Math.log10((flux * 1e-19 * fields[H].band!.pivot ** 2) / 2.99792458e18) - 48.6;
  const truth = galaxies.map(({ z }) => z);
  const point = galaxies.map(({ z, flux }) => z + (1 + z) * (magnitude(flux) < 23.5 ? 0.004 : 0.02));
  const rest = new Float64Array(400).fill(0.5);
  const predictions = { truth, point, pit: rest, crps: rest, negLogLik: rest };
  const network: TruthAnswers = new Map([["z", { rows: allRows(catalog), predictions }]]);
  const found = recoveryOf(
    survey,
    catalog,
    network,
    Int32Array.from(truth, (_, i) => i),
    "1",
  )!;

  it("are shares within each limit, by magnitude in the band of the sample", () => {
    const { band, bins } = found.magnitude!;
    expect(band).toBe("H");
    expect(bins.length).toBeGreaterThan(3);
    for (const { from, to, rows, score } of bins) {
      expect([from % 0.5, to - from]).toEqual([0, 0.5]);
      expect(rows).toBe(galaxies.filter(({ flux }) => magnitude(flux) >= from && magnitude(flux) < to).length);
      const isBright = to <= 23.5;
      const expected = { within0025: 0, within005: Number(isBright), within01: Number(isBright), within1: 1 };
      for (const [name, share] of Object.entries(expected)) {
        expect(score[name as keyof typeof expected]!.value, name).toBeCloseTo(share, 9);
      }
    }
  });
  it("and by the flux of Halpha; tables say whence it is", () => {
    const { name, bins, continuum, band, unknown } = found.line!;
    expect([name, continuum + band + unknown]).toEqual(["HALPHA_FLUX", 400]);
    // the brighter the line, the brighter the galaxy
    expect(bins[0].score.within005!.value).toBeCloseTo(0, 9);
    expect(bins.at(-1)!.score.within005!.value).toBeCloseTo(1, 9);
    const tables = recoveryTables(found);
    expect(tables.map(({ rows }) => rows.length)).toEqual([found.magnitude!.bins.length, bins.length]);
    expect(tables[1].title).toContain(`${continuum} galaxies`);
  });
  it("are told of networks that know spectra alone", () => {
    const jpas = loadSurvey("minijpas");
    expect(recoveryOf(jpas, emptyCatalog(jpas.fields, 1), network, Int32Array.of(0), "1")).toBeUndefined();
  });
});
