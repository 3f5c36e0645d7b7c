import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { datasetsFolder, listSurveys, loadSurvey } from "../../src/survey/survey.ts";

const minijpas = readFileSync(join(datasetsFolder(), "minijpas.yaml"), "utf8");

/** Error of a survey file made from minijpas.yaml with one text replaced. */
function errorOf(from: string, to: string): string {
  expect(minijpas).toContain(from);
  const path = join(mkdtempSync(join(tmpdir(), "caleido-survey-")), "broken.yaml");
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
    expect(names.length).toBe(73);
    expect(names.slice(0, 2)).toEqual(["uJAVA", "J0378"]);
    expect(names.slice(55, 62)).toEqual(["J1007", "u", "gSDSS", "rSDSS", "iSDSS", "FUV", "NUV"]);
    expect(names.slice(62)).toEqual(
      ["z", "LOGM", "LOGZ", "AV", "AGE", "LOGSFR"].concat(
        ["HALPHA", "HBETA", "OIII5007", "NII6584", "OII3727"].map((line) => `${line}_EW`),
      ),
    );
  });

  it("says file, line, column and the nearest right name", () => {
    expect(errorOf("fluxUnit:", "fluxUnits:")).toMatch(/broken\.yaml:4:1: .*"fluxUnits" \(did you mean "fluxUnit"\?\)/);
    expect(errorOf("z, kind: redshift,", "z, kind: redshfit,")).toMatch(
      /broken\.yaml:\d+:22: "properties\.0\.kind": "redshfit" is not one of .*did you mean "redshift"/,
    );
    expect(errorOf("name: J0390, group: narrow", "name: J0378, group: narrow")).toMatch(/:13:\d+: .*declared twice/);
    expect(errorOf("depth: [24.24, 23.86, 23.71, 23.72]", "depth: [24.24, 23.86]")).toMatch(
      /2 depths, expected 1 or 4/,
    );
    expect(errorOf("pivot: 3904.4", "pivot: blue")).toMatch(/broken\.yaml:13:\d+: "bands\.2\.pivot": .*number/);
    expect(errorOf("bands:", "bands: [")).toMatch(/broken\.yaml:\d+:\d+: /);
  });

  it("names the surveys there are when one is unknown or unreadable", () => {
    expect(() => loadSurvey("minijpass")).toThrow(/unknown survey "minijpass" \(did you mean "minijpas"\?\)/);
    expect(() => loadSurvey("nowhere/x.yaml")).toThrow(/nowhere\/x\.yaml: cannot be read \(ENOENT\)/);
  });
});
