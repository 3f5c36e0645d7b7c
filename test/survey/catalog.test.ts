import { describe, expect, it } from "vitest";
import {
  allRows,
  type Catalog,
  concat,
  copyRow,
  emptyCatalog,
  hide,
  instrumentOf,
  select,
} from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { spillRows } from "../../src/survey/row-file.ts";
import { toyCatalog, toyFields } from "../helpers/toy.ts";

const spectrum: Field = {
  id: 10,
  name: "SPEC",
  kind: "spectrum",
  unit: "1e-17 erg/s/cm2/A",
  description: "a spectrum",
  range: [-1e9, 1e9],
  shape: [4],
  grid: { from: 4000, to: 4003, pixels: 4 },
};
const fields = [...toyFields, spectrum];
const n = fields.length;

/** Toy galaxies with a spectrum, a tile and an instrument each. */
function richCatalog(rowCount: number, seed: string): Catalog {
  const plain = toyCatalog(rowCount, seed);
  const rich = emptyCatalog(fields, rowCount, { hasTile: true, hasInstrument: true, hasWeight: true });
  const { value, ivar } = rich.arrays!.get("SPEC")!;
  for (let row = 0; row < rowCount; row++) {
    for (let j = 0; j < toyFields.length; j++) {
      rich.value[row * n + j] = plain.value[row * toyFields.length + j];
      rich.error[row * n + j] = plain.error[row * toyFields.length + j];
      rich.state[row * n + j] = plain.state[row * toyFields.length + j];
    }
    rich.state[row * n + n - 1] = State.measured;
    for (let k = 0; k < 4; k++) [value[row * 4 + k], ivar[row * 4 + k]] = [10 * row + k, k];
  }
  const named = (prefix: string): string[] => allRows(rich).reduce<string[]>((all, i) => [...all, `${prefix}${i}`], []);
  return {
    ...rich,
    objectId: named(seed),
    parentId: named(`p${seed}`),
    tile: named("t"),
    weight: Float32Array.from({ length: rowCount }, (_, row) => 0.5 + row),
    instrument: named("i").map((name, row) => (row % 2 === 0 ? name : "")),
  };
}

/** Everything that belongs to a row. */
function rowOf(catalog: Catalog, row: number): unknown[] {
  const part = (of: Float32Array | Uint8Array): number[] => [...of.subarray(row * n, (row + 1) * n)];
  const { value, ivar, width } = catalog.arrays!.get("SPEC")!;
  return [
    catalog.objectId[row],
    catalog.parentId[row],
    catalog.tile?.[row],
    catalog.instrument?.[row],
    catalog.weight?.[row],
    part(catalog.value),
    part(catalog.error),
    part(catalog.state),
    [...value.subarray(row * width, (row + 1) * width)],
    [...ivar.subarray(row * width, (row + 1) * width)],
  ];
}

const one = richCatalog(7, "a");
const two = richCatalog(5, "b");

describe("rows of a catalogue", () => {
  it("are copied whole, pixels and texts included", () => {
    const to = emptyCatalog(fields, 3, { hasTile: true, hasInstrument: true, hasWeight: true });
    copyRow(one, 4, to, 1);
    expect(rowOf(to, 1)).toStrictEqual(rowOf(one, 4));
    expect(rowOf(to, 0).slice(5, 8)).toStrictEqual([0, 0, 0].map(() => Array.from({ length: n }, () => 0)));
  });

  it("are selected in the order asked, twice where asked twice", () => {
    const some = select(one, [5, 0, 5]);
    expect([0, 1, 2].map((row) => rowOf(some, row))).toStrictEqual([5, 0, 5].map((row) => rowOf(one, row)));
    some.value.fill(0);
    expect(one.value.some((x) => x !== 0)).toBe(true);
  });

  it("stand one below the other", () => {
    const both = concat([one, two]);
    expect(both.rowCount).toBe(12);
    expect([0, 6, 7, 11].map((row) => rowOf(both, row))).toStrictEqual([
      rowOf(one, 0),
      rowOf(one, 6),
      rowOf(two, 0),
      rowOf(two, 4),
    ]);
    expect(concat([one])).toBe(one);
    const { tile: _, ...bare } = two;
    expect(concat([one, bare]).tile?.slice(6)).toStrictEqual(["t6", "", "", "", "", ""]);
  });

  it("hide fields without touching the original", () => {
    const blind = hide(one, ({ band }) => band === undefined);
    for (const row of allRows(one)) {
      fields.forEach(({ band }, j) => {
        const at = row * n + j;
        expect(blind.state[at]).toBe(band === undefined ? State.notObserved : one.state[at]);
      });
    }
    expect(one.state.some((state, at) => state !== blind.state[at])).toBe(true);
  });

  it("say what observed them, where the table does", () => {
    expect([instrumentOf(one, 0), instrumentOf(one, 1)]).toStrictEqual(["i0", undefined]);
    expect(instrumentOf(toyCatalog(1), 0)).toBeUndefined();
  });
});

describe("rows on disk", () => {
  const catalogs = [toyCatalog(5000, "x"), toyCatalog(1, "y"), toyCatalog(4100, "z")];
  async function* stream(): AsyncGenerator<Catalog> {
    yield* catalogs;
  }

  it("come back as they went, in any order", async () => {
    const firsts: number[] = [];
    const file = await spillRows(stream(), toyFields, (_, first) => firsts.push(first));
    expect([file.rowCount, firsts]).toStrictEqual([9101, [0, 5000, 5001]]);
    const whole = concat(catalogs);
    const m = toyFields.length;
    for (const row of [9100, 0, 4095, 4096, 5000, 5001, 8191, 8192, 17]) {
      const found = file.at(row);
      const at = found.row * m;
      for (const name of ["value", "error", "state"] as const) {
        expect(found.catalog[name].subarray(at, at + m)).toStrictEqual(whole[name].subarray(row * m, (row + 1) * m));
      }
    }
    file.close();
  });

  it("keep pixels to 5e-4, those far below the largest of their row too, and rows without any", async () => {
    const width = 500;
    const wide: Field = { ...spectrum, shape: [width], grid: { from: 4000, to: 5000, pixels: width } };
    const some = emptyCatalog([wide], 3);
    const { value, ivar } = some.arrays!.get("SPEC")!;
    const sizes = [1e-25, 1, 1e25];
    for (let at = 0; at < 3 * width; at++) {
      value[at] = (at % 2 === 0 ? 1 : -1) * sizes[Math.floor(at / width)] * 10 ** (-(at % width) / 70);
      ivar[at] = at % 5 === 0 ? 0 : 1 / sizes[Math.floor(at / width)];
    }
    async function* stream(): AsyncGenerator<Catalog> {
      yield some;
      yield emptyCatalog([wide], 1, { pixels: [] });
    }
    const file = await spillRows(stream(), [wide], () => {});
    for (const row of [2, 0, 1]) {
      const found = file.at(row).catalog.arrays!.get("SPEC")!;
      for (let k = 0; k < width; k++) {
        expect(Math.abs(found.value[k] / value[row * width + k] - 1)).toBeLessThan(5e-4);
        if (ivar[row * width + k] === 0) expect(found.ivar[k]).toBe(0);
        else expect(Math.abs(found.ivar[k] / ivar[row * width + k] - 1)).toBeLessThan(5e-4);
      }
    }
    expect(Math.max(...file.at(3).catalog.arrays!.get("SPEC")!.ivar)).toBe(0);
    file.close();
  });

  it("leave nothing open when reading fails", async () => {
    async function* broken(): AsyncGenerator<Catalog> {
      yield catalogs[0];
      throw new Error("torn");
    }
    await expect(spillRows(broken(), toyFields, () => {})).rejects.toThrow("torn");
  });
});
