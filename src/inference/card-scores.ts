/** Scores of an evaluation as a table of a model card. */
import { basename } from "node:path";
import { UserError } from "../errors.ts";
import { readWholeText } from "../io/text.ts";
import { number } from "../text.ts";
import type { Evaluation, QuestionResult } from "./evaluation.ts";
import { type FieldScore, metrics } from "./metrics.ts";

const percent = (share: number): string => String(Math.round(100 * share));

/** One number for each of `names`, where the question has it. */
function each<T>(names: readonly string[], of: Readonly<Record<string, T>>, say: (one: T) => string): string {
  return names.map((name) => (of[name] === undefined ? "-" : say(of[name]))).join(" / ");
}

/** Width and wings of a method's redshifts, if it has any. */
function redshifts(field: string | undefined, scores: QuestionResult["scores"], method: string): string {
  const score = field === undefined ? undefined : scores[field]?.[method];
  if (score?.sigmaNmad === undefined || score.outlier03 === undefined) return "-";
  return `${number(score.sigmaNmad.value)} / ${percent(score.outlier03.value)} %`;
}

/** @throws UserError for what is no evaluation. */
function parse(text: string, path: string): Evaluation {
  let parsed: Partial<Evaluation> | null = null;
  try {
    parsed = JSON.parse(text) as Partial<Evaluation> | null;
  } catch {
    // told below
  }
  if (Object.keys(parsed?.questions ?? {}).length === 0) {
    throw new UserError(`${path}: no scores here; expected metrics.json of caleido evaluate`);
  }
  return parsed as Evaluation;
}

/**
 * A section in Markdown from `metrics.json` of `evaluate`: question by question, the redshift of the network (and of the
 * library, where it was asked), and for all fields of the first question CRPS, that above the library's, and coverage.
 * @throws UserError for a file that is no such.
 */
export async function scoresForCard(path: string): Promise<string> {
  const { questions, rows, table } = parse(await readWholeText(path, "metrics.json of caleido evaluate"), path);
  const [first] = Object.values(questions);
  const names = Object.keys(first.scores);
  const led = names.find((name) => first.scores[name].caleido?.outlier03 !== undefined);
  const hasLibrary = Object.values(questions).some(({ gaps }) => gaps !== undefined);
  const own = ({ scores }: QuestionResult): Record<string, FieldScore> =>
    Object.fromEntries(names.flatMap((name) => (scores[name] === undefined ? [] : [[name, scores[name].caleido]])));
  const fields = names.join(" / ");
  const wings = `${led}: ${metrics.sigmaNmad.title} / ${metrics.outlier03.title}`;
  const columns: { title: string; cell: (question: QuestionResult) => string }[] = [
    ...(hasLibrary
      ? [{ title: `library, ${wings}`, cell: (q: QuestionResult) => redshifts(led, q.scores, "library") }]
      : []),
    { title: `network, ${wings}`, cell: (q) => redshifts(led, q.scores, "caleido") },
    {
      title: `${metrics.crps.title}, ${fields}`,
      cell: (q) => each(names, own(q), ({ crps }) => number(crps?.value ?? Number.NaN)),
    },
    ...(hasLibrary
      ? [
          {
            title: `above the library's [%]`,
            cell: (q: QuestionResult) => each(names, q.gaps ?? {}, ({ crps }) => percent(crps.value)),
          },
        ]
      : []),
    {
      title: `68 % intervals cover [%]`,
      cell: (q) => each(names, own(q), ({ coverage68 }) => percent(coverage68?.value ?? Number.NaN)),
    },
  ];
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    "## Scores",
    "",
    `${rows.toLocaleString("en-US")} galaxies of \`${basename(table)}\`${hasLibrary ? "; the library is the exact answer of clean simulated galaxies" : ""}.`,
    "",
    line(["given", ...columns.map(({ title }) => title.replaceAll("|", "\\|"))]),
    line(["given", ...columns].map(() => "---")),
    ...Object.entries(questions).map(([given, question]) =>
      line([given, ...columns.map(({ cell }) => cell(question))]),
    ),
  ].join("\n");
}
