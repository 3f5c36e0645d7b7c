/** Low-rank adapters: matrices move by A B of few columns, everything else stays (Hu et al. 2021, arXiv:2106.09685). */
import {
  ADAPTER_LEFT,
  ADAPTER_RIGHT,
  createLayout,
  growParameters,
  matrix,
  parameterIn,
  type ParameterSpec,
} from "../model/parameters.ts";
import type { Rng } from "../random.ts";
import { type Checkpoint, initialState } from "./checkpoint.ts";

/** Columns of A, rows of B. */
export const RANK = 8;

const isAdapter = ({ name }: ParameterSpec): boolean => name.endsWith(ADAPTER_LEFT) || name.endsWith(ADAPTER_RIGHT);

/**
 * Factors of a matrix that is larger than they are; none of anything else. A starts at random, so large that a step of B moves the
 * matrix as far as a step of its own would; B at 0. Both decay: back towards the start.
 */
function factorsOf({ name, shape, isDecayed }: ParameterSpec, rank: number): ParameterSpec[] {
  const [rows, columns] = shape;
  if (!isDecayed || shape.length !== 2 || rank * (rows + columns) >= rows * columns) return [];
  const left = { ...matrix(`${name}${ADAPTER_LEFT}`, rows, rank), std: 1 / Math.sqrt(rank), isHidden: true };
  return [left, { ...matrix(`${name}${ADAPTER_RIGHT}`, rank, columns), std: 0 }];
}

/** The same network with adapters: it answers as before, to the last bit. */
export function withAdapters(network: Checkpoint, rank: number, rng: Rng): Checkpoint {
  const { layout: old, state } = network;
  const layout = createLayout([...old.specs, ...old.specs.flatMap((spec) => factorsOf(spec, rank))]);
  return { ...network, layout, state: initialState(growParameters(old, state.average, layout, rng)) };
}

/** Patterns of what stays while adapters learn: everything else. */
export const besideAdapters = ({ layout }: Checkpoint): string[] =>
  layout.specs.filter((spec) => !isAdapter(spec)).map(({ name }) => name);

/** The network with its adapters added to its matrices: an ordinary one. */
export function withoutAdapters(network: Checkpoint): Checkpoint {
  const { layout: old, state } = network;
  const layout = createLayout(old.specs.filter((spec) => !isAdapter(spec)));
  const flat = new Float32Array(layout.total);
  layout.specs.forEach(({ name }, i) => flat.set(parameterIn(state.average, old, name), layout.offsets[i]));
  for (const { name, shape } of old.specs) {
    if (!name.endsWith(ADAPTER_LEFT)) continue;
    const own = name.slice(0, -ADAPTER_LEFT.length);
    const [rows, rank] = shape;
    const [left, right] = [name, `${own}${ADAPTER_RIGHT}`].map((factor) => parameterIn(state.average, old, factor));
    const into = parameterIn(flat, layout, own);
    const columns = right.length / rank;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0;
        for (let k = 0; k < rank; k++) sum += left[i * rank + k] * right[k * columns + j];
        into[i * columns + j] += sum;
      }
    }
  }
  return { ...network, layout, state: initialState(flat) };
}
