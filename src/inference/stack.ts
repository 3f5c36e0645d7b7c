import { writeFileAtomic } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { writeTable } from "../io/formats.ts";
import type { Column, Table } from "../io/table.ts";
import { stemOf } from "../io/table-name.ts";
import { figures } from "../report/figures.ts";
import { renderPng } from "../report/svg.ts";
import { fieldAxis } from "../report/axis.ts";
import type { Field } from "../survey/field.ts";
import { counted } from "../text.ts";
import { perUnit } from "./answers.ts";
import type { Stack } from "./grid.ts";

/**
 * The stacked distribution as a table: the field, `n` [galaxies per unit] and `n_err`. With N galaxies drawn at random from
 * all that there are, N itself being random, the variance of the sum is the sum of the squares.
 */
function stackTable({ grid, sum, squares, rowCount }: Stack, field: Field, metadata: Table["metadata"]): Table {
  const density = field.unit === "" ? {} : { unit: perUnit(field.unit) };
  const column = (name: string, data: Float64Array, description: string, unit: { unit?: string }): Column => {
    return { name, type: "float64", width: 1, data, description, ...unit };
  };
  return {
    rowCount: grid.at.length,
    columns: [
      column(field.name, grid.at, field.description, field.unit === "" ? {} : { unit: field.unit }),
      column("n", sum, `sum of the posterior densities of ${counted(rowCount, "galaxy", "galaxies")}`, density),
      column("n_err", squares.map(Math.sqrt), "1 sigma sampling error of the sum: root of the sum of squares", density),
    ],
    metadata: {
      ...metadata,
      galaxies: String(rowCount),
      note:
        "a sum of posteriors is the distribution of the sample where that is like the training set, whose own " +
        "distribution is otherwise mixed into it",
    },
  };
}

/**
 * Writes the stacked distribution beside an output, `<stem>-stacked-<FIELD>.ecsv`, and its figure (.png). Returns the
 * table's path.
 */
export async function writeStack(
  out: string,
  stack: Stack,
  field: Field,
  metadata: Table["metadata"],
): Promise<string> {
  const stem = `${stemOf(out)}-stacked-${field.name}`;
  const table = stackTable(stack, field, metadata);
  await writeTable(`${stem}.ecsv`, { schema: table.columns.map(schemaOf), metadata: table.metadata }, [table]);
  const { svg } = figures.stack.draw({
    axis: fieldAxis(field),
    at: stack.grid.at,
    sum: stack.sum,
    error: stack.squares.map(Math.sqrt),
    rowCount: stack.rowCount,
  });
  await writeFileAtomic(`${stem}.png`, renderPng(svg));
  return `${stem}.ecsv`;
}
