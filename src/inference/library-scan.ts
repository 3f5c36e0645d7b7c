import type { Compiled, Engine, NdArray } from "../engine/contract.ts";
import { classesOf } from "../model/stems.ts";
import { createRng } from "../random.ts";
import { emptyArrays } from "../tokens/batch.ts";
import type { Library } from "./library.ts";
import { GROUP, scanGraph, type ScanShape, scanSignature } from "./library-graph.ts";
import { EXCLUDED, type Evidence } from "./library-likelihood.ts";
import { createReservoir, type Reservoir } from "./library-reservoir.ts";

/** Rows of the library, and galaxies, of one run: their scores stay in a core's cache. */
const ROWS = 4096;
const QUERIES = [16, 128] as const;
/**
 * Rows that stand for the library, per galaxy. Where more matter, they are a sample: the mean scatters by 1 / sqrt(512) of
 * the answer's width (0.04 - 0.055 measured on broad bands and on the blue half, 12,000 rows), the width not at all.
 */
export const KEPT = 512;

/** Columns that compare properties: x^2, x and "not known" of a number; every class and "not known" of a category. */
interface PropertyColumns {
  readonly count: number;
  /** Writes those of `count` rows of the store. */
  fill(rows: Float32Array, count: number, out: Float32Array): void;
  /** Writes the factors whose product with the columns is the log-likelihood, at `at`. */
  wish(evidence: Evidence, out: Float32Array, at: number): void;
}

function propertyColumns({ fields, columns, bandCount, store, mean, deviation }: Library): PropertyColumns {
  let count = 0;
  const starts = columns.map((j) => {
    const { kind } = fields[j];
    const start = count;
    if (fields[j].band === undefined) count += kind === "category" ? fields[j].classes.length + 1 : 3;
    return start;
  });
  const { width } = store;
  return {
    count,
    fill(rows, n, out) {
      out.fill(0);
      for (let i = 0; i < n; i++) {
        for (let c = bandCount; c < width; c++) {
          const at = i * count + starts[c];
          const x = rows[i * width + c];
          const classes = classesOf({ fields }, columns[c]);
          if (Number.isNaN(x)) out[at + (classes > 0 ? classes : 2)] = 1;
          else if (classes > 0) out[at + x] = 1;
          else {
            const u = (x - mean[columns[c]]) / deviation[columns[c]];
            out[at] = u * u;
            out[at + 1] = u;
          }
        }
      }
    },
    wish({ properties, classes }, out, at) {
      for (const { place, value, sigma } of properties) {
        const j = columns[place];
        const precision = (deviation[j] / sigma) ** 2;
        const start = at + starts[place];
        out[start] = -0.5 * precision;
        out[start + 1] = (precision * (value - mean[j])) / deviation[j];
        out[start + 2] = -EXCLUDED;
      }
      for (const { place, index } of classes) {
        const start = at + starts[place];
        out.fill(-EXCLUDED, start, start + classesOf({ fields }, columns[place]) + 1);
        out[start + index] = 0;
      }
    },
  };
}

/** Galaxies whose evidence is scanned by one graph. */
interface Plan {
  readonly shape: ScanShape;
  /** Places among the galaxies asked about. */
  readonly places: readonly number[];
  /** Columns of the store with limits in any of them. */
  readonly limited: readonly number[];
}

const stepUp = (n: number): number => (n === 0 ? 0 : 2 ** Math.ceil(Math.log2(n)));

/** Galaxies that can share a graph, as many as its largest size takes. */
function plansOf(evidence: readonly Evidence[], bands: number, columns: number): Plan[] {
  const groups = new Map<string, number[]>();
  evidence.forEach(({ amplitude, properties, classes, limits }, i) => {
    const key = `${amplitude} ${properties.length + classes.length > 0} ${limits.length > 0}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [i]);
    else group.push(i);
  });
  const large = QUERIES[QUERIES.length - 1];
  return [...groups.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / large) }, (_, g): Plan => {
      const places = group.slice(g * large, (g + 1) * large);
      const limited = [...new Set(places.flatMap((i) => evidence[i].limits.map(({ place }) => place)))];
      const { amplitude, properties, classes } = evidence[places[0]];
      const shape = {
        amplitude,
        queries: QUERIES.find((size) => places.length <= size)!,
        rows: ROWS,
        bands,
        columns: properties.length + classes.length > 0 ? columns : 0,
        limits: stepUp(limited.length),
      };
      return { shape, places, limited };
    }),
  );
}

/** The arrays of a plan that don't change from block to block. */
function queryArrays(
  { shape, places, limited }: Plan,
  evidence: readonly Evidence[],
  columns: PropertyColumns,
): Record<string, NdArray> {
  const { flux: _f, luck: _l, property: _p, limited: _v, ...signature } = scanSignature(shape);
  const arrays = emptyArrays(signature);
  const { data, weight, wish, isBand, limit, sharpness } = arrays;
  (weight.data as Float32Array).fill(1); // rows of padding must not divide by zero
  places.forEach((i, q) => {
    const own = evidence[i];
    weight.data.fill(0, q * shape.bands, (q + 1) * shape.bands);
    for (const { place, flux, sigma } of own.bands) {
      data.data[q * shape.bands + place] = flux / sigma ** 2;
      weight.data[q * shape.bands + place] = 1 / sigma ** 2;
    }
    if (shape.columns > 0) columns.wish(own, wish.data as Float32Array, q * shape.columns);
    for (const { place, value, sigma, isBand: isFlux } of own.limits) {
      const at = q * shape.limits + limited.indexOf(place);
      limit.data[at] = value;
      sharpness.data[at] = 1 / sigma;
      isBand.data[limited.indexOf(place)] = Number(isFlux);
    }
  });
  return arrays;
}

export interface Scanner {
  /** The rows of the library that matter to every galaxy; `onRows` is told how many pairs of all are done, 0 to 1. */
  scan(evidence: readonly Evidence[], onDone?: (share: number) => void): Promise<Reservoir>;
  dispose(): Promise<void>;
}

/** One block of the library as the graphs take it in. */
interface Block {
  readonly first: number;
  readonly count: number;
  readonly rows: Float32Array;
  readonly arrays: Readonly<Record<"flux" | "luck" | "property", NdArray>>;
}

/** -ln u per row, the same whatever is asked; rows beyond the last never win. */
function luckOf(block: number, count: number, out: Float32Array): void {
  const rng = createRng(`luck of block ${block}`);
  for (let i = 0; i < ROWS; i++) out[i] = i < count ? -Math.log(1 - rng.uniform()) : -1e30;
}

/** Runs that are under way while the scores of the one before are looked at. */
const AHEAD = 2;

/** Reads blocks into a few places in turn: a block is read over when all runs that look at it have ended. */
function blockReader({ store, bandCount }: Library, columns: PropertyColumns) {
  const { width, rowCount } = store;
  const float = (...shape: number[]): NdArray => ({
    dtype: "float32",
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
  });
  const places = Array.from({ length: AHEAD + 2 }, () => ({
    rows: new Float32Array(ROWS * width),
    arrays: { flux: float(ROWS, bandCount), luck: float(ROWS), property: float(ROWS, columns.count) },
  }));
  return (index: number, hasProperties: boolean): Block => {
    const first = index * ROWS;
    const count = Math.min(ROWS, rowCount - first);
    const { rows, arrays } = places[index % places.length];
    store.block(first, count, rows);
    for (let i = 0, at = 0; i < count; i++) {
      for (let c = i * width; c < i * width + bandCount; c++) arrays.flux.data[at++] = rows[c];
    }
    luckOf(index, count, arrays.luck.data as Float32Array);
    if (hasProperties) columns.fill(rows, count, arrays.property.data as Float32Array);
    return { first, count, rows, arrays };
  };
}

/** Values of the limited columns, one after the other. */
function limitedOf({ rows }: Block, { limited, shape }: Plan, width: number): NdArray {
  const data = new Float32Array(shape.limits * ROWS);
  limited.forEach((place, l) => {
    for (let i = 0; i < ROWS; i++) {
      const x = rows[i * width + place];
      data[l * ROWS + i] = Number.isNaN(x) ? EXCLUDED : x;
    }
  });
  return { dtype: "float32", shape: [shape.limits, ROWS], data };
}

/** Offers the rows of a block whose score may matter. */
function take(reservoir: Reservoir, { places }: Plan, block: Block, score: Float32Array, best: Float32Array): void {
  const luck = block.arrays.luck.data;
  const groups = ROWS / GROUP;
  places.forEach((place, q) => {
    let threshold = reservoir.threshold(place);
    for (let g = 0; g < groups; g++) {
      if (!(best[q * groups + g] > threshold)) continue;
      const end = Math.min((g + 1) * GROUP, block.count);
      for (let i = g * GROUP; i < end; i++) {
        const own = score[q * ROWS + i];
        if (own > threshold) reservoir.offer(place, block.first + i, own, luck[i]);
      }
      threshold = reservoir.threshold(place);
    }
  });
}

export function createScanner(engine: Engine, library: Library): Scanner {
  const columns = propertyColumns(library);
  const readBlock = blockReader(library, columns);
  const graphs = new Map<string, Promise<Compiled>>();
  const graphOf = (shape: ScanShape): Promise<Compiled> => {
    const name = `library: ${Object.values(shape).join(" ")}`;
    const compiled = graphs.get(name) ?? engine.compile(scanGraph(shape), scanSignature(shape), name);
    graphs.set(name, compiled);
    return compiled;
  };
  return {
    async scan(evidence, onDone = () => {}) {
      const reservoir = createReservoir(evidence.length, KEPT);
      const plans = plansOf(evidence, library.bandCount, columns.count);
      const ready = plans.map((plan) => ({ plan, fixed: queryArrays(plan, evidence, columns) }));
      const hasProperties = plans.some(({ shape }) => shape.columns > 0);
      const blocks = Math.ceil(library.store.rowCount / ROWS);
      const running: Promise<void>[] = [];
      for (let b = 0; b < blocks; b++) {
        const block = readBlock(b, hasProperties);
        const { flux, luck, property } = block.arrays;
        for (const { plan, fixed } of ready) {
          const compiled = await graphOf(plan.shape);
          const { columns: some, limits } = plan.shape;
          const own = {
            ...fixed,
            flux,
            luck,
            ...(some > 0 ? { property } : {}),
            ...(limits > 0 ? { limited: limitedOf(block, plan, library.store.width) } : {}),
          };
          const run = compiled.run(own).then(({ score, best }) => {
            take(reservoir, plan, block, score.data as Float32Array, best.data as Float32Array);
          });
          run.catch(() => {}); // told when it is waited for
          running.push(run);
          if (running.length > AHEAD) await running.shift();
        }
        onDone((b + 1) / blocks);
      }
      await Promise.all(running);
      return reservoir;
    },
    async dispose() {
      for (const compiled of graphs.values()) await (await compiled).dispose();
      graphs.clear();
    },
  };
}
