/**
 * The rows of a library that stand for all of it, per galaxy: priority sampling (Duffield, Lund & Thorup 2007, J. ACM 54,
 * 32). Row i with likelihood w gets the priority w / u, u uniform; the rows of the highest priorities are kept, each with
 * the weight max(w, threshold), the threshold being the highest priority that was dropped. Sums over the kept rows are
 * unbiased; rows that matter alone are kept with certainty, and with fewer than `most` that matter the sums are exact.
 */
export interface Reservoir {
  /** Highest priority dropped so far, in logarithms; -Infinity while none was. */
  threshold(query: number): number;
  offer(query: number, row: number, score: number, luck: number): void;
  /** Rows kept of a galaxy, with their log-likelihood as scanned; valid until the next call. */
  kept(query: number): { readonly rows: Int32Array; readonly scores: Float32Array };
}

export function createReservoir(queries: number, most: number): Reservoir {
  const room = 2 * most;
  const row = new Int32Array(queries * room);
  const priority = new Float32Array(queries * room);
  const luckOf = new Float32Array(queries * room);
  const count = new Int32Array(queries);
  const threshold = new Float64Array(queries).fill(-Infinity);
  const sorted = new Float32Array(room);

  /** Keeps the `most` highest. Equal priorities may keep fewer: rows are told apart by their luck. */
  const shrink = (query: number): void => {
    const n = count[query];
    if (n <= most) return;
    const start = query * room;
    const some = sorted.subarray(0, n);
    some.set(priority.subarray(start, start + n));
    some.sort();
    const limit = some[n - most - 1];
    let to = start;
    for (let i = start; i < start + n; i++) {
      if (priority[i] <= limit) continue;
      row[to] = row[i];
      priority[to] = priority[i];
      luckOf[to++] = luckOf[i];
    }
    count[query] = to - start;
    threshold[query] = limit;
  };
  return {
    threshold: (query) => threshold[query],
    offer(query, i, score, luck) {
      if (!(score > threshold[query])) return;
      const at = query * room + count[query]++;
      row[at] = i;
      priority[at] = score;
      luckOf[at] = luck;
      if (count[query] === room) shrink(query);
    },
    kept(query) {
      shrink(query);
      const start = query * room;
      const end = start + count[query];
      return {
        rows: row.subarray(start, end),
        scores: Float32Array.from({ length: end - start }, (_, i) => priority[start + i] - luckOf[start + i]),
      };
    },
  };
}
