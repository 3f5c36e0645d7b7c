/** Light of galaxies, draw by draw: what is given with its errors, the rest as it was drawn together with the lines. */
import { createRng, type Rng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { Derived, Draws } from "./derived.ts";
import type { Light } from "./light.ts";

/** What light is made of. */
interface LightPlan {
  /** Column of the redshift. */
  readonly redshift: number;
  /** Columns of redshift and bands that are given: each galaxy's own value, within its error. */
  readonly given: readonly number[];
  /** Columns that have to be drawn with the lines: the redshift first. */
  readonly drawn: readonly number[];
}

const isFlux = (state: number): boolean => state === State.measured || state === State.nonDetection;

/**
 * What the light behind quantities is made of: the redshift as given, where all galaxies have it, and else drawn; bands as
 * given, where a galaxy has them, and drawn where none has. `together`: columns that are drawn anyway. Undefined where no quantity is of light.
 */
function planLight(
  quantities: readonly Derived[],
  catalog: Catalog,
  isGiven: Uint8Array,
  together: readonly number[],
): LightPlan | undefined {
  const from = Math.min(...quantities.map(({ lightFrom = Infinity }) => lightFrom));
  if (from === Infinity) return undefined;
  const { fields, rowCount, state } = catalog;
  const rows = Array.from({ length: rowCount }, (_, row) => row * fields.length);
  const redshift = fields.findIndex(({ kind }) => kind === "redshift");
  const isOwn = (j: number): boolean => isGiven[j] === 1 && !together.includes(j);
  const isKnown = isOwn(redshift) && rows.every((at) => state[at + redshift] === State.measured);
  const bands = fields.flatMap(({ band }, j) => (band !== undefined && band.pivot > from ? [j] : []));
  const given = bands.filter((j) => isOwn(j) && rows.some((at) => isFlux(state[at + j])));
  const drawn = bands.filter((j) => !given.includes(j));
  return {
    redshift,
    given: isKnown ? [redshift, ...given] : given,
    drawn: isKnown ? drawn : [redshift, ...drawn],
  };
}

/**
 * Light of draw i (galaxy times draws, plus the draw). Given values are drawn within their errors, from the stream of the
 * galaxy's own that `rngOf` makes; the same for every quantity. What is returned holds until the next galaxy is asked for.
 */
function lightOf(
  { redshift, given, drawn }: LightPlan,
  { fields, value, error, state }: Catalog,
  { draws, together, values }: Draws,
  rngOf: (row: number) => Rng,
): (i: number) => Light {
  const n = fields.length;
  const places = drawn.map((j) => [j, together.indexOf(j)] as const);
  const all = new Float64Array(draws * n);
  const errors = new Float64Array(n);
  let current = -1;
  const fill = (row: number): void => {
    const rng = rngOf(row);
    all.fill(Number.NaN);
    errors.fill(0);
    for (const j of given) {
      const at = row * n + j;
      if (!isFlux(state[at])) continue;
      errors[j] = error[at];
      for (let d = 0; d < draws; d++) all[d * n + j] = value[at] + error[at] * rng.normal();
    }
    for (const [j, w] of places) {
      for (let d = 0; d < draws; d++) all[d * n + j] = values[(row * draws + d) * together.length + w];
    }
    current = row;
  };
  return (i) => {
    const row = Math.floor(i / draws);
    if (row !== current) fill(row);
    const flux = all.subarray((i % draws) * n, ((i % draws) + 1) * n);
    return { z: flux[redshift], flux, error: errors };
  };
}

/** What is to be drawn of some galaxies. */
interface DrawRequest {
  readonly quantities: readonly Derived[];
  /** Columns that are drawn whatever the quantities are of. */
  readonly own: readonly number[];
  readonly catalog: Catalog;
  readonly isGiven: Uint8Array;
  readonly draws: number;
  /** A galaxy's draws depend on the seed and on its id. */
  readonly seed: string;
}

/** Joint draws of columns `own`, and with them what the light behind quantities needs; `draw` makes them. */
export async function drawTogether(
  { quantities, own, catalog, isGiven, draws, seed }: DrawRequest,
  draw: (wanted: readonly number[], rngOf: (row: number) => Rng) => Promise<Float64Array>,
): Promise<Draws> {
  const streamOf =
    (what: string) =>
    (row: number): Rng =>
      createRng(`${seed}:${what}:${catalog.objectId[row]}`);
  const plan = planLight(quantities, catalog, isGiven, own);
  const together = [...own, ...(plan?.drawn ?? []).filter((j) => !own.includes(j))];
  const values = await draw(together, streamOf("samples"));
  const drawn = { rowCount: catalog.rowCount, draws, together, values };
  return plan === undefined ? drawn : { ...drawn, light: lightOf(plan, catalog, drawn, streamOf("light")) };
}
