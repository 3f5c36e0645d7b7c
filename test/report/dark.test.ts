import { describe, expect, test } from "vitest";
import { darkOf, darkRules, darkTheme } from "../../src/report/dark.ts";
import { figures } from "../../src/report/figures.ts";
import { renderReport } from "../../src/report/html.ts";
import { seriesColors, theme } from "../../src/report/svg.ts";
import { createExamples } from "./examples.ts";

const examples = createExamples(2000);

/** Relative luminance of a colour (WCAG 2.2). */
function luminance(color: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast of two colours: 1 - 21, of black on white. */
function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

describe("on a dark ground", () => {
  test.each(Object.keys(figures) as (keyof typeof figures)[])("every colour of %s has its dark one", (name) => {
    const { svg } = (figures[name].draw as (data: unknown) => { svg: string })(examples[name]);
    const used = new Set(Array.from(svg.matchAll(/(?:fill|stroke)="(#[^"]*)"/g), (match) => match[1]));
    for (const color of used) expect(darkOf.has(color), `${name}: ${color}`).toBe(true);
    // colours in style attributes would stay as they are: only the ink, which the page sets for all figures
    for (const [, color] of svg.matchAll(/color:([^;"]+)/g)) expect(color).toBe(theme.ink);
  });

  test("words can be read, and lines seen, on either ground", () => {
    expect(contrast(theme.ink, theme.paper)).toBeGreaterThan(7);
    expect(contrast(darkTheme.ink, darkTheme.paper)).toBeGreaterThan(7);
    for (const color of seriesColors) expect(contrast(darkOf.get(color)!, darkTheme.paper), color).toBeGreaterThan(3);
  });

  test("words in the cells of a coverage matrix can be read on both grounds", () => {
    const { svg } = figures.coverage.draw({
      levels: [0.68],
      columns: ["1", "2", "3", "4", "5", "6", "7"],
      rows: [
        {
          label: "z",
          cells: [0.5, 0.61, 0.65, 0.68, 0.71, 0.75, 0.8].map((share) => ({ rows: 500, coverage: [share] })),
        },
      ],
      least: 100,
      across: "n",
    });
    const cells = Array.from(svg.matchAll(/height="22" fill="(#[^"]*)"/g), (match) => match[1]);
    expect(new Set(cells).size).toBe(7);
    for (const color of cells) {
      expect(contrast(color, theme.ink), color).toBeGreaterThan(4.5);
      expect(contrast(darkOf.get(color)!, darkTheme.ink), darkOf.get(color)).toBeGreaterThan(3.5);
    }
  });

  test("the rules stand in the page, for screens only", () => {
    const page = renderReport({ title: "x", sections: [] });
    expect(page).toContain("@media screen and (prefers-color-scheme: dark)");
    expect(page).toContain(darkRules());
  });
});
