import { UserError } from "../errors.ts";
import { flagsOf, knownFields } from "../survey/field-list.ts";
import { DEFAULT_QUESTIONS, SPECTRUM_QUESTIONS } from "../survey/highlights.ts";
import type { Survey } from "../survey/survey.ts";
import type { Question } from "./evaluate.ts";

/**
 * The survey's questions, but for those that leave nothing given or nothing wanted in this vocabulary, or are one of
 * those before; `say` is told which.
 */
export function questionsOf(survey: Survey, say: (line: string) => void): Question[] {
  const { fields } = survey;
  const questions = new Map<string, Question>();
  const ofSpectra = fields.some(({ kind }) => kind === "spectrum") ? SPECTRUM_QUESTIONS : [];
  const standard = new Set([...(survey.file.questions ?? DEFAULT_QUESTIONS), ...survey.questions, ...ofSpectra]);
  for (const { title, given, want } of standard) {
    const wanted = knownFields(want, fields);
    const some = knownFields(given, fields).filter((j) => !wanted.includes(j));
    const key = [...some.toSorted((a, b) => a - b), "want", ...wanted.toSorted((a, b) => a - b)].join();
    const same = questions.get(key)?.title;
    const none = wanted.length === 0 ? "nothing is wanted" : some.length === 0 ? "nothing is given" : undefined;
    const why = none ?? (same === undefined ? undefined : `it is "${same}"`);
    if (why === undefined) questions.set(key, { title, isGiven: flagsOf(some, fields.length), wanted });
    else say(`question "${title}" not asked: ${why} among the network's fields`);
  }
  if (questions.size > 0) return [...questions.values()];
  throw new UserError(`${survey.path}: no question to ask; expected \`questions\` that give and want fields it has`);
}
