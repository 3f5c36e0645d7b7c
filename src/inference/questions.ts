import { UserError } from "../errors.ts";
import { flagsOf, knownFields } from "../survey/field-list.ts";
import { ANSWERED_QUESTIONS, DEFAULT_QUESTIONS, SPECTRUM_QUESTIONS } from "../survey/highlights.ts";
import type { Survey } from "../survey/survey.ts";
import { isAskable } from "../survey/field.ts";
import type { Question } from "./evaluate.ts";

/**
 * The survey's questions, but for those that leave nothing given or nothing wanted in this vocabulary, or are one of
 * those before; `say` is told which. Whole spectra are asked of networks that answer them.
 */
export function questionsOf(survey: Survey, answersSpectra: boolean, say: (line: string) => void): Question[] {
  const { fields } = survey;
  const questions = new Map<string, Question>();
  const ofSpectra = fields.some(({ kind }) => kind === "spectrum") ? SPECTRUM_QUESTIONS : [];
  const answered = answersSpectra ? ANSWERED_QUESTIONS : [];
  const own = survey.file.questions ?? DEFAULT_QUESTIONS;
  const standard = new Set([...own, ...survey.questions, ...ofSpectra, ...answered]);
  for (const { title, given, want } of standard) {
    const all = knownFields(want, fields);
    const isAsked = (j: number): boolean => isAskable(fields[j]) || answersSpectra;
    const asked = all.filter(isAsked);
    const some = knownFields(given, fields).filter((j) => !all.includes(j));
    const key = [...some.toSorted((a, b) => a - b), "want", ...asked.toSorted((a, b) => a - b)].join();
    const same = questions.get(key)?.title;
    const none = asked.length === 0 ? "nothing is wanted" : some.length === 0 ? "nothing is given" : undefined;
    const why = none ?? (same === undefined ? undefined : `it is "${same}"`);
    if (why !== undefined) {
      const of = all.length > 0 && asked.length === 0 ? "answers" : "fields";
      say(`question "${title}" not asked: ${why} among the network's ${of}`);
      continue;
    }
    const wanted = asked.filter((j) => isAskable(fields[j]));
    const spectra = asked.filter((j) => !isAskable(fields[j]));
    questions.set(key, {
      title,
      isGiven: flagsOf(some, fields.length),
      wanted,
      ...(spectra.length === 0 ? {} : { spectra }),
    });
  }
  if (questions.size > 0) return [...questions.values()];
  throw new UserError(`${survey.path}: no question to ask; expected \`questions\` that give and want fields it has`);
}
