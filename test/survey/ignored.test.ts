import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isIgnored, layoutSchema, ownLayout } from "../../src/survey/layout.ts";
import { readWholeCatalog } from "../../src/survey/read.ts";
import { unusedLines } from "../../src/survey/report.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";

it("columns that a simulation has for people are not named as unused, others are", async () => {
  const path = join(scratch(), "sims.csv");
  writeFileSync(path, "object_id,z,missing_edge,missing_bright,missing,SEEN\n1,0.1,2,3,4,5\n");
  const { counts } = await readWholeCatalog(path, loadSurvey("minijpas"), { units: [{ column: "*", unit: "survey" }] });
  expect(counts.unusedColumns).toEqual(["missing", "SEEN"]);
  expect(counts.ignoredColumns).toEqual(["missing_edge", "missing_bright"]);
  expect(unusedLines(counts)).toEqual(["2 columns not used: missing, SEEN"]);
});

it("a survey's layout may ignore columns too; a pattern's other characters stand for themselves", () => {
  const layout = layoutSchema.parse({ name: "a", title: "A", objectId: "ID", ignored: ["x.*", "*_note", "plain"] });
  const columns = ["x.1", "x1", "my_note", "note", "plain", "plainer"];
  expect(columns.filter((column) => isIgnored(layout, column))).toEqual(["x.1", "my_note", "plain"]);
  expect(isIgnored(ownLayout, "missing_sky")).toBe(true);
});
