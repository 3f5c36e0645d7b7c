import { join } from "node:path";
import { UserError } from "../errors.ts";
import { type Budget, type BudgetMethod, type BudgetRequest, budgetScore, labelBudget } from "../inference/budget.ts";
import { budgetReport } from "../inference/budget-report.ts";
import { judgeOf } from "../inference/budget-scores.ts";
import { writeFileAtomic } from "../io/atomic.ts";
import { didYouMean } from "../io/nearest.ts";
import { renderReport } from "../report/html.ts";
import { number } from "../text.ts";
import { wayNames, type WayName } from "../train/ways.ts";
import { printTable, say } from "./terminal.ts";

/** `0,100,all` as numbers. @throws UserError for what is none. */
export function budgetsFrom(text: string): readonly number[] {
  const budgets = text.split(",").map((word) => (word.trim() === "all" ? Infinity : Number(word)));
  if (text.trim() === "" || budgets.some((n) => !(n === Infinity || (Number.isInteger(n) && n >= 0)))) {
    throw new UserError(`--budget ${text}: expected numbers of labels, e.g. --budget 0,100,1000,all`);
  }
  return [...new Set(budgets)].sort((a, b) => a - b);
}

/** `lowRank,folds` as ways; undefined: the usual ones. @throws UserError for what is none. */
export function waysFrom(text: string | undefined): readonly WayName[] | undefined {
  return text?.split(",").map((word) => {
    const name = word.trim();
    const found = wayNames.find((own) => own === name);
    if (found !== undefined) return found;
    throw new UserError(
      `--ways ${name}: unknown${didYouMean(name, wayNames)}; expected some of ${wayNames.join(", ")}`,
    );
  });
}

/** Every method at every budget: the median over the seeds. */
function printBudget(budget: Budget): void {
  const { cells, field, kind, rows } = budget;
  const { shown } = judgeOf(kind);
  const wanted = [...new Set(cells.map((cell) => cell.budget))];
  say(`\n  ${field} given all bands, ${rows} rows that no network saw; medians over seeds, with 95 % intervals:`);
  const lines = wanted.flatMap((labels) => {
    const own = cells.filter((cell) => cell.budget === labels);
    const methods = new Set(own.flatMap(({ scores }) => Object.keys(scores) as BudgetMethod[]));
    const chosen = [...new Set(own.map((cell) => cell.chosen))].join(", ");
    return [...methods].map((method) => [
      labels === null ? `all (${own[0].labels})` : String(labels),
      method === "chosen" ? `chosen: ${chosen}` : method,
      ...shown.map(({ name }) => {
        const score = budgetScore(budget, labels, method, name);
        return score === undefined ? "" : `${number(score.value)} [${number(score.low)}, ${number(score.high)}]`;
      }),
    ]);
  });
  printTable(["labels", "method", ...shown.map(({ title }) => title)], lines);
  for (const { budget: labels, seed, population } of cells) {
    if (population?.shift === undefined) continue;
    const { chiSquare, freedom, p } = population.shift;
    say(
      `  ${labels ?? "all"} labels, seed ${seed}: mean answers for the target's rows and for simulated ones differ by chi-square ${number(chiSquare)}, ${freedom} degrees of freedom (p ${number(p)})`,
    );
  }
}

/** `adapt --budget`: the table on the terminal, as JSON, and as a page. */
export async function budgetAndShow(request: BudgetRequest): Promise<void> {
  const budget = await labelBudget(request);
  printBudget(budget);
  const page = join(request.out, "budget.html");
  await writeFileAtomic(page, renderReport(budgetReport(budget)));
  say(`  ${join(request.out, "budget.json")}, ${page}`);
}
