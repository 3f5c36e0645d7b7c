import { Tokenizer } from "@huggingface/tokenizers";
import { UserError } from "../errors.ts";
import type { Field } from "../survey/field.ts";

/** Special tokens come first; their ids never change. */
export const specialTokens = ["[PAD]", "[UNK]", "[NULL]", "[SCALE]", "[ANSWER]"] as const;

/**
 * The vocabulary as a Hugging Face `tokenizer.json` (WordLevel model, white-space pre-tokenizer): one word per field.
 * It grows append-only: a new field takes the next free id.
 */
export function writeTokenizerJson(fields: readonly Field[]): string {
  const vocab = Object.fromEntries([
    ...specialTokens.map((word, id): [string, number] => [word, id]),
    ...fields.map(({ name, id }): [string, number] => [name, specialTokens.length + id]),
  ]);
  const added = specialTokens.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  return `${JSON.stringify(
    {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: null,
      pre_tokenizer: { type: "WhitespaceSplit" },
      post_processor: null,
      decoder: null,
      model: { type: "WordLevel", vocab, unk_token: "[UNK]" },
    },
    null,
    2,
  )}\n`;
}

/**
 * Reads `tokenizer.json` back and checks that it names exactly the checkpoint's fields, in order.
 * @throws UserError naming the first field that differs.
 */
export function checkTokenizerJson(text: string, fields: readonly Field[], path: string): void {
  let tokenizer: Tokenizer;
  try {
    tokenizer = new Tokenizer(JSON.parse(text) as object, { unk_token: "[UNK]" });
  } catch (error) {
    throw new UserError(`${path}: not a tokenizer.json (${(error as Error).message}); expected a WordLevel vocabulary`);
  }
  const names = fields.map((field) => field.name);
  const { ids } = tokenizer.encode(names.join(" "), { add_special_tokens: false });
  names.forEach((name, j) => {
    const expected = specialTokens.length + fields[j].id;
    if (ids[j] !== expected) {
      const found = tokenizer.id_to_token(expected) ?? "nothing";
      throw new UserError(
        `${path}: the vocabulary doesn't match the checkpoint: id ${expected} is ${found}, expected ${name}`,
      );
    }
  });
}
