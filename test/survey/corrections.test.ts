import { describe, expect, it } from "vitest";
import type { Column, Table } from "../../src/io/table.ts";
import { type Catalog, select } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { type Layout, layoutSchema } from "../../src/survey/layout.ts";
import { bandExtinction, cardelli } from "../../src/survey/milky-way.ts";
import { toCatalog } from "../../src/survey/read.ts";
import type { CatalogOptions } from "../../src/survey/read.ts";
import { formatReport } from "../../src/survey/report.ts";
import { loadSurvey, type Survey, surveyOf } from "../../src/survey/survey.ts";
import { surveySchema } from "../../src/survey/survey-schema.ts";
import { convertError, convertUnit, convertValue, parseUnit } from "../../src/survey/units.ts";

/** SDSS's bands, and an E(B-V). */
function sdss(layout: Record<string, unknown>): Survey {
  const band = { group: "broad", rise: [100, 100], depth: [22] };
  const file = surveySchema.parse({
    name: "mine",
    title: "Mine",
    fluxUnit: "1e-19 erg/s/cm2/A",
    fluxRange: [-1e6, 1e9],
    tiles: ["sky"],
    zeroPointError: 0.02,
    bands: [
      { ...band, name: "u", pivot: 3557, edges: [3250, 3850] },
      { ...band, name: "g", pivot: 4702, edges: [3950, 5420] },
      { ...band, name: "K", group: "infrared", pivot: 21620, edges: [20050, 23120] },
    ],
    properties: [
      { name: "z", kind: "redshift", description: "redshift", range: [0, 7] },
      { name: "EBV", kind: "linear", unit: "mag", description: "E(B-V) of the Milky Way", range: [0, 10] },
    ],
  });
  const layouts: Layout[] = [layoutSchema.parse({ name: "own", title: "own", objectId: "{id}", ...layout })];
  return surveyOf({ ...file, layouts }, "mine.yaml");
}

type Cells = Readonly<Record<string, readonly (number | string)[]>>;

function tableOf(cells: Cells, units: Readonly<Record<string, string>> = {}): Table {
  const columns = Object.entries(cells).map(([name, data]): Column => {
    const unit = units[name] === undefined ? {} : { unit: units[name] };
    if (typeof data[0] === "string") return { name, type: "string", width: 1, data: data.map(String), ...unit };
    return { name, type: "float64", width: 1, data: Float64Array.from(data, Number), ...unit };
  });
  return { rowCount: Object.values(cells)[0].length, columns, metadata: {} };
}

/** [value, error, state] by row. */
function column(catalog: Catalog, name: string): [number, number, number][] {
  const j = catalog.fields.findIndex((field) => field.name === name);
  return Array.from({ length: catalog.rowCount }, (_, row) => {
    const { value, error, state } = select(catalog, [row]);
    return [value[j], error[j], state[j]];
  });
}

/** In the survey's unit. */
const fluxOfAB = (mag: number, pivot: number): number =>
  (10 ** (-0.4 * (mag + 48.6)) * 2.99792458e18) / pivot ** 2 / 1e-19;

const mags = { value: "{FIELD}", error: "e_{FIELD}", unit: "asinh mag", softening: { u: 1.4e-10, g: 0.9e-10 } };

describe("asinh magnitudes", () => {
  it.each(["asinh mag", "mag(asinh)", "asinhmag", "luptitudes", "asinh magnitude"])("%s is one", (text) => {
    expect(parseUnit(text)).toEqual({ dimension: "mag", system: "asinh", factor: 1 });
  });

  it("become fluxes by Lupton, Gunn & Szalay's formula, zero and negative ones too, and their errors with them", () => {
    for (const [b, zero] of [
      [1.4e-10, 24.63],
      [0.9e-10, 25.11],
      [1.2e-10, 24.8],
      [1.8e-10, 24.36],
      [7.4e-10, 22.83],
    ]) {
      const conversion = convertUnit("asinh mag", "nmgy", { pivot: 5000, softening: b })!;
      expect(conversion).toBeUndefined(); // a flux per frequency is no field's unit
      const perWavelength = convertUnit("asinh mag", "1e-19 erg/s/cm2/A", { pivot: 5000, softening: b })!;
      // SDSS's table of asinh magnitudes: that of zero flux (sdss.org, algorithms, magnitudes).
      expect(-2.5 * Math.log10(b)).toBeCloseTo(zero, 1);
      expect(convertValue(perWavelength, -2.5 * Math.log10(b)) / perWavelength.factor).toBeCloseTo(0, 14);
      for (const ratio of [-5 * b, -b, b / 10, 3 * b, 1e-8, 1e-6]) {
        const m = (-2.5 / Math.LN10) * (Math.asinh(ratio / (2 * b)) + Math.log(b));
        expect(convertValue(perWavelength, m) / perWavelength.factor / ratio).toBeCloseTo(1, 9);
        const step = (convertValue(perWavelength, m - 5e-6) - convertValue(perWavelength, m + 5e-6)) / 1e-5;
        expect(convertError(perWavelength, m, 0.02) / (0.02 * step)).toBeCloseTo(1, 6);
      }
    }
  });

  it("are read with the layout's softening, where the file says mag too", () => {
    const survey = sdss({ bands: { ...mags, only: ["u", "g"] } });
    const cells = { id: [1, 2, 3], u: [20, 24.6345, 26], e_u: [0.01, 1, 2], g: [20, 25.1, 99], e_g: [0.01, 1, 1] };
    for (const units of [{}, { u: "mag", g: "mag" }]) {
      const { catalog } = toCatalog(tableOf(cells, units), survey);
      const [bright, , faint] = column(catalog, "u");
      // At 20 mag they are ordinary magnitudes to (b f0 / f)^2.
      expect(bright[0] / fluxOfAB(20, 3557)).toBeCloseTo(1, 3);
      expect(bright[1] / bright[0]).toBeCloseTo(0.00921, 4);
      expect(faint[0]).toBeLessThan(0);
      expect(faint[2]).toBe(State.measured);
      expect(column(catalog, "g")[2][2]).toBe(State.notObserved);
    }
  });

  it("are how SDSS's tables are read", () => {
    const letters = ["u", "g", "r", "i", "z"];
    const magnitudes = letters.flatMap((x) => [
      [`modelMag_${x}`, [25.5]],
      [`modelMagErr_${x}`, [0.5]],
    ]);
    const { catalog, report } = toCatalog(
      tableOf({ objID: [1], ...Object.fromEntries(magnitudes) }),
      loadSurvey("broad"),
    );
    expect(report.layout).toBe("sdss-model");
    // Fainter than zero flux in all of them: 24.63, 25.11, 24.80, 24.36, 22.83.
    for (const x of letters) expect(column(catalog, `${x}_sdss`)[0][0]).toBeLessThan(0);
  });

  it("without a softening are an error that says what is missing", () => {
    const survey = sdss({ bands: { ...mags, softening: { u: 1.4e-10 } } });
    const cells = { id: [1], u: [20], e_u: [0.01], g: [20], e_g: [0.01] };
    expect(() => toCatalog(tableOf(cells), survey)).toThrow(
      /"g" is in "asinh mag", but layout "own" .* softening b of g/,
    );
  });
});

describe("an error floor", () => {
  const bands = { value: "{FIELD}", error: "e_{FIELD}", unit: "survey", floor: { g: 0.05 } };
  const cells = { id: [1, 2], u: [100, -100], e_u: [3, 3], g: [100, 100], e_g: [3, 3], K: [100, 0], e_K: [3, 3] };
  const errors = (options: CatalogOptions, name: string): number[] =>
    column(toCatalog(tableOf(cells), sdss({ bands }), options).catalog, name).map(([, error]) => error);

  it("is added in quadrature, the user's in place of the layout's", () => {
    expect(errors({}, "u")).toEqual([3, 3]);
    expect(errors({}, "g")[0]).toBeCloseTo(Math.hypot(3, 5), 5);
    const floors = [
      { bands: "*", fraction: 0.04 },
      { bands: "infrared", fraction: 0.1 },
    ];
    expect(errors({ floors }, "u")[1]).toBeCloseTo(5, 5);
    expect(errors({ floors }, "g")[0]).toBeCloseTo(5, 5);
    expect(errors({ floors }, "K")).toEqual([expect.closeTo(Math.hypot(3, 10), 5), 3]);
    expect(errors({ floors: [{ bands: "g", fraction: 0 }] }, "g")[0]).toBe(3);
  });

  it("is said with its bands and how many values got it", () => {
    const { report } = toCatalog(tableOf(cells), sdss({ bands }), { floors: [{ bands: "u,K", fraction: 0.02 }] });
    expect(formatReport(report)).toEqual(
      expect.arrayContaining([
        "4 values with an error floor of 0.02 of the flux in quadrature: u, K",
        "2 values with an error floor of 0.05 of the flux in quadrature: g",
      ]),
    );
  });

  it.each([
    ["z", 0.02, /--error-floor z: z is no band/],
    ["J*", 0.02, /--error-floor J\*: "J\*" is no band/],
    ["q", 0.02, /unknown field "q"/],
    ["g", 2, /expected a fraction of the flux from 0 to 1/],
  ])("for %s of %d is refused", (name, fraction, message) => {
    expect(() => errors({ floors: [{ bands: name, fraction }] }, "u")).toThrow(message);
  });
});

describe("errors that are a fraction of the flux", () => {
  it("are that of magnitudes too", () => {
    const survey = sdss({ bands: { value: "{FIELD}", unit: "ABmag" } });
    const { catalog } = toCatalog(tableOf({ id: [1], g: [20] }), survey, { relativeError: 0.05, layout: "own" });
    const [[value, error]] = column(catalog, "g");
    expect(error / value).toBeCloseTo(0.05, 6);
  });
});

describe("Galactic extinction", () => {
  const bands = { value: "{FIELD}", error: "e_{FIELD}", unit: "survey" };
  const cells = { id: [1, 2, 3], g: [100, 100, 100], e_g: [3, 3, 3], EBV: [0.1, 0, -1], z: [1, 1, 1] };
  const gBand = { edges: [3950, 5420], rise: [100, 100] } as const;

  it("of a band is that at its wavelength where it is narrow, and less where it is broad and the dust thick", () => {
    for (const lambda of [1600, 5000, 22000]) {
      const narrow = bandExtinction({ edges: [lambda - 5, lambda + 5], rise: [1, 1] });
      for (const av of [0, 0.004, 0.31, 3, 9.99, 30]) expect(narrow(av)).toBeCloseTo(av * cardelli(lambda), 3);
    }
    const broad = bandExtinction({ edges: [3000, 6000], rise: [10, 10] });
    expect(broad(9) / 9).toBeLessThan(broad(0.1) / 0.1);
    const direct = (av: number): number => {
      let [sum, total] = [0, 0];
      for (let x = 3000.5; x < 6000; x++) [sum, total] = [sum + x * 10 ** (-0.4 * av * cardelli(x)), total + x];
      return -2.5 * Math.log10(sum / total);
    };
    for (const av of [0.05, 0.33, 2.7]) expect(Math.abs(broad(av) - direct(av))).toBeLessThan(0.002 * av);
  });

  it("is taken away from fluxes and errors by E(B-V), in the layout or by the user's word; rows without one stay", () => {
    const dim = 10 ** (0.4 * bandExtinction(gBand)(0.31));
    expect((2.5 * Math.log10(dim)) / 0.1).toBeCloseTo(3.793, 1); // SDSS g: Stoughton et al. 2002, AJ 123, 485, table 22
    for (const [layout, options] of [
      [{ bands, extinction: "EBV" }, {}],
      [{ bands }, { extinction: { column: "EBV", scale: 1 } }],
    ] as const) {
      const { catalog, report } = toCatalog(tableOf(cells), sdss(layout), options);
      const [dusty, clear, unknown] = column(catalog, "g");
      expect([dusty[0] / 100, dusty[1] / 3]).toEqual([expect.closeTo(dim, 5), expect.closeTo(dim, 5)]);
      expect([clear, unknown]).toEqual([
        [100, 3, State.measured],
        [100, 3, State.measured],
      ]);
      // What fluxes no longer suffer from is no property of theirs.
      expect(column(catalog, "EBV").map(([, , state]) => state)).toEqual([0, 0, 0]);
      expect(formatReport(report)).toEqual(
        expect.arrayContaining([
          "2 values corrected for Galactic extinction: E(B-V) is EBV, R_V 3.1",
          "1 value not corrected for Galactic extinction: EBV says none, or less than none",
        ]),
      );
    }
    const asTheyAre = toCatalog(tableOf(cells, { EBV: "mag" }), sdss({ bands, extinction: "EBV" }), {
      extinction: "none",
    });
    expect(column(asTheyAre.catalog, "g")[0]).toEqual([100, 3, State.measured]);
    expect(column(asTheyAre.catalog, "EBV")[0]).toEqual([expect.closeTo(0.1, 6), 0, State.measured]);
  });

  it("is scaled", () => {
    const survey = sdss({ bands, extinction: { column: "EBV", scale: 0.86 } });
    const [[value]] = column(toCatalog(tableOf(cells), survey).catalog, "g");
    expect(value / 100).toBeCloseTo(10 ** (0.4 * bandExtinction(gBand)(0.31 * 0.86)), 5);
  });

  it.each([
    ["MW_TRANSMISSION_{FIELD}", undefined, 0.8, 1.25],
    ["A_{FIELD}", "mag", 0.25, 10 ** 0.1],
    ["T_{FIELD}", "dex", -0.1, 10 ** 0.1],
    ["T_{FIELD}", "1", 0.8, 1.25],
  ])("is taken from columns of each band: %s in %s", (template, unit, x, gain) => {
    const name = template.replace("{FIELD}", "g");
    const table = tableOf(
      { id: [1, 2], g: [100, 100], e_g: [3, 3], [name]: [x, NaN] },
      unit === undefined ? {} : { [name]: unit },
    );
    const { catalog } = toCatalog(table, sdss({ bands, extinction: template }));
    expect(column(catalog, "g").map(([value]) => value)).toEqual([expect.closeTo(100 * gain, 3), 100]);
  });

  it("by a column that is missing, or that nobody knows the meaning of, is an error", () => {
    expect(() => toCatalog(tableOf(cells), sdss({ bands, extinction: "SFD" }))).toThrow(
      /g: layout "own" corrects fluxes by the column SFD, which is missing; --extinction none/,
    );
    const table = tableOf({ ...cells, A_g: [0.1, 0.1, 0.1] });
    expect(() => toCatalog(table, sdss({ bands, extinction: "A_{FIELD}" }))).toThrow(/"A_g" .* expected mag .* or 1/);
    const inJansky = tableOf(cells, { EBV: "Jy" });
    expect(() => toCatalog(inJansky, sdss({ bands, extinction: "EBV" }))).toThrow(
      /"EBV" is in "Jy", expected E\(B-V\)/,
    );
  });

  it("is what simulations put in front", () => {
    const minijpas = loadSurvey("minijpas");
    const { band } = minijpas.fields.find(({ name }) => name === "J0515" || name === "J0510")!;
    expect(bandExtinction(band!)(0.1) / (0.1 * cardelli(band!.pivot))).toBeCloseTo(1, 3);
  });
});
