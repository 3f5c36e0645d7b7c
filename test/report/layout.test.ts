import { describe, expect, test } from "vitest";
import { fitAxis, roomyTicks } from "../../src/report/axis.ts";
import { distanceColor, DISTANCES } from "../../src/report/figure-coverage.ts";
import { figures } from "../../src/report/figures.ts";
import { renderReport } from "../../src/report/html.ts";
import { createExamples } from "./examples.ts";

describe("tick labels", () => {
  const widthOf = (text: string): number => 7 * text.length;
  test("never run together, whatever the axis", () => {
    for (const length of [90, 160, 300]) {
      for (const scale of ["linear", "log"] as const) {
        for (const [low, high] of [
          [0.0041, 0.0049],
          [0.004, 0.06],
          [123.4, 123.9],
          [0.00012, 3],
        ] as const) {
          const axis = roomyTicks(fitAxis({ label: "", scale, domain: [low, high] }, []), length, widthOf);
          const [from, to] = axis.domain;
          const ends = axis.ticks.map((tick) => {
            const middle = (length * (tick - from)) / (to - from);
            const half = widthOf(axis.format(tick)) / 2;
            return [middle - half, middle + half];
          });
          expect(ends.length).toBeGreaterThan(0);
          if (ends.length > 2) ends.slice(1).forEach(([left], i) => expect(left).toBeGreaterThan(ends[i][1]));
        }
      }
    }
  });
  test("stay all where there is room", () => {
    const axis = fitAxis({ label: "", domain: [0, 1] }, []);
    expect(roomyTicks(axis, 400, widthOf).ticks).toEqual(axis.ticks);
  });
});

describe("adaptation", () => {
  const { adaptation } = createExamples(100);
  test("numbers of four metrics have room beside each other", () => {
    const { svg } = figures.adaptation.draw(adaptation);
    const texts = Array.from(
      svg.matchAll(/<text transform="translate\(([\d.]+),[\d.]+\)" y="0.32em">([\d.]+)<\/text>/g),
    );
    const bars = texts.filter(([, , text]) => ["0.0058", "0.0042", "0.019"].includes(text)).map(([, x]) => Number(x));
    expect(bars.length).toBeGreaterThanOrEqual(3);
    expect(bars[1] - bars[0]).toBeGreaterThan(6.6 * "0.0058".length + 5);
  });
  test("speaks of errors only where it has some", () => {
    const { error: _none, ...points } = adaptation.zeroPoints!;
    expect(figures.adaptation.draw(adaptation).svg).toContain("±1σ");
    expect(figures.adaptation.draw({ ...adaptation, zeroPoints: points }).svg).not.toContain("±1σ");
  });
});

describe("coverage matrix", () => {
  test.each([
    [0.5, 0],
    [0.6, 1],
    [0.65, 2],
    [0.665, 3],
    [0.68, 3],
    [0.695, 3],
    [0.71, 4],
    [0.76, 5],
    [0.8, 6],
  ])("%d at 68 % has colour %d of 7", (coverage, place) => {
    expect(distanceColor(coverage, 0.68)).toBe(DISTANCES[place]);
  });
  test("cells with few truths are told in brackets and without colour", () => {
    const draw = (rows: number): string =>
      figures.coverage.draw({
        levels: [0.68],
        columns: ["all"],
        rows: [{ label: "z", cells: [{ rows, coverage: [0.4] }] }],
        least: 100,
        across: "x",
      }).svg;
    expect(draw(99)).toContain(">(40)<");
    expect(draw(99).split(DISTANCES[0]).length).toBe(2); // the legend's
    expect(draw(100)).toContain(">40.0<");
    expect(draw(100).split(DISTANCES[0]).length).toBe(3);
  });
});

test("on a narrow screen figures and tables scroll inside themselves", () => {
  const figure = figures.photoz.draw({ zSpec: [0.1, 0.2], zPhot: [0.1, 0.2] });
  const table = { title: "t", columns: [{ label: "a" }], rows: [[1]] };
  const page = renderReport({ title: "x", sections: [{ heading: "h", figures: [figure], tables: [table] }] });
  expect(page).toMatch(/<figure id="f1" style="width:460px"><div class="wide"><svg role="img"[^>]*min-width:368px/);
  expect(page).toMatch(/<div class="wide"><table>/);
  expect(page).toMatch(/\.wide \{[^}]*overflow-x: auto/);
});
