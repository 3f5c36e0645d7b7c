/** What is looked at of a few galaxies beside the scores: whether joint answers agree, and what kinds of observations tell. */
import type { AdviceData } from "../report/figure-advice.ts";
import { figures } from "../report/figures.ts";
import type { Figure } from "../report/svg.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { Field } from "../survey/field.ts";
import { type Advice, adviceOf } from "./advice.ts";
import { type Consistency, orderConsistency } from "./consistency.ts";
import type { Question } from "./evaluate.ts";
import { type Predictor, withoutWanted } from "./predict.ts";

/** Of the main question, on few galaxies. */
export interface Insight {
  /** By the names of two fields, of the headline and of lines. */
  readonly consistency: Readonly<Record<string, Consistency>>;
  /**
   * What each group of bands tells of the headline beyond the rest of what is given, and what lines would tell beyond all of
   * it; with what it told, where the table has it.
   */
  readonly advice: readonly Advice[];
}

/** Galaxies whose joint answers are compared, and those of the advice, with the draws of each. */
const [PAIR_ROWS, ADVICE_ROWS, ADVICE_DRAWS] = [256, 12, 16] as const;
/** Divergence up to which two orders count as the same [nats per field]. */
const LIMIT = 0.02;
/** Most bands that are looked at together: longer groups are parted by wavelength. */
const MOST_TOGETHER = 18;

/** Evenly spaced rows, at most `most`. */
export function thin(rows: Int32Array, most: number): Int32Array {
  if (rows.length <= most) return rows;
  return Int32Array.from({ length: most }, (_, i) => rows[Math.floor((i * rows.length) / most)]);
}

const pairsOf = (columns: readonly number[]): (readonly [number, number])[] =>
  columns.flatMap((a, i) => columns.slice(i + 1).map((b) => [a, b] as const));

/** Pairs of numbers asked: of the headline, and of lines. */
function askedPairs(fields: readonly Field[], wanted: readonly number[], headline: readonly string[]) {
  const others = ["category", "spectrum", "image"];
  const numbers = wanted.filter((j) => fields[j].band === undefined && !others.includes(fields[j].kind));
  const led = pairsOf(numbers.filter((j) => headline.includes(fields[j].name)));
  const lines = pairsOf(numbers.filter((j) => fields[j].kind === "ew"));
  return [...led, ...lines.filter(([a, b]) => !led.some(([c, d]) => a === c && b === d))];
}

/** Fields that are observed together. */
interface Group {
  readonly name: string;
  readonly fields: readonly number[];
}

/** Bands that are given, group by group in order of wavelength, and lines that are not. */
function groupsOf(fields: readonly Field[], isGiven: Uint8Array, wanted: readonly number[]): Group[] {
  const bands = fields.flatMap(({ band }, j) => (band !== undefined && isGiven[j] === 1 ? [j] : []));
  const pivot = (j: number): number => fields[j].band!.pivot;
  const groups = [...new Set(bands.map((j) => fields[j].band!.group))].flatMap((name): Group[] => {
    const own = bands.filter((j) => fields[j].band!.group === name).toSorted((a, b) => pivot(a) - pivot(b));
    const parts = Math.ceil(own.length / MOST_TOGETHER);
    if (parts === 1) return [{ name, fields: own }];
    return Array.from({ length: parts }, (_, p) => {
      const some = own.slice(Math.round((p * own.length) / parts), Math.round(((p + 1) * own.length) / parts));
      return {
        name: `${name}, ${Math.round(pivot(some[0]))}–${Math.round(pivot(some[some.length - 1]))} Å`,
        fields: some,
      };
    });
  });
  const lines = fields.flatMap(({ kind }, j) => (kind === "ew" && isGiven[j] === 0 && !wanted.includes(j) ? [j] : []));
  return lines.length === 0 ? groups : [...groups, { name: "lines", fields: lines }];
}

/** Advice on every group by itself, the most telling first. */
async function advisedGroups(
  predictor: Predictor,
  catalog: Catalog,
  rows: Int32Array,
  question: Question,
  headline: readonly string[],
  seed: string,
): Promise<Advice[]> {
  const { fields } = predictor.coder;
  const wanted = question.wanted.filter((j) => headline.includes(fields[j].name) && fields[j].kind !== "category");
  if (wanted.length === 0) return [];
  const isGiven = withoutWanted(question.isGiven, question.wanted);
  const errors = fields.map(() => undefined);
  const advice: Advice[] = [];
  for (const group of groupsOf(fields, isGiven, wanted)) {
    const asked = {
      isGiven: withoutWanted(isGiven, group.fields),
      wanted,
      candidates: [group],
      draws: ADVICE_DRAWS,
      errors,
      seed,
    };
    advice.push(...(await adviceOf(predictor, catalog, thin(rows, ADVICE_ROWS), asked)));
  }
  return wanted.flatMap((j) =>
    advice.filter((one) => one.wanted === fields[j].name).toSorted((a, b) => b.gain - a.gain),
  );
}

/** Looks at a few of the rows of a question's galaxies, under the training set's prior. */
export async function insightOf(
  predictor: Predictor,
  catalog: Catalog,
  rows: Int32Array,
  question: Question,
  { headline, seed }: { readonly headline: readonly string[]; readonly seed: string },
): Promise<Insight> {
  const { fields } = predictor.coder;
  const pairs = askedPairs(fields, question.wanted, headline);
  const given = withoutWanted(question.isGiven, question.wanted);
  return {
    consistency: await orderConsistency(predictor, catalog, thin(rows, PAIR_ROWS), given, pairs, seed),
    advice: await advisedGroups(predictor, catalog, rows, question, headline, seed),
  };
}

/** Figures of both; none of what was not asked. */
export function insightFigures({ consistency, advice }: Insight, fields: readonly Field[], rows: number): Figure[] {
  const pairs = Object.entries(consistency).map(([name, one]) => ({ name, ...one }));
  const joint =
    pairs.length === 0 ? [] : [figures.consistency.draw({ pairs, rows: Math.min(rows, PAIR_ROWS), limit: LIMIT })];
  const advised = [...new Set(advice.map(({ wanted }) => wanted))].map((name) => {
    const own = advice.filter(({ wanted }) => wanted === name);
    const bars = own.map(({ candidate, realised, ...rest }): AdviceData["bars"][number] => ({
      ...rest,
      name: candidate,
      group: candidate === "lines" ? "lines" : "bands",
      ...(realised === undefined ? {} : { realised: { gain: realised.gain, error: realised.gainError } }),
    }));
    const { unit } = fields.find((field) => field.name === name)!;
    return figures.advice.draw({
      wanted: name,
      unit,
      widthNow: Number.NaN,
      beyond: "the rest of what is given",
      rows: Math.max(...own.map((one) => one.rows)),
      bars,
    });
  });
  return [...joint, ...advised];
}
