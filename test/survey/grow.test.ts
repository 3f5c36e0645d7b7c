import { describe, expect, it } from "vitest";
import { loadSurvey, surveyOf } from "../../src/survey/survey.ts";
import { surveySchema } from "../../src/survey/survey-schema.ts";
import { fileWithIds, growSurvey } from "../../src/survey/grow.ts";
import { createVocabulary } from "../../src/survey/vocabulary.ts";
import { surveyOfFields, toyFields } from "../helpers/toy.ts";
import type { Field } from "../../src/survey/field.ts";

const old = loadSurvey("minijpas");
const infrared = loadSurvey("infrared");

describe("a survey in a checkpoint", () => {
  it("comes back whole from its own text: bands with notches, instrument, seeing and exposure, layouts and all", () => {
    for (const name of ["minijpas", "jpas-edr", "infrared"]) {
      const survey = loadSurvey(name);
      const text = JSON.stringify(fileWithIds(survey));
      const back = surveyOf(surveySchema.parse(JSON.parse(text)), survey.path);
      const { file: _, ...rest } = back;
      const { file: _own, ...expected } = survey;
      expect(rest).toStrictEqual(expected);
    }
    expect(old.fields.some(({ band }) => (band?.notches?.length ?? 0) > 0)).toBe(true);
    expect(old.fields.some(({ band }) => band?.exposure !== undefined)).toBe(true);
  });
});

describe("a vocabulary that grows", () => {
  const both = growSurvey(old, infrared, new Set(["W1"]));

  it("keeps the id and the place of every old field, and takes in what is named only", () => {
    expect(both.fields.slice(0, old.fields.length).map(({ name, id }) => [name, id])).toStrictEqual(
      old.fields.map(({ name, id }) => [name, id]),
    );
    expect(both.fields.slice(old.fields.length).map(({ name }) => name)).toStrictEqual(["W1"]);
    const again = growSurvey(both, infrared, new Set(["W2"]));
    expect(again.fields.map(({ name }) => name)).toStrictEqual([...both.fields.map(({ name }) => name), "W2"]);
    expect(new Set(again.fields.map(({ id }) => id)).size).toBe(again.fields.length);
  });

  it("has groups that grow at their ends", () => {
    const [before, after] = [createVocabulary(old.fields), createVocabulary(both.fields)];
    for (const group of ["band", "property"] as const) {
      const kept = after.groups[group].subarray(0, before.groups[group].length);
      expect(kept).toStrictEqual(before.groups[group]);
    }
    expect(after.groups.band.at(-1)).toBe(old.fields.length);
    expect(after.slot[old.fields.length]).toBe(before.groups.band.length);
  });

  it("refuses a field that means something else", () => {
    const toy = surveyOfFields(toyFields);
    const other = (changes: Partial<Field>): ReturnType<typeof surveyOfFields> =>
      surveyOfFields(toyFields.map((field) => (field.name === "MASS" ? ({ ...field, ...changes } as Field) : field)));
    expect(() => growSurvey(toy, other({ kind: "linear" }), new Set())).toThrow(
      "toy: field MASS is linear, in the checkpoint log; another field needs another name",
    );
    expect(() => growSurvey(toy, other({ unit: "mag" }), new Set())).toThrow('is in "mag", in the checkpoint in "dex"');
    const moved = surveyOfFields(
      toyFields.map((field) =>
        field.name === "N1" ? ({ ...field, band: { ...field.band!, pivot: 4500 } } as Field) : field,
      ),
    );
    expect(() => growSurvey(toy, moved, new Set())).toThrow("field N1 is at 4500 Angstrom, in the checkpoint at 4000");
  });
});
