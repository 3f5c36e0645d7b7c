import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { surveyGrammar, surveyJsonSchema } from "../../src/survey/grammar.ts";
import { datasetsFolder, listSurveys } from "../../src/survey/survey.ts";

/** Paths of keys without a description, wherever in a schema. */
function undescribed(node: unknown, path: string): string[] {
  if (typeof node !== "object" || node === null) return [];
  const { properties = {} } = node as { properties?: Record<string, { description?: string }> };
  const missing = Object.entries(properties).filter(([, key]) => (key.description ?? "") === "");
  return [
    ...missing.map(([key]) => `${path}/${key}`),
    ...Object.entries(node).flatMap(([key, inner]) => undescribed(inner, `${path}/${key}`)),
  ];
}

describe("the grammar of survey files", () => {
  it("describes every key", () => {
    const { then: _, ...schema } = surveyJsonSchema();
    expect(undescribed(schema, "")).toEqual([]);
    expect(undescribed({ items: { properties: { a: {}, b: { description: "B" } } } }, "")).toEqual(["/items/a"]);
  });

  it("is docs/surveys.md as it stands: caleido datasets --grammar > docs/surveys.md", () => {
    const page = readFileSync(join(datasetsFolder(), "../docs/surveys.md"), "utf8");
    expect(page).toBe(surveyGrammar());
    for (const key of ["softening", "floor", "extinction", "layoutsOf"]) expect(page).toContain(`| \`${key}\``);
  });

  it("is datasets/survey.schema.json: caleido datasets --schema > datasets/survey.schema.json", () => {
    const text = readFileSync(join(datasetsFolder(), "survey.schema.json"), "utf8");
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(surveyJsonSchema())));
  });

  it.each(listSurveys())("tells editors of datasets/%s.yaml which schema it has", (name) => {
    const [first] = readFileSync(join(datasetsFolder(), `${name}.yaml`), "utf8").split("\n");
    expect(first).toBe("# yaml-language-server: $schema=survey.schema.json");
  });
});
