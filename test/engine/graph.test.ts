import { describe, expect, it } from "vitest";
import { Graph } from "../../src/engine/graph.ts";

describe("constants of a graph", () => {
  it("are made once when equal, however often they are asked for", () => {
    const g = new Graph();
    const values = Float32Array.from({ length: 5000 }, (_, i) => Math.sin(i));
    const first = g.constant("float32", [50, 100], values);
    expect(g.constant("float32", [50, 100], values.slice())).toBe(first);
    expect(g.constant("float32", [100, 50], values)).not.toBe(first);
    expect(g.constant("float32", [50, 100], values.with(4999, 0.5))).not.toBe(first);
    expect(g.uniform("float32", [3], 2)).toBe(g.constant("float32", [3], [2, 2, 2]));
    expect(g.uniform("float32", [], -0)).not.toBe(g.uniform("float32", [], 0));
    expect(g.constant("float32", [2], [-0, 1])).not.toBe(g.constant("float32", [2], [0, 1]));
    expect(g.constant("int32", [2], [1, 2])).not.toBe(g.constant("int64", [2], [1, 2]));
  });

  it("are kept apart when their hashes meet", () => {
    const g = new Graph();
    // among 300,000 pairs of one shape some tens of hashes meet
    const count = 300_000;
    const seen = new Set(Array.from({ length: count }, (_, i) => g.constant("int32", [2], [i, i ^ 0x5bd1e995])));
    expect(seen.size).toBe(count);
    for (const i of [0, 1, count - 1]) {
      expect(g.constant("int32", [2], [i, i ^ 0x5bd1e995]).data).toStrictEqual(Int32Array.of(i, i ^ 0x5bd1e995));
    }
  });

  it("are the caller's to change afterwards", () => {
    const g = new Graph();
    const values = Float32Array.of(1, 2, 3);
    const constant = g.constant("float32", [3], values);
    values.fill(0);
    expect(constant.data).toStrictEqual(Float32Array.of(1, 2, 3));
  });
});
