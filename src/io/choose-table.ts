import { UserError } from "../errors.ts";
import type { ColumnSchema, TablePick } from "./table.ts";

/** One of the tables of a file. */
export interface TableChoice {
  /** Number that the format counts it by. */
  readonly index: number;
  readonly name: string;
  /** Undefined where its columns cannot be read. */
  readonly schema: readonly ColumnSchema[] | undefined;
  readonly rowCount: number | undefined;
}

const label = ({ index, name }: TableChoice): string => (name === "" ? String(index) : `${index} ${name}`);

/** What stands in brackets behind the file's name: names can occur twice, numbers cannot. */
function handle(choice: TableChoice, choices: readonly TableChoice[]): string {
  const isOnly = choice.name !== "" && choices.filter(({ name }) => name === choice.name).length === 1;
  return isOnly ? choice.name : String(choice.index);
}

function findNamed(path: string, choices: readonly TableChoice[], wanted: string): TableChoice {
  const upper = wanted.toUpperCase();
  const named = choices.filter(({ name }) => name.toUpperCase() === upper);
  const list = choices.map(label).join(", ");
  if (named.length > 1) {
    throw new UserError(`${path}: ${named.length} tables are named "${wanted}", expected a number; it has ${list}`);
  }
  const found = named[0] ?? choices.find(({ index }) => String(index) === wanted);
  if (found) return found;
  throw new UserError(`${path}: no table "${wanted}", expected one of ${list || "none"}`);
}

/** Below, at, or above zero as `a` is less than, like, or more than `b`: the first numbers that differ decide. */
function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : a[at] - b[at];
}

function findBest(path: string, choices: readonly TableChoice[], { score }: TablePick): TableChoice {
  const filled = choices.filter(({ rowCount }) => rowCount !== 0);
  const some = filled.length > 0 ? filled : choices;
  if (!score) return some[0];
  const scores = some.map(({ schema }) => (schema === undefined ? [-1] : score(schema)));
  const most = scores.reduce((best, each) => (compare(each, best) > 0 ? each : best));
  const best = some.filter((_, i) => compare(scores[i], most) === 0);
  if (best.length > 1 && most.some((count) => count > 0)) {
    throw new UserError(
      `${path}: tables ${best.map(label).join(" and ")} have as many of the wanted columns, ` +
        `expected one: choose with --hdu, or ${path}[${handle(best[0], choices)}]`,
    );
  }
  return best[0];
}

export interface ChosenTable {
  readonly choice: TableChoice;
  /** Path in messages, with the table in brackets where there are several. */
  readonly shown: string;
  /** Which was read of several, and which were not. */
  readonly notes: readonly string[];
}

/**
 * Chooses one of the tables of a file: the one that is named, else the one of the highest score, else the first that has rows.
 * @throws UserError for a name that none has, or that several have, and where several have the highest score.
 */
export function chooseTable(path: string, choices: readonly TableChoice[], pick: TablePick = {}): ChosenTable {
  const choice = pick.name === undefined ? findBest(path, choices, pick) : findNamed(path, choices, pick.name);
  if (choices.length === 1) return { choice, shown: path, notes: [] };
  const others = choices.filter((each) => each !== choice);
  const way = `${path}[${handle(others[0], choices)}]`;
  return {
    choice,
    shown: `${path}[${handle(choice, choices)}]`,
    notes: [`table ${label(choice)} is read, not ${others.map(label).join(", ")} (--hdu or e.g. ${way} reads another)`],
  };
}
