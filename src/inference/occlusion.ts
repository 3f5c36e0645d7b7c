import type { Distribution } from "../model/distribution.ts";
import { allRows, type Catalog, select } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { edgesOf } from "../survey/spectrum-grid.ts";
import { fieldDistribution } from "./field-answer.ts";
import type { Respondent } from "./predict.ts";

/** Which wavelengths an answer rests on: each is hidden in turn (occlusion; Zeiler & Fergus 2014, arXiv:1311.2901). */

export interface Occlusion {
  /** The band, or the spectrum and its window. */
  readonly name: string;
  /** Where it begins and ends [Angstrom]: a band's half-peak wavelengths, a window's edges in vacuum. */
  readonly from: number;
  readonly to: number;
  /** Mean without it less mean with it, in standard deviations of the answer with it; of a category, probability of the likeliest class. */
  readonly shift: number;
  /** Kullback and Leibler's divergence of the answer without it from the one with it, sum p_with ln(p_with / p_without) [nats]. */
  readonly divergence: number;
}

/** Windows of a spectrum, even in the logarithm of wavelength. */
const WINDOWS = 32;
/** Levels of the answer at which densities are compared. */
const LEVELS = Float64Array.from({ length: 256 }, (_, i) => (i + 0.5) / 256);
/** ln of a density that is as good as none. */
const NOWHERE = -100;

/** Something to hide, and how it is hidden in row `row` of a catalogue. */
interface Piece extends Pick<Occlusion, "name" | "from" | "to"> {
  readonly hide: (catalog: Catalog, row: number) => void;
}

/** Windows of a spectrum with an observed pixel. */
function windowsOf(field: Field, catalog: Catalog, row: number): Piece[] {
  const column = catalog.arrays?.get(field.name);
  if (field.kind !== "spectrum" || column === undefined) return [];
  const { width } = column;
  const edges = edgesOf(field.grid);
  return Array.from({ length: WINDOWS }, (_, k) => {
    const [first, end] = [k, k + 1].map((edge) => Math.round((edge * width) / WINDOWS));
    return { first, end };
  }).flatMap(({ first, end }): Piece[] => {
    if (!column.ivar.subarray(row * width + first, row * width + end).some((ivar) => ivar > 0)) return [];
    const [from, to] = [edges[first], edges[end]];
    return [
      {
        name: `${field.name} ${Math.round(from)}-${Math.round(to)} A`,
        from,
        to,
        hide({ arrays }, at) {
          const own = arrays!.get(field.name)!;
          own.value.fill(0, at * width + first, at * width + end);
          own.ivar.fill(0, at * width + first, at * width + end);
        },
      },
    ];
  });
}

/** What is given of a row and has a wavelength. */
function piecesOf(catalog: Catalog, row: number, isGiven: Uint8Array): Piece[] {
  const n = catalog.fields.length;
  return catalog.fields.flatMap((field, j): Piece[] => {
    if (isGiven[j] === 0 || catalog.state[row * n + j] === State.notObserved) return [];
    if (field.band === undefined) return windowsOf(field, catalog, row);
    const [from, to] = field.band.edges;
    return [{ name: field.name, from, to, hide: ({ state }, at) => void (state[at * n + j] = State.notObserved) }];
  });
}

/** What row 0 of the answers says that row `at` doesn't. */
function compare(answer: Distribution, at: number, classes: number | undefined): { shift: number; divergence: number } {
  const log = (row: number, v: number): number => Math.max(NOWHERE, answer.logDensity(row, v));
  if (classes !== undefined) {
    const each = Array.from({ length: classes }, (_, k) => [log(0, k), log(at, k)] as const);
    const [[own, other]] = each.toSorted((a, b) => b[0] - a[0]);
    const divergence = each.reduce((sum, [p, q]) => sum + Math.exp(p) * (p - q), 0);
    return { shift: Math.exp(other) - Math.exp(own), divergence };
  }
  const values = new Float64Array(LEVELS.length);
  answer.quantiles(0, LEVELS, values);
  const divergence = values.reduce((sum, v) => sum + (log(0, v) - log(at, v)) / values.length, 0);
  const [whole, part] = [answer.moments(0), answer.moments(at)];
  return { shift: (part.mean - whole.mean) / whole.std, divergence };
}

/**
 * Hides each band, or window of a spectrum, that is given of galaxy `row` and asks for field `wanted` again, which is never
 * given. Ordered by wavelength; bands that tell the same stand in for each other, so each may matter little.
 * The divergence is an average over quantiles of the answer.
 */
export async function occlude(
  { coder, predict }: Respondent,
  catalog: Catalog,
  row: number,
  isGiven: Uint8Array,
  wanted: number,
): Promise<Occlusion[]> {
  const given = isGiven.map((flag, j) => (j === wanted ? 0 : flag));
  const pieces = piecesOf(catalog, row, given);
  const copies = select(catalog, new Int32Array(pieces.length + 1).fill(row));
  pieces.forEach(({ hide }, i) => hide(copies, i + 1));
  const answers = await predict(copies, allRows(copies), given, [wanted]);
  const answer = fieldDistribution(coder, answers, 0);
  const field = catalog.fields[wanted];
  const classes = field.kind === "category" ? field.classes.length : undefined;
  return pieces
    .map(({ name, from, to }, i) => ({ name, from, to, ...compare(answer, i + 1, classes) }))
    .sort((a, b) => a.from + a.to - b.from - b.to);
}
