/** The clean galaxies that a network carries: how they are chosen, and their file. */
import { UserError } from "../errors.ts";
import { fromHalf, toHalf } from "../survey/half.ts";
import { classesOf } from "../model/stems.ts";
import type { Templates } from "../model/template-fit.ts";
import { type Rng, shuffleInPlace } from "../random.ts";
import { State } from "../survey/field.ts";
import type { ModelConfig } from "../model/transformer.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { neighbourhoodOrder } from "./neighbourhoods.ts";
import { checkFinite, readSafetensors, writeSafetensors } from "./safetensors.ts";
import type { PartRows } from "./tables.ts";

/** One galaxy: its fluxes, properties and classes. */
type Description = Pick<Templates, "flux" | "property" | "classes">;

/** Describes galaxies of a table by their place among its rows; undefined where a band is missing. */
function descriptionOf(coder: FieldCoder, { store, rows }: PartRows, rng: Rng) {
  const { band, property, category } = coder.groups;
  const classes = Array.from(category, (j) => classesOf(coder, j));
  const all = new Uint8Array(coder.nField).fill(1);
  return (i: number): Description | undefined => {
    const { catalog, row } = store.at(rows[i], rng);
    const at = (j: number): number => row * coder.nField + j;
    const isKnown = (j: number): boolean => catalog.state[at(j)] === State.measured;
    if (!band.every(isKnown)) return undefined;
    const scale = coder.scaleOf(catalog, row, all);
    const hot = classes.flatMap((n, c) =>
      Array.from({ length: n }, (_, k) => Number(isKnown(category[c]) && catalog.value[at(category[c])] === k)),
    );
    const known = (j: number): number => (isKnown(j) ? coder.encode(j, catalog.value[at(j)], 0) : Number.NaN);
    return {
      flux: Float32Array.from(band, (j) => catalog.value[at(j)] / scale),
      property: Float32Array.from(property, known),
      classes: Float32Array.from(hot),
    };
  };
}

/**
 * A random choice of galaxies without noise, at most `wanted.nTemplate`, in whole neighbourhoods; undefined where not enough
 * for one have every band.
 */
export function drawTemplates(
  coder: FieldCoder,
  tables: readonly PartRows[],
  { nTemplate: count, neighbourhood }: Pick<ModelConfig, "nTemplate" | "neighbourhood">,
  rng: Rng,
): Templates | undefined {
  if (count === 0) return undefined;
  const total = tables.reduce((sum, { rows }) => sum + rows.length, 0);
  const taken = tables.flatMap((table) => {
    const wanted = Math.round((count * table.rows.length) / total);
    const order = Int32Array.from(table.rows, (_, i) => i);
    shuffleInPlace(order, rng);
    const describe = descriptionOf(coder, table, rng);
    const found: Description[] = [];
    for (let i = 0; i < order.length && found.length < wanted; i++) {
      const one = describe(order[i]);
      if (one !== undefined) found.push(one);
    }
    return found;
  });
  const places = Int32Array.from(taken, (_, k) => k);
  shuffleInPlace(places, rng); // what is left over is of all tables
  const whole = Array.from(places.subarray(0, taken.length - (taken.length % neighbourhood)), (k) => taken[k]);
  if (whole.length === 0) return undefined;
  const nBand = coder.groups.band.length;
  const fluxes = stacked(whole, ({ flux }) => flux);
  const order = neighbourhood === 1 ? undefined : neighbourhoodOrder(fluxes, nBand, neighbourhood, rng);
  const galaxies = order === undefined ? whole : Array.from(order, (k) => whole[k]);
  return {
    count: galaxies.length,
    neighbourhood,
    flux: roundedToHalf(stacked(galaxies, ({ flux }) => flux)),
    property: roundedToHalf(stacked(galaxies, ({ property }) => property)),
    classes: stacked(galaxies, ({ classes }) => classes),
  };
}

/** Rows of galaxies, one behind the other. */
function stacked(galaxies: readonly Description[], of: (one: Description) => Float32Array): Float32Array {
  const size = of(galaxies[0]).length;
  const all = new Float32Array(galaxies.length * size);
  galaxies.forEach((one, k) => all.set(of(one), k * size));
  return all;
}

const roundedToHalf = (data: Float32Array): Float32Array => data.map((x) => fromHalf(toHalf(x)));

/**
 * A safetensors file: flux, property, classes, each [count, ..]; NaN where a property is unknown. In half precision where
 * nothing is lost by it.
 */
export function writeTemplates({ count, flux, property, classes }: Templates): Uint8Array {
  const tensors = Object.entries({ flux, property, classes }).map(([name, data]) => {
    const isHalf = data.every((x) => Number.isNaN(x) || fromHalf(toHalf(x)) === x);
    return [name, { shape: [count, data.length / count], data, isHalf }] as const;
  });
  return writeSafetensors(Object.fromEntries(tensors));
}

/** @throws UserError for a file that is no such, or whose galaxies are not whole neighbourhoods. */
export function readTemplates(bytes: Uint8Array, neighbourhood: number, path: string): Templates {
  const { tensors } = readSafetensors(bytes, path);
  const part = (name: string): { readonly shape: readonly number[]; readonly data: Float32Array } => {
    const tensor = tensors[name];
    if (tensor === undefined || tensor.shape.length !== 2) throw new UserError(`${path}: expected a matrix ${name}`);
    return tensor;
  };
  const { shape, data: flux } = part("flux");
  const [property, classes] = [part("property"), part("classes")];
  if (property.shape[0] !== shape[0] || classes.shape[0] !== shape[0]) {
    throw new UserError(`${path}: expected as many properties and classes as there are fluxes, ${shape[0]}`);
  }
  if (shape[0] === 0 || shape[0] % neighbourhood !== 0) {
    throw new UserError(`${path}: ${shape[0]} galaxies; expected whole neighbourhoods of ${neighbourhood}`);
  }
  checkFinite(flux, "flux", path);
  checkFinite(classes.data, "classes", path);
  return { count: shape[0], neighbourhood, flux, property: property.data, classes: classes.data };
}
