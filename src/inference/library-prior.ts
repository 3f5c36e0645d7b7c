/** Another prior than that of a library's own galaxies: each counts by how often its value is thought to be over how often it is there. */
import { UserError } from "../errors.ts";
import { normalCdf } from "../model/normal.ts";
import { placeOf } from "../model/numeric.ts";
import { counted } from "../text.ts";
import type { Library } from "./library.ts";
import { type Posterior, valuesOf } from "./library-posterior.ts";
import { linesThrough, type Prior } from "./prior.ts";

/** Rows that the library's own distribution is counted on. */
const MOST_COUNTED = 200_000;
/** Levels of the edges of its bins: as wide as each other where it is Gaussian, and the ends. */
const LEVELS = [0, ...Array.from({ length: 41 }, (_, i) => normalCdf(-3 + 0.15 * i)), 1];

/** How often values of a field are under the prior over how often they are in the library, up to a factor. */
export interface LibraryPrior {
  readonly field: number;
  readonly ratio: (x: number) => number;
}

/** @throws UserError for a population that is the network's, and a field that the library does not have. */
export function libraryPrior({ store, place, fields, has, path }: Library, prior: Prior): LibraryPrior {
  const { field, density, ratio: own, text } = prior;
  const { name } = fields[field];
  const refuse = (why: string): never => {
    throw new UserError(`--prior ${text}: ${why}`);
  };
  if (own !== undefined) refuse("a population of the network's; expected flat or a table with --method library");
  if (has[field] === 0) refuse(`the library ${path} has no ${name}`);
  const every = Math.ceil(store.rowCount / MOST_COUNTED);
  const row = new Float32Array(store.width);
  const values: number[] = [];
  for (let i = 0; i < store.rowCount; i += every) {
    store.row(i, row);
    if (!Number.isNaN(row[place[field]])) values.push(row[place[field]]);
  }
  const sorted = Float64Array.from(values).sort();
  const last = sorted.length - 1;
  const edges = Float64Array.from(new Set(LEVELS.map((level) => sorted[Math.round(level * last)])));
  const bins = edges.length - 1;
  if (bins < 2)
    refuse(`${name} is in ${counted(sorted.length, "row")} of the library, nearly all alike; expected a distribution`);
  // values that repeat make some bins hold more than others
  const count = new Float64Array(bins);
  for (const x of sorted) count[Math.min(bins - 1, placeOf(edges, x))] += 1;
  const middles = count.map((_, i) => 0.5 * (edges[i] + edges[i + 1]));
  const old = linesThrough(
    middles,
    count.map((rows, i) => rows / (edges[i + 1] - edges[i])),
  );
  const ratio = (x: number): number => {
    if (x < edges[0] || x > edges[bins]) return 0;
    return (density?.(x) ?? 1) / old(Math.min(Math.max(x, middles[0]), middles[bins - 1]));
  };
  return { field, ratio };
}

/**
 * A posterior under another prior. Rows without the field keep their weight relative to the mean of the others; where the prior
 * rules all rows out, the posterior is sparse and stays what it was.
 */
export function underLibraryPrior(library: Library, posterior: Posterior, { field, ratio }: LibraryPrior): Posterior {
  const [{ value }] = valuesOf(library, posterior, [field]);
  const ratios = Array.from(value, (x) => (Number.isNaN(x) ? Number.NaN : ratio(x)));
  const known = ratios.filter((r) => !Number.isNaN(r));
  const mean = known.reduce((sum, r) => sum + r, 0) / known.length;
  if (!(mean > 0)) return { ...posterior, isSparse: true };
  const weight = posterior.weight.map((w, i) => w * (Number.isNaN(ratios[i]) ? 1 : ratios[i] / mean));
  const sum = weight.reduce((total, w) => total + w, 0);
  const squares = weight.reduce((total, w) => total + w * w, 0);
  return { ...posterior, weight: weight.map((w) => w / sum), effectiveSize: (sum * sum) / squares };
}
