import type { Column } from "../io/table.ts";
import type { Catalog } from "../survey/catalog.ts";
import { explain } from "./answers.ts";
import type { Draws, Wish } from "./derived.ts";
import { derivedColumns } from "./derived-columns.ts";
import { drawTogether } from "./light-draws.ts";
import type { Answerer } from "./methods.ts";
import type { Answers } from "./predict.ts";

/** Joint draws behind derived quantities where the request does not say: medians are then known to 9 % of a sigma. */
export const USUAL_DRAWS = 200;

/** What is to be drawn of every galaxy. */
export interface JointRequest {
  readonly predictor: Answerer;
  readonly isGiven: Uint8Array;
  readonly wish: Wish;
  /** Draws to write of every wanted field. */
  readonly samples: number;
  /** Draws behind derived quantities. */
  readonly draws: number;
  readonly seed: string;
}

/** The first `samples` of `draws` draws of every wanted field, as array columns `<FIELD>_samples`. */
function sampleColumns(
  { wish: { wanted }, samples }: JointRequest,
  { fields, rowCount }: Catalog,
  { together, values, draws }: Draws,
): Column[] {
  const n = together.length;
  return wanted.map((j) => {
    const w = together.indexOf(j);
    const { name, unit } = fields[j];
    const data = Float32Array.from({ length: rowCount * samples }, (_, i) => {
      const draw = Math.floor(i / samples) * draws + (i % samples);
      return values[draw * n + w];
    });
    const description = explain(fields[j], "joint samples of the posterior");
    const base = { name: `${name}_samples`, type: "float32", width: samples, data, description } as const;
    return unit === "" ? base : { ...base, unit };
  });
}

/**
 * Columns that come of joint draws: `<FIELD>_samples` and what derived quantities are, from the same draws; `onRows` is told
 * how many galaxies have theirs. Nothing is drawn where nothing asks for it.
 */
export async function jointColumns(
  request: JointRequest,
  { catalog, answers }: { readonly catalog: Catalog; readonly answers: Answers },
  onRows: (done: number) => void,
): Promise<Column[]> {
  const { predictor, isGiven, wish, samples, seed } = request;
  const draws = wish.derived.length === 0 ? samples : Math.max(samples, request.draws);
  if (draws === 0) return [];
  const own = samples === 0 ? [...new Set(wish.derived.flatMap(({ needs }) => needs))] : wish.together;
  const drawn = await drawTogether({ quantities: wish.derived, own, catalog, isGiven, draws, seed }, (wanted, rngOf) =>
    predictor.draw({ catalog, isGiven, wanted }, answers, draws, rngOf, onRows),
  );
  return [...(samples === 0 ? [] : sampleColumns(request, catalog, drawn)), ...derivedColumns(wish.derived, drawn)];
}
