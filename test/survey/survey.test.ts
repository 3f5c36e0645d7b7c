import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { bindLayout } from "../../src/survey/bind.ts";
import { datasetsFolder, listSurveys, loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";

const minijpas = readFileSync(join(datasetsFolder(), "minijpas.yaml"), "utf8");

/** Error of a survey file made from minijpas.yaml with one text replaced. */
function errorOf(from: string, to: string): string {
  expect(minijpas).toContain(from);
  const path = join(scratch(), "broken.yaml");
  writeFileSync(path, minijpas.replace(from, to));
  try {
    loadSurvey(path);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message;
  }
  throw new Error("the broken survey was accepted");
}

describe("survey files", () => {
  it.each(listSurveys())("%s loads: unique fields, bands first, pivots inside their edges", (name) => {
    const survey = loadSurvey(name);
    expect(survey.name).toBe(name);
    const names = survey.fields.map((field) => field.name);
    expect(new Set(names).size).toBe(names.length);
    const kinds = survey.fields.map((field) => field.band !== undefined);
    expect(kinds).toEqual([...kinds].sort((a, b) => Number(b) - Number(a)));
    for (const field of survey.fields) {
      expect(field.band !== undefined).toBe(field.kind === "flux");
      if (!field.band) continue;
      expect(field.band.pivot).toBeGreaterThan(field.band.edges[0]);
      expect(field.band.pivot).toBeLessThan(field.band.edges[1]);
    }
  });

  it("has the public field names of miniJPAS in order", () => {
    const names = loadSurvey("minijpas").fields.map((field) => field.name);
    expect(names.length).toBe(75);
    expect(names.slice(0, 2)).toEqual(["uJAVA", "J0378"]);
    expect(names.slice(55, 62)).toEqual(["J1007", "u", "gSDSS", "rSDSS", "iSDSS", "FUV", "NUV"]);
    expect(names.slice(62)).toEqual(
      ["z", "LOGM", "LOGZ", "AV", "AGE", "LOGSFR"].concat(
        ["HALPHA", "HBETA", "OIII5007", "NII6584", "OII3727"].map((line) => `${line}_EW`),
        "CLASS",
        ["EBV"],
      ),
    );
  });

  it("says file, line, column and the nearest right name", () => {
    expect(errorOf("fluxUnit:", "fluxUnits:")).toMatch(
      /broken\.yaml:\d+:1: .*"fluxUnits" \(did you mean "fluxUnit"\?\)/,
    );
    expect(errorOf("z, kind: redshift,", "z, kind: redshfit,")).toMatch(
      /broken\.yaml:\d+:22: "properties\.0\.kind": "redshfit" is not one of .*did you mean "redshift"/,
    );
    expect(errorOf("name: J0390, group: narrow", "name: J0378, group: narrow")).toMatch(
      /broken\.yaml:\d+:\d+: .*declared twice/,
    );
    expect(errorOf("depth: [24.24, 23.86, 23.71, 23.72]", "depth: [24.24, 23.86]")).toMatch(
      /2 entries in depth, expected 1 or 4/,
    );
    expect(errorOf("pivot: 3904.4", "pivot: blue")).toMatch(/broken\.yaml:\d+:\d+: "bands\.2\.pivot": .*number/);
    expect(errorOf("bands:", "bands: [")).toMatch(/broken\.yaml:\d+:\d+: /);
  });

  it("bands name an instrument of the file, lists have one entry per tile or layer", () => {
    const survey = loadSurvey("minijpas");
    const of = (name: string) => survey.fields.find((field) => field.name === name)?.band;
    expect([of("J0500")?.instrument, of("NUV")?.instrument]).toEqual(["jst", "galex"]);
    expect(of("NUV")?.depth).toHaveLength(3);
    expect(of("J0500")?.zeroPointError).toEqual([0.04]);
    expect(errorOf("instrument: galex", "instrument: galax")).toMatch(
      /no instrument "galax" \(did you mean "galex"\?\)/,
    );
    expect(errorOf("depth: [20.8, 22.7, 25.0]", "depth: [20.8, 22.7]")).toMatch(
      /2 entries in depth, .*3 \(one per layer of galex\)/,
    );
    expect(errorOf("seeing: [1.28, 1.42, 1.37, 1.42]", "seeing: [1.28, 1.42]")).toMatch(
      /2 entries in seeing, expected 1 or 4/,
    );
    expect(errorOf("share: 0.45", "share: 0.95")).toMatch(/"instruments\.1\.layers": shares of the sky exceed 1/);
  });

  it("names the surveys there are when one is unknown or unreadable", () => {
    expect(() => loadSurvey("minijpass")).toThrow(/unknown survey "minijpass" \(did you mean "minijpas"\?\)/);
    expect(() => loadSurvey("nowhere/x.yaml")).toThrow(/nowhere\/x\.yaml: cannot be read \(ENOENT\)/);
  });
});

describe("a survey that extends another", () => {
  const folder = scratch();
  const band =
    "group: infrared, pivot: 12000, edges: [11000, 13000], rise: [100, 100], depth: [18], zeroPointError: 0.03";
  writeFileSync(
    join(folder, "ir.yaml"),
    `name: ir\ntitle: T\nfluxUnit: 1e-19 erg/s/cm2/A\nfluxRange: [-1, 1]\ntiles: [sky]\nzeroPointError: 0.02\nbands:\n  - { name: J, ${band} }\nproperties: []\n`,
  );
  let count = 0;
  const heir = (text: string): ReturnType<typeof loadSurvey> => {
    const path = join(folder, `heir-${++count}.yaml`);
    writeFileSync(path, `name: heir\ntitle: An heir\nextends: [minijpas, ./ir.yaml]\n${text}`);
    return loadSurvey(path);
  };

  it("takes over what it does not say, in order", () => {
    const parent = loadSurvey("minijpas");
    const survey = heir("");
    expect(survey.tiles).toEqual(parent.tiles);
    expect(survey.layouts).toEqual(parent.layouts.map((layout) => ({ ...layout, from: "minijpas" })));
    const names = parent.fields.map((field) => field.name);
    expect(survey.fields.map((field) => field.name)).toEqual([...names.slice(0, 62), "J", ...names.slice(62)]);
    expect(survey.fields.find((field) => field.name === "J")?.band?.zeroPointError).toEqual([0.03]);
    expect(survey.fields.slice(0, 62)).toEqual(parent.fields.slice(0, 62));
  });

  it("overrides the keys that a row gives, omits fields and groups, and appends", () => {
    const depths = loadSurvey("minijpas").fields.filter((f) => f.band && f.band.group !== "uv" && f.name !== "u");
    const rows = depths.map(({ name }) => `  - { name: ${name}, depth: [22] }\n`).join("");
    const survey = heir(
      `tiles: [one]\nomit: [uv, u, AGE]\nzeroPointError: 0.01\nbands:\n${rows}  - { name: K, ${band} }\n`,
    );
    const parent = loadSurvey("minijpas").fields.find((field) => field.name === "J0378")!;
    const own = survey.fields.find((field) => field.name === "J0378")!;
    expect(own.band).toEqual({
      ...parent.band,
      depth: [22],
      zeroPointError: [0.01],
      seeing: undefined,
      exposure: undefined,
    });
    const names = survey.fields.map((field) => field.name);
    expect(names).not.toEqual(expect.arrayContaining(["u"]));
    for (const gone of ["u", "FUV", "NUV", "AGE"]) expect(names).not.toContain(gone);
    expect(names.slice(59, 62)).toEqual(["J", "K", "z"]);
  });

  it("takes over layouts behind its own, of all surveys or of those named; one of its own name replaces", () => {
    const names = (text: string): string[] => heir(text).layouts.map(({ name, from = "own" }) => `${name} of ${from}`);
    const own = (name: string): string =>
      `layouts:\n  - { name: ${name}, title: Own, objectId: "{id}", bands: { value: "F_{FIELD}" } }\n`;
    const rest = ["cefca-auto of minijpas", "cefca-psfcor of minijpas"];
    expect(names(own("mine"))).toEqual(["mine of own", "cefca-aper3 of minijpas", ...rest]);
    expect(names(own("cefca-aper3"))).toEqual(["cefca-aper3 of own", ...rest]);
    expect(names(`layoutsOf: []\n${own("mine")}`)).toEqual(["mine of own"]);
    // Of fields that it omits it takes over nothing.
    expect(heir("omit: [J0378]\n").layouts[0].bands[0].order).toContain(null);
    expect(loadSurvey("legacy").layouts.map(({ name }) => name)).toEqual(["tractor", "allwise"]);
  });

  it("means its own layout where an inherited one fits as well", () => {
    const layout = `{ name: mine, title: M, objectId: "{id}", bands: { only: [Ks], value: "{FIELD}_m", error: "{FIELD}_msigcom", aliases: { Ks: k }, unit: ABmag } }`;
    const path = join(folder, "own-first.yaml");
    writeFileSync(path, `name: own\ntitle: T\nextends: [infrared]\nlayouts:\n  - ${layout}\n`);
    const schema = ["k_m", "k_msigcom"].map((name) => ({ name, type: "float64" as const, width: 1, unit: "ABmag" }));
    expect(bindLayout("t", schema, loadSurvey(path)).layout.name).toBe("mine");
    const inherited = schema.map((column) => ({ ...column, unit: "mag" }));
    expect(bindLayout("t", inherited, loadSurvey("infrared")).layout.name).toBe("2mass");
  });

  it("says what is wrong with it, and where", () => {
    expect(() => heir("tiles: [one]\n")).toThrow(/band "uJAVA" has 4 entries in depth, expected 1 or 1/);
    expect(() => heir("omit: [FUVV]\n")).toThrow(/heir-\d+\.yaml:4:\d+: omit: .*"FUVV" \(did you mean "FUV"\?\)/);
    expect(() => heir("layoutsOf: [nobody]\n")).toThrow(/layoutsOf: nothing inherited is named "nobody"/);
    expect(() => heir("bands:\n  - { name: J0378, dept: [1] }\n")).toThrow(
      /:5:\d+: .*"dept" \(did you mean "depth"\?\)/,
    );
    expect(() => heir("bands:\n  - { name: X }\n")).toThrow(/bands\.63\.group/);
    expect(() => heir("bands:\n  - { name: u }\n  - { name: u }\n")).toThrow(/:6:\d+: field "u" is declared twice/);
    expect(() => heir("extends: []\n")).toThrow(/unique/);
    const path = join(folder, "loop.yaml");
    writeFileSync(path, "name: loop\ntitle: T\nextends: [./loop.yaml]\n");
    expect(() => loadSurvey(path)).toThrow(/loop\.yaml:3:\d+: extends itself/);
    writeFileSync(path, "name: loop\ntitle: T\nextends: [minijpass]\n");
    expect(() => loadSurvey(path)).toThrow(/loop\.yaml: extends: unknown survey "minijpass" \(did you mean "minijpas"/);
  });
});
