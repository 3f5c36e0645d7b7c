import { DOMParser } from "linkedom";
import { describe, expect, test } from "vitest";
import { fitAxis, linearTicks, printUnit } from "../../src/report/axis.ts";
import { figures } from "../../src/report/figures.ts";
import { escapeText, renderPng } from "../../src/report/svg.ts";
import type { Figure } from "../../src/report/svg.ts";
import { createExamples } from "./examples.ts";
import { checkXml } from "./xml.ts";

const small = createExamples(300);
const many = createExamples(100_000);
const names = Object.keys(figures) as (keyof typeof figures)[];

function drawAs(name: keyof typeof figures, examples: ReturnType<typeof createExamples>): Figure {
  const draw = figures[name].draw as (data: unknown) => Figure;
  return draw(examples[name]);
}

interface Words {
  readonly textContent: string;
}

function textsOf(svg: string): string[] {
  const nodes = new DOMParser().parseFromString(svg, "image/svg+xml").querySelectorAll("text") as Iterable<Words>;
  return Array.from(nodes, (node) => node.textContent);
}

describe.each(names)("figure %s", (name) => {
  const globalsBefore = Object.keys(globalThis).join();
  const figure = drawAs(name, small);
  test("is well-formed SVG without a bad number", () => {
    checkXml(figure.svg);
    expect(figure.svg).not.toMatch(/NaN|undefined|Infinity|\bnull\b/);
    expect(figure.svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 \d+ \d+"/);
    expect(figure.svg).not.toMatch(/(href|src)=/);
    expect(figure.svg).not.toContain("<script");
  });
  test("draws its data: marks inside the page, words, a caption", () => {
    expect((figure.svg.match(/<(path|circle|rect|line)/g) ?? []).length).toBeGreaterThan(15);
    expect(textsOf(figure.svg).filter((text) => text.trim() !== "").length).toBeGreaterThan(5);
    expect(figure.caption.length).toBeGreaterThan(30);
  });
  test("becomes a PNG of twice its size", () => {
    const png = renderPng(figure.svg);
    expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
    const view = new DataView(png.buffer, png.byteOffset);
    expect([view.getUint32(16), view.getUint32(20)]).toEqual([2 * figure.width, 2 * figure.height]);
    expect(png.length).toBeGreaterThan(4000);
  });
  test("leaves no global and draws the same again", () => {
    expect(Object.keys(globalThis).join()).toBe(globalsBefore);
    expect(drawAs(name, small).svg === figure.svg).toBe(true);
  });
  test("stays small with 100,000 points, and says how they were drawn", () => {
    const large = drawAs(name, many);
    expect(large.svg.length).toBeLessThan(300_000);
    if (["photoz", "property", "scatter"].includes(name))
      expect(large.caption).toContain("100,000 points, counted in cells");
    if (name === "corner") expect(large.caption).toContain("counted in cells");
  });
});

test("words are drawn, with the fonts of the package", () => {
  const page = (word: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40"><text x="5" y="25">${word}</text></svg>`;
  const [empty, greek] = [renderPng(page("")), renderPng(page("σ Δ Å ⁻¹⁹ ☉"))];
  expect(greek.length).toBeGreaterThan(empty.length + 500);
});

describe("units stand on the axes", () => {
  test.each([
    ["property", "true EW(Hα) [Å]"],
    ["property", "predicted − true [Å]"],
    ["seds", "flux [10⁻¹⁹ erg s⁻¹ cm⁻² Å⁻¹]"],
    ["seds", "wavelength [Å]"],
    ["corner", "A_V [mag]"],
    ["adaptation", "zero-point offset [mag]"],
    ["loss", "negative log-likelihood per query [nats]"],
  ] as const)("%s: %s", (name, label) => expect(textsOf(drawAs(name, small).svg)).toContain(label));
});

test("a point with an error larger than the spectrum leaves the flux axis to the others", () => {
  const bands = [
    { wavelength: 1535, flux: -1500, fluxError: 1100, isGiven: true },
    ...[4000, 5000, 6000].map((wavelength, i) => ({ wavelength, flux: 40 + 10 * i, fluxError: 3, isGiven: true })),
    { wavelength: 7000, isGiven: false, flux: 60, fluxError: 3, quantiles: [30, 50, 60, 75, 4000] as const },
  ];
  const { svg, caption } = figures.seds.draw({ fluxUnit: "Jy", objects: [{ title: "noisy", bands }] });
  const ticks = textsOf(svg).map((text) => Number(text.replace("−", "-").replace(",", "")));
  expect(ticks.filter((tick) => tick < 0 || (tick > 200 && tick < 1000))).toEqual([]);
  expect(caption).toContain("Not shown: 1 point with errors larger than the spectrum.");
});

describe("awkward data", () => {
  const none = { step: [], value: [] };
  const empty: { [K in keyof typeof figures]: Parameters<(typeof figures)[K]["draw"]>[0] } = {
    pdfs: { axis: { label: "z" }, examples: [] },
    stack: { axis: { label: "z" }, at: [], sum: [], error: [], rowCount: 0 },
    photoz: { zSpec: [], zPhot: [] },
    property: { truth: [], predicted: [], axis: { label: "log M*", unit: "dex" } },
    calibration: { series: [] },
    seds: { fluxUnit: "Jy", objects: [] },
    answered: { fluxUnit: "Jy", objects: [] },
    strange: { fluxUnit: "Jy", objects: [{ title: "nothing", bands: [] }] },
    latent: { x: [], y: [], panels: [{ title: "z", values: [] }], caption: "Nothing." },
    occlusion: { title: "nothing", wanted: "z", bars: [] },
    loss: { train: none, validation: none, learningRate: none },
    comparison: { panels: [] },
    gaps: { panels: [] },
    trend: { axis: { label: "magnitude" }, at: [], counts: [], panels: [] },
    coverage: { levels: [0.68], columns: [], rows: [], least: 100, across: "magnitude" },
    selection: { curves: [], right: "close", rows: 0, share: 0 },
    consistency: { pairs: [], rows: 0, limit: 0.02 },
    corner: { fields: [], samples: [] },
    adaptation: { variants: [], metrics: [] },
    histogram: { panels: [{ axis: { label: "z" }, series: [{ label: "none", values: [] }] }] },
    scatter: { samples: [], xAxis: { label: "x" }, yAxis: { label: "y" } },
    bandLines: { wavelength: [], axis: { label: "S/N", scale: "log" }, series: [] },
    bandStates: { bands: [], states: [{ label: "measured", fraction: [] }] },
    advice: { wanted: "z", unit: "", widthNow: 0.1, rows: 0, bars: [] },
    spectra: { fluxUnit: "Jy", objects: [{ title: "nothing", wavelength: [], flux: [], sigma: [], lines: [] }] },
    photometry: { fluxUnit: "Jy", objects: [{ title: "nothing", bands: [] }] },
  };
  test.each(names)("%s without data is an empty frame", (name) => {
    const { svg } = drawAs(name, empty);
    checkXml(svg);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
  test("one point, equal points, and values that are not finite", () => {
    for (const truth of [[1], [2, 2, 2], [Number.NaN, 1, 2], [Infinity, 0, 3]]) {
      for (const scale of ["linear", "log", "asinh"] as const) {
        const { svg } = figures.property.draw({ truth, predicted: truth, axis: { label: "x", scale } });
        expect(svg).not.toMatch(/NaN|undefined|Infinity/);
      }
    }
  });
  test("a flux that is missing and a prediction for one lone band", () => {
    const band = { isGiven: false, wavelength: 5000 };
    const { svg } = figures.seds.draw({
      fluxUnit: "Jy",
      objects: [
        {
          title: "x",
          bands: [
            { ...band, quantiles: [1, 2, 3, 4, 5] },
            { isGiven: true, wavelength: 6000, flux: 3, fluxError: 1 },
            { isGiven: true, wavelength: 7000 },
          ],
        },
      ],
    });
    expect(svg).not.toMatch(/NaN|undefined/);
  });
  test("words are escaped", () => {
    const { svg } = figures.histogram.draw({
      panels: [
        {
          axis: { label: 'a<b> & "c"' },
          series: [{ label: "<script>alert(1)</script>", values: [1, 2, 3] }],
        },
      ],
    });
    checkXml(svg);
    expect(textsOf(svg)).toContain('a<b> & "c"');
    expect(svg).not.toContain("<script");
    expect(escapeText("a\u0000b<")).toBe("a\uFFFDb&lt;");
  });
});

describe("axes", () => {
  test("units in print form", () => {
    expect(printUnit("1e-19 erg/s/cm2/A")).toBe("10⁻¹⁹ erg s⁻¹ cm⁻² Å⁻¹");
    expect(printUnit("Angstrom")).toBe("Å");
    expect(printUnit("Msun/yr")).toBe("M☉ yr⁻¹");
    expect(printUnit("dex")).toBe("dex");
  });
  test("linear ticks are round, few and inside", () => {
    for (const [low, high] of [
      [0, 1],
      [-0.37, 1.33],
      [3500, 9600],
      [1e-5, 3e-5],
      [-2e6, 5e6],
    ]) {
      const { values } = linearTicks(low, high, 5);
      expect(values.length).toBeGreaterThanOrEqual(3);
      expect(values.length).toBeLessThanOrEqual(9);
      for (const value of values) expect(value >= low - 1e-9 * high && value <= high * (1 + 1e-9)).toBe(true);
    }
  });
  test.each([
    [
      [1, 1000],
      ["1", "10", "100", "1000"],
    ],
    [
      [2, 30],
      ["2", "5", "10", "20"],
    ],
    [
      [1e-6, 1e6],
      ["10⁻⁶", "10⁻⁴", "0.01", "1", "100", "10⁴", "10⁶"],
    ],
  ])("log ticks over %j", ([low, high], expected) => {
    const axis = fitAxis({ label: "x", scale: "log", domain: [low, high] }, []);
    const labels = axis.ticks.map(axis.format);
    for (const label of expected) expect(labels.map((l) => l.replace("10000", "10⁴"))).toContain(label);
    expect(labels.length).toBeLessThan(9);
  });
  test("asinh ticks rise through zero and read in the unit", () => {
    const axis = fitAxis({ label: "EW", scale: "asinh", knee: 3, domain: [-60, 800] }, []);
    expect(axis.ticks.map(axis.format)).toEqual(["−10", "0", "10", "100"]);
    expect([...axis.ticks]).toEqual([...axis.ticks].sort((a, b) => a - b));
    expect(Number.isNaN(fitAxis({ label: "x", scale: "log" }, [[1]]).forward(-1))).toBe(true);
  });
});
