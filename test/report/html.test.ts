import { describe, expect, test } from "vitest";
import { parseHTML } from "linkedom";
import { figures } from "../../src/report/figures.ts";
import { renderReport } from "../../src/report/html.ts";
import { createExamples } from "./examples.ts";
import { checkXml } from "./xml.ts";

const examples = createExamples(300);
const twice = [figures.photoz.draw(examples.photoz), figures.photoz.draw(examples.photoz)];
const page = renderReport({
  title: 'Quickstart <of> "Caleido" & friends',
  facts: [["seed", "1"]],
  sections: [
    { heading: "Redshift", text: ["First.", "a < b & c"], figures: twice },
    {
      heading: "Scores",
      tables: [
        {
          title: "All fields",
          columns: [
            { label: "method" },
            { label: "log M* CRPS", unit: "dex" },
            { label: "n", decimals: 0 },
            { label: "flux", unit: "1e-19 erg/s/cm2/A" },
          ],
          rows: [
            ["Caleido", { value: 0.0613, low: 0.0588, high: 0.0641 }, 12345, -0.00012],
            ["<ridge>", { value: 0.31, low: 0.3, high: 0.33 }, 12345, undefined],
          ],
        },
      ],
    },
  ],
});

interface Node {
  readonly textContent: string;
  getAttribute(name: string): string;
}

describe("report", () => {
  const { document } = parseHTML(page);
  test("is one well-formed page that fetches nothing", () => {
    checkXml(page.replaceAll(/<meta [^>]*\/>/g, ""));
    expect(page).not.toMatch(/(src|href)="(?!#)/);
    expect(page).not.toMatch(/<script|<link|<img|@import|url\((?!#)/);
  });
  test("contents lead to their sections", () => {
    const nodes = document.querySelectorAll("nav a") as Iterable<Node>;
    const links = Array.from(nodes, (a) => [a.getAttribute("href"), a.textContent]);
    expect(links).toEqual([
      ["#s1", "Redshift"],
      ["#s2", "Scores"],
    ]);
    for (const [href] of links) expect(document.querySelector(href)).not.toBeNull();
  });
  test("every figure has its caption, and ids of its own that resolve", () => {
    expect(document.querySelectorAll("figure").length).toBe(2);
    expect(document.querySelectorAll("figcaption").length).toBe(2);
    const ids = Array.from(page.matchAll(/ id="([^"]+)"/g), (m) => m[1]);
    expect(new Set(ids).size).toBe(ids.length);
    const used = Array.from(page.matchAll(/url\(#([^)]+)\)/g), (m) => m[1]);
    expect(used.length).toBeGreaterThan(0);
    for (const id of used) expect(ids).toContain(id);
  });
  test("words are escaped, units in print form", () => {
    expect(document.querySelector("h1")!.textContent).toBe('Quickstart <of> "Caleido" & friends');
    expect(page).toContain("a &lt; b &amp; c");
    expect(page).toContain("[10⁻¹⁹ erg s⁻¹ cm⁻² Å⁻¹]");
    expect(page).toContain("&lt;ridge&gt;");
  });
  test("numbers of a column share their decimals and stand right", () => {
    const cells = Array.from(document.querySelectorAll("td") as Iterable<Node>, (td) => td.textContent);
    expect(cells).toEqual(
      ["Caleido", "0.06130.0588 … 0.0641", "12,345", "−0.0001", "<ridge>", "0.31000.3000 … 0.3300", "12,345", "–"].map(
        (text) => text,
      ),
    );
    expect(document.querySelectorAll("td.number").length).toBe(6);
  });
  test("works without anything in it", () => {
    const bare = renderReport({ title: "empty", sections: [] });
    checkXml(bare.replaceAll(/<meta [^>]*\/>/g, ""));
    expect(bare).toContain("<h1>empty</h1>");
  });
});
