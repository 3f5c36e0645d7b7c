import type { Arrays, Compiled, Engine, NdArray, Signature, TensorFunction } from "../engine/contract.ts";
import { emptyArrays } from "../tokens/batch.ts";

/** Galaxies per run: of many, of few. */
const MOST_ROWS = 256;
export const SMALL_ROWS = 16;
/** Galaxies per run where this many are asked about. */
export const batchOf = (rows: number): number => (rows > SMALL_ROWS ? MOST_ROWS : SMALL_ROWS);
/** Graphs by name; one that was refused is not kept. */
export function createGraphs(engine: Engine) {
  const graphs = new Map<string, Promise<Compiled>>();
  return {
    get(name: string, fn: TensorFunction, signature: Signature, carried: readonly string[] = []): Promise<Compiled> {
      const known = graphs.get(name);
      if (known !== undefined) return known;
      const compiled = engine.compile(fn, signature, name, { carried });
      graphs.set(name, compiled);
      compiled.catch(() => graphs.delete(name));
      return compiled;
    },
    async dispose(): Promise<void> {
      for (const compiled of graphs.values()) await (await compiled).dispose();
      graphs.clear();
    },
  };
}

export type Graphs = ReturnType<typeof createGraphs>;

/** Runs ahead of the one that is waited for: batches are filled, and answers put away, while others run. */
const AHEAD = 3;

/** Runs `count` rows in batches of `batch`, the last one padded with zeros. */
export async function inBatches(
  count: number,
  batch: number,
  signature: Signature,
  compiled: Compiled,
  work: {
    fill(arrays: Record<string, NdArray>, start: number, rows: number): void;
    take(out: Arrays, start: number, rows: number): void;
  },
): Promise<void> {
  const ring: { arrays: Record<string, NdArray>; running: Promise<void> | undefined }[] = [];
  for (let start = 0, i = 0; start < count; start += batch, i++) {
    const place = (ring[i % AHEAD] ??= { arrays: emptyArrays(signature), running: undefined });
    if (place.running !== undefined) {
      await place.running;
      for (const { data } of Object.values(place.arrays)) data.fill(0);
    }
    const rows = Math.min(batch, count - start);
    work.fill(place.arrays, start, rows);
    place.running = compiled.run(place.arrays).then((out) => work.take(out, start, rows));
    place.running.catch(() => {}); // told when it is waited for
  }
  await Promise.all(ring.flatMap(({ running }) => running ?? []));
}
