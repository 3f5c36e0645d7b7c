import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { expect, it } from "vitest";
import { schemaOf } from "../../src/io/columns.ts";
import { formats, openTable, writeTable } from "../../src/io/formats.ts";
import type { Column, Format, Table } from "../../src/io/table.ts";
import { headerOf, scratch } from "./truth.ts";

const folder = scratch();
const descriptions = [
  "redshift: it's the 5th percentile",
  `a long one, with "quotes", a \\ and a colon: ${"far more than a card of eighty characters holds, ".repeat(4).trim()}`,
  undefined,
];
const columns = descriptions.map((description, i): Column => {
  const base = { name: `c${i}`, type: "float32", width: 1, data: Float32Array.of(i) } as const;
  return description === undefined ? base : { ...base, description };
});
const table: Table = { rowCount: 1, columns, metadata: { note: "kept" } };

const writing = Object.values(formats as Record<string, Format>).filter(({ write }) => write !== undefined);

it.each(writing.map(({ extensions }) => extensions[0]))(
  "descriptions of columns come back from %s",
  async (extension) => {
    const path = join(folder, `described${extension}`);
    await writeTable(path, headerOf(table), [table]);
    const source = await openTable(path);
    await source.close();
    expect(source.schema.map(({ description }) => description)).toEqual(descriptions);
    // nothing of how they are stored is taken for what the user said of the table
    expect(source.metadata).toEqual({ note: "kept" });
  },
);

/** The cards of a header, CONTINUE joined to what it continues. */
function cardsOf(path: string): string[] {
  const text = readFileSync(path).subarray(2880).toString("latin1");
  return Array.from({ length: text.indexOf(`END${" ".repeat(77)}`) / 80 }, (_, i) => text.slice(i * 80, i * 80 + 80));
}

it("FITS has them where TOPCAT and where astropy looks", async () => {
  const path = join(folder, "places.fits");
  await writeTable(path, headerOf(table), [table]);
  const cards = cardsOf(path);
  for (const key of ["TCOMM1", "TDESC1"]) {
    expect(cards.find((card) => card.startsWith(key))).toContain("= 'redshift: it''s the 5th percentile'");
  }
  // astropy.io.fits.connect: lines of YAML between two marks, cut after 70 characters with a backslash
  const comments = cards.flatMap((card) => (card.startsWith("COMMENT ") ? [card.slice(8).trimEnd()] : []));
  const [begin, end] = ["BEGIN", "END"].map((what) => comments.indexOf(`--${what}-ASTROPY-SERIALIZED-COLUMNS--`));
  const lines: string[] = [];
  let isContinued = false;
  for (const comment of comments.slice(begin + 1, end)) {
    if (isContinued) lines.push(lines.pop()! + comment.slice(0, 70));
    else lines.push(comment.slice(0, 70));
    isContinued = comment.length === 71;
  }
  expect(parse(lines.join("\n"))).toEqual({
    datatype: descriptions.flatMap((description, i) =>
      description === undefined ? [] : [{ name: `c${i}`, datatype: "float32", description }],
    ),
    meta: { __serialized_columns__: {} },
  });
});

it("TDESC is read where there is no TCOMM", async () => {
  const path = join(folder, "tdesc.fits");
  await writeTable(path, { schema: columns.map(schemaOf), metadata: {} }, [table]);
  const bytes = readFileSync(path).toString("latin1").replaceAll("TCOMM", "TOTHR");
  writeFileSync(path, bytes, "latin1");
  const source = await openTable(path);
  await source.close();
  expect(source.schema.map(({ description }) => description)).toEqual(descriptions);
});

it("an ECSV header with an alias to nothing is one line of error", async () => {
  const path = join(folder, "alias.ecsv");
  const header = ["# %ECSV 1.0", "# ---", "# datatype:", "# - {name: a, datatype: float64, unit: *nowhere}"];
  writeFileSync(path, [...header, "a", "1", ""].join("\n"));
  await expect(openTable(path)).rejects.toThrow(
    `${path}: its ECSV header cannot be read (Unresolved alias (the anchor must be set before the alias): nowhere), expected`,
  );
});
