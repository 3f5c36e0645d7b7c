import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";

const folder = scratch();
const whole = `name: mine
title: Mine
fluxUnit: 1e-19 erg/s/cm2/A
fluxRange: [-1, 1]
tiles: [sky]
zeroPointError: 0.02
instruments:
  - { name: eye, area: 100, efficiency: 0.5, exposure: 10, detectionLimit: 3 }
bands:
  - { name: J, group: g, pivot: 12000, edges: [11000, 13000], rise: [100, 100], depth: [18], seeing: [1], exposure: [5], notches: [{ centre: 12100, width: 10, depth: 0.1 }] }
properties:
  - { name: AGE, kind: linear, description: age, range: [0, 14] }
`;

it.each([
  ["pivot: 12000", "pivot: 1.0e+308", /mine\.yaml:10:33: "bands\.0\.pivot": .*100000000/],
  ["11000, 13000", "11000, 1.0e+300", /mine\.yaml:10:\d+: "bands\.0\.edges\.1"/],
  ["11000, 13000", "-11000, 13000", /"bands\.0\.edges\.0": .*>0/],
  ["11000, 13000", "13000, 11000", /"bands\.0\.edges": expected \[low, high\] with low < high/],
  ["[100, 100]", "[100, 1.0e+300]", /"bands\.0\.rise\.1"/],
  ["[18]", "[1.0e+300]", /mine\.yaml:10:\d+: "bands\.0\.depth\.0": .*100/],
  ["seeing: [1]", "seeing: [1.0e+9]", /"bands\.0\.seeing\.0"/],
  ["exposure: [5]", "exposure: [1.0e+300]", /"bands\.0\.exposure\.0"/],
  ["centre: 12100", "centre: 1.0e+300", /"bands\.0\.notches\.0\.centre"/],
  ["width: 10", "width: 1.0e+300", /"bands\.0\.notches\.0\.width"/],
  ["area: 100", "area: 1.0e+300", /mine\.yaml:8:24: "instruments\.0\.area"/],
  ["detectionLimit: 3", "detectionLimit: 1.0e+300", /"instruments\.0\.detectionLimit"/],
  ["zeroPointError: 0.02", "zeroPointError: 1.0e+300", /mine\.yaml:6:17: "zeroPointError"/],
  ["[-1, 1]", "[-1.0e+308, 1.0e+308]", /mine\.yaml:4:13: "fluxRange\.0"/],
  ["[0, 14]", "[0, 1.0e+308]", /mine\.yaml:12:\d+: "properties\.0\.range\.1"/],
])("a survey with %s turned into %s is refused at its line", (from, to, message) => {
  const path = join(folder, "mine.yaml");
  writeFileSync(path, whole);
  expect(loadSurvey(path).fields).toHaveLength(2);
  expect(whole).toContain(from);
  writeFileSync(path, whole.replace(from, to));
  const load = (): unknown => loadSurvey(path);
  expect(load).toThrow(UserError);
  expect(load).toThrow(message);
  expect(load).toThrow(/^[^\n]*$/);
});
