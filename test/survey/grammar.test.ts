import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { surveyGrammar, surveyJsonSchema } from "../../src/survey/grammar.ts";
import { datasetsFolder, listSurveys } from "../../src/survey/survey.ts";

interface Node {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly additionalProperties?: Node | boolean;
  readonly anyOf?: readonly Node[];
}

/** Paths of keys without a description, wherever in a schema. */
function undescribed(node: Node, path: string): string[] {
  const keys = Object.entries(node.properties ?? {});
  const { items, additionalProperties: other, anyOf = [] } = node;
  return [
    ...keys.flatMap(([key, { description = "" }]) => (description === "" ? [`${path}/${key}`] : [])),
    ...keys.flatMap(([key, inner]) => undescribed(inner, `${path}/${key}`)),
    ...[...(items ? [items] : []), ...(typeof other === "object" ? [other] : []), ...anyOf].flatMap((inner) =>
      undescribed(inner, path),
    ),
  ];
}

describe("the grammar of survey files", () => {
  it("describes every key", () => {
    expect(undescribed(surveyJsonSchema(), "")).toEqual([]);
    const broken = { properties: { a: { description: "A", items: { properties: { b: {} } } } } };
    expect(undescribed(broken, "")).toEqual(["/a/b"]);
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
