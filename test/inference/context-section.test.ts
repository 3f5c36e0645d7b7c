import { expect, test } from "vitest";
import { contextSection } from "../../src/inference/evaluation-figures.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const { fields } = loadSurvey("minijpas");
const even = (value: number) => ({ value, low: value - 0.01, high: value + 0.01 });
const result = (coverage68: number, gap?: number) => ({
  scores: { z: { caleido: { coverage68: even(coverage68), coverage90: even(0.9) } } },
  calibration: { z: { rows: 500 } },
  ...(gap === undefined ? {} : { gaps: { z: { rows: 500, crps: even(gap), negLogLik: even(0), bySignal: [] } } }),
});

test("questions stand side by side: coverage of each, and how far from the library", () => {
  const [section] = contextSection({ all: result(0.671, 0.3), blue: result(0.702, 0.1) }, fields);
  const [gaps, coverage] = section.figures!;
  expect(coverage.svg).toContain(">67.1<");
  expect(coverage.svg).toContain(">70.2<");
  expect(gaps.svg).toContain("z: CRPS above the library's [%]");
});

test("without a library there is only coverage, of one question alone nothing", () => {
  const [section] = contextSection({ all: result(0.671), blue: result(0.702) }, fields);
  expect(section.figures!.length).toBe(1);
  expect(contextSection({ all: result(0.671, 0.3) }, fields)).toEqual([]);
});
