import { describe, expect, it } from "vitest";
import type { Column, Table } from "../../src/io/table.ts";
import { State } from "../../src/survey/field.ts";
import { largestError } from "../../src/survey/information.ts";
import { toCatalog } from "../../src/survey/read.ts";
import { loadSurvey, type Survey } from "../../src/survey/survey.ts";

const minijpas = loadSurvey("minijpas");
const j = minijpas.fields.findIndex(({ name }) => name === "J0378");
const z = minijpas.fields.findIndex(({ name }) => name === "z");

/** The survey with one layout: a band's flux `f`, error `e`, flags `q`; a redshift `w` with error `v`; row flags `r`. */
function surveyWith(errorKind: "absolute" | "relative" | "ivar"): Survey {
  const flags = [{ column: "q", bits: { 4: "bad" }, values: {}, harmless: { 1: "fine" } }];
  const layout = {
    name: "test",
    title: "test",
    notes: [],
    onRequest: false,
    objectId: "{id}",
    bands: [
      { value: "f", error: "e", errorKind, only: ["J0378"], aliases: {}, flags, unit: "1e-19 erg/s/cm2/A", state: "s" },
    ],
    properties: {
      z: {
        value: "w",
        error: "v",
        errorKind: "absolute" as const,
        transform: "identity" as const,
        factor: 1,
        offset: 0,
        flags: [],
      },
    },
    spectra: {},
    flags: [{ column: "r", bits: {}, values: { "1": "not reliable", BAD: "bad row" }, harmless: {} }],
    magic: [99, -99, 99.999],
    ignored: [],
  };
  return { ...minijpas, layouts: [layout] };
}

interface Row {
  readonly f?: number;
  readonly e?: number;
  readonly s?: number;
  readonly q?: number;
  readonly w?: number;
  readonly v?: number;
  readonly r?: string;
}

function read(
  kind: "absolute" | "relative" | "ivar",
  row: Row,
  survey = surveyWith(kind),
): { band: number[]; label: number[]; reasons: Record<string, number> } {
  const column = (name: string, value: number): Column => ({
    name,
    type: "float64",
    width: 1,
    data: Float64Array.of(value),
  });
  const { f = 10, e = 2, s, q = 0, w = 0.5, v = 0.1, r = "0" } = row;
  const columns: Column[] = [
    { name: "id", type: "string", width: 1, data: ["a"] },
    column("f", f),
    column("e", e),
    column("q", q),
    column("w", w),
    column("v", v),
    { name: "r", type: "string", width: 1, data: [r] },
    ...(s === undefined ? [] : [column("s", s)]),
  ];
  const table: Table = { rowCount: 1, columns, metadata: {} };
  const { catalog, report } = toCatalog(table, survey);
  const cell = (at: number): number[] => [catalog.value[at], catalog.error[at], catalog.state[at]];
  return {
    band: cell(j),
    label: cell(z),
    reasons: Object.fromEntries([...report.reasons].map(([reason, { count }]) => [reason, count])),
  };
}

const NO_INFORMATION = "error so large that the value says nothing";
/** 100 times the 1 sigma error at the 5 sigma depth of the shallowest tile. */
const largest = largestError(minijpas.fields[j]);
const DETECTION = [4 * largest, 1.01 * largest, State.measured];
const nothing = [0, 0, State.notObserved];
const { measured, upperLimit, nonDetection } = State;

describe("numbers that are none become states, and are counted", () => {
  it.each<[string, "absolute" | "relative" | "ivar", Row, number[], string | undefined]>([
    ["a measurement", "absolute", {}, [10, 2, measured], undefined],
    ["a negative flux", "absolute", { f: -3 }, [-3, 2, measured], undefined],
    ["a missing flux", "absolute", { f: NaN }, nothing, undefined],
    ["a missing flux said to be measured", "absolute", { f: NaN, s: 1 }, nothing, "value missing"],
    ["a magic flux", "absolute", { f: 99 }, nothing, "magic value"],
    ["an infinite flux", "absolute", { f: -Infinity }, nothing, "value infinite"],
    ["an absurd flux", "absolute", { f: 1e12 }, nothing, "outside the possible range of J0378"],
    ["no error", "absolute", { e: NaN }, nothing, "error missing"],
    ["a magic flux that went through single precision", "absolute", { f: Math.fround(99.999) }, nothing, "magic value"],
    ["a flux near a magic one", "absolute", { f: 99.9991 }, [99.9991, 2, measured], undefined],
    ["a magic error", "absolute", { e: -99 }, nothing, "error is a magic value"],
    ["an infinite error", "absolute", { e: Infinity }, nothing, "error infinite"],
    ["an error that says nothing", "absolute", { e: 1e30 }, nothing, NO_INFORMATION],
    ["an error beyond single precision", "absolute", { e: 1e300 }, nothing, NO_INFORMATION],
    ["an error just too large", "absolute", { e: 1.01 * largest }, nothing, NO_INFORMATION],
    ["a large error", "absolute", { e: 0.99 * largest }, [10, 0.99 * largest, measured], undefined],
    ["a detection of a large error", "absolute", { f: 4 * largest, e: 1.01 * largest }, DETECTION, undefined],
    ["a limit above all", "absolute", { f: 3.01 * largest, s: upperLimit }, nothing, NO_INFORMATION],
    ["a tiny inverse variance", "ivar", { e: 1e-20 }, nothing, NO_INFORMATION],
    ["a large relative error", "relative", { e: 1e30 }, nothing, NO_INFORMATION],
    ["a non-detection that says nothing", "absolute", { e: 1e9, s: nonDetection }, nothing, NO_INFORMATION],
    ["a negative error", "absolute", { e: -2 }, nothing, "error negative"],
    ["an error of zero", "absolute", { e: 0 }, nothing, "error zero"],
    ["an error that underflows", "absolute", { e: 1e-60 }, nothing, "error zero"],
    ["a relative error", "relative", { e: 0.2 }, [10, 2, measured], undefined],
    [
      "a relative error of a negative flux, either sign",
      "relative",
      { f: -10, e: -0.2 },
      [-10, 2, measured],
      undefined,
    ],
    ["a negative relative error of a positive flux", "relative", { e: -0.2 }, nothing, "error negative"],
    ["a relative error of nothing", "relative", { f: 0, e: 0.2 }, nothing, "error zero"],
    ["an inverse variance", "ivar", { e: 0.25 }, [10, 2, measured], undefined],
    ["an inverse variance of zero", "ivar", { e: 0 }, nothing, "error zero"],
    ["a negative inverse variance", "ivar", { e: -1 }, nothing, "error negative"],
    ["an infinite inverse variance", "ivar", { e: Infinity }, nothing, "error infinite"],
    ["a bad flag", "absolute", { q: 5 }, nothing, "flag 4: bad"],
    ["a harmless flag", "absolute", { q: 3 }, [10, 2, measured], undefined],
    ["a flag beyond 32 bits", "absolute", { q: 2 ** 40 + 4 }, nothing, "flag 4: bad"],
    ["a missing flag", "absolute", { q: NaN }, [10, 2, measured], undefined],
    ["an upper limit without error", "absolute", { e: NaN, s: upperLimit }, [10, 0, upperLimit], undefined],
    ["a non-detection", "absolute", { s: nonDetection }, [10, 2, nonDetection], undefined],
    ["a non-detection without error", "absolute", { e: 0, s: nonDetection }, nothing, "error zero"],
    ["not observed, whatever stands there", "absolute", { f: 5, s: 0 }, nothing, undefined],
    ["a state that is none", "absolute", { s: 7 }, nothing, "unknown state code"],
  ])("%s (%s)", (_, kind, row, band, reason) => {
    const found = read(kind, row);
    expect(found.band.map(Math.fround)).toEqual(band.map(Math.fround));
    expect(found.reasons).toEqual(reason === undefined ? {} : { [reason]: 1 });
    expect(found.label).toEqual([0.5, Math.fround(0.1), measured]);
  });

  it.each<[string, Row, number[], string | undefined]>([
    ["magic", { w: -99 }, nothing, "magic value"],
    ["impossible", { w: 50 }, nothing, "outside the possible range of z"],
    ["infinite", { w: Infinity }, nothing, "value infinite"],
    ["without error", { v: NaN }, [0.5, 0, measured], undefined],
    ["with a negative error", { v: -1 }, [0.5, 0, measured], "label kept without its error: error negative"],
    ["with a magic error", { v: 99 }, [0.5, 0, measured], "label kept without its error: error is a magic value"],
    ["with an infinite error", { v: Infinity }, [0.5, 0, measured], "label kept without its error: error infinite"],
    ["with an error wider than what is possible", { v: 8 }, nothing, NO_INFORMATION],
    ["with an error of zero", { v: 0 }, [0.5, 0, measured], "label kept without its error: error zero"],
  ])("a label that is %s", (_, row, label, reason) => {
    const found = read("absolute", row);
    expect(found.label.map(Math.fround)).toEqual(label.map(Math.fround));
    expect(found.reasons).toEqual(reason === undefined ? {} : { [reason]: 1 });
  });

  it("a label whose inverse variance is zero is filler", () => {
    const survey = surveyWith("ivar");
    const [layout] = survey.layouts;
    const z = { ...layout.properties["z"], errorKind: "ivar" as const };
    const told = { ...survey, layouts: [{ ...layout, properties: { ...layout.properties, z } }] };
    expect(read("ivar", { v: 4 }, told).label).toEqual([0.5, 0.5, measured]);
    const { label, reasons } = read("ivar", { w: 0, v: 0 }, told);
    expect([label, reasons]).toEqual([nothing, { "inverse variance zero": 1 }]);
    expect(read("ivar", { v: 1e-20 }, told).reasons).toEqual({ [NO_INFORMATION]: 1 });
  });

  it("the depth that errors are held against is the shallowest tile's", () => {
    const { band } = minijpas.fields[j];
    const pivot = band!.pivot;
    const flux = (10 ** (-0.4 * (Math.min(...band!.depth) + 48.6)) * 2.99792458e18) / pivot ** 2 / 1e-19;
    expect(largest / (20 * flux)).toBeCloseTo(1, 10);
  });

  it.each<[string, number, number, number | null | undefined, string | undefined]>([
    ["99", 99, 0.1, undefined, "magic value"],
    ["-99", -99, 0.1, undefined, "magic value"],
    ["99 in single precision from below", 99 - 2 ** -17, 0.1, undefined, "magic value"],
    ["99 in single precision from above", 99 + 2 ** -17, 0.1, undefined, "magic value"],
    ["90", 90, 0.1, undefined, "magic value"],
    ["999", 999, 0.1, undefined, "magic value"],
    ["-9999", -9999, 0.1, undefined, "magic value"],
    ["with an error of 99", 21, 99, undefined, "error is a magic value"],
    ["21", 21, 0.1, undefined, undefined],
    ["40 where the layout says 35", 40, 0.1, 35, "magic value"],
    ["99 where the layout knows none", 99, 0.1, null, undefined],
  ])("a magnitude of %s", (_, f, e, noMagnitude, reason) => {
    const told = surveyWith("absolute");
    const [layout] = told.layouts;
    const bands = layout.bands.map((one) => ({ ...one, unit: "ABmag" }));
    const survey = {
      ...told,
      layouts: [{ ...layout, magic: [], bands, ...(noMagnitude === undefined ? {} : { noMagnitude }) }],
    };
    expect(read("absolute", { f, e }, survey).reasons).toEqual(reason === undefined ? {} : { [reason]: 1 });
  });

  it("a row that its flags rule out", () => {
    for (const [r, reason] of [
      ["1", "r 1: not reliable"],
      ["BAD  ", "r BAD: bad row"],
    ]) {
      const found = read("absolute", { r });
      expect([found.band, found.label]).toEqual([nothing, nothing]);
      expect(found.reasons).toEqual({ [reason]: 2 });
    }
  });
});
