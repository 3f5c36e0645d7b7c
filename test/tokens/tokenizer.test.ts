import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { checkTokenizerJson, specialTokens, writeTokenizerJson } from "../../src/tokens/tokenizer.ts";
import { toyFields } from "../helpers/toy.ts";

const text = writeTokenizerJson(toyFields);

describe("tokenizer.json", () => {
  it("is read by the Hugging Face library: ids in order behind the special tokens", () => {
    const tokenizer = new Tokenizer(JSON.parse(text) as object, { unk_token: "[UNK]" });
    const { ids } = tokenizer.encode("UV N1 nonsense", { add_special_tokens: false });
    expect(ids).toStrictEqual([specialTokens.length + 5, specialTokens.length, specialTokens.indexOf("[UNK]")]);
    expect(tokenizer.id_to_token(0)).toBe("[PAD]");
  });

  it("passes for its own fields, also those of a whole survey", () => {
    const { fields } = loadSurvey("minijpas");
    expect(() => checkTokenizerJson(text, toyFields, "t")).not.toThrow();
    expect(() => checkTokenizerJson(writeTokenizerJson(fields), fields, "t")).not.toThrow();
  });

  it("only grows: a new field leaves all ids as they were", () => {
    expect(() => checkTokenizerJson(text, toyFields.slice(0, -1), "t")).not.toThrow();
  });

  it.each([
    ["renamed", toyFields.with(2, { ...toyFields[2], name: "N9" }), /t: .* id 7 is N3, expected N9$/],
    [
      "swapped",
      toyFields.with(0, { ...toyFields[1], id: 0 }).with(1, { ...toyFields[0], id: 1 }),
      /t: .* id 5 is N1, expected N2$/,
    ],
    ["longer", [...toyFields, { ...toyFields[9], id: 10, name: "NEW" }], /t: .* id 15 is nothing, expected NEW$/],
  ] as const)("names the first field that differs: %s", (_what, fields, message) => {
    expect(() => checkTokenizerJson(text, fields, "t")).toThrow(message);
    expect(() => checkTokenizerJson(text, fields, "t")).toThrow(UserError);
  });

  it.each(["", "{", "{}", "[]", "null", '{"model": {"type": "WordLevel"}}'])("refuses %s in one line", (damaged) => {
    const check = (): void => checkTokenizerJson(damaged, toyFields, "a/tokenizer.json");
    expect(check).toThrow(UserError);
    expect(check).toThrow(/^a\/tokenizer\.json: [^\n]*$/);
  });
});
