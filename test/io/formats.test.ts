import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Field, Float32, List, Table as ArrowTable, tableToIPC, vectorFromArray } from "apache-arrow";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { readAll, sliceTable } from "../../src/io/columns.ts";
import { openFits } from "../../src/io/fits.ts";
import { checkWritable, formats, openTable, writeTable } from "../../src/io/formats.ts";
import { parquetElements } from "../../src/io/parquet-schema.ts";
import type { Format, Table } from "../../src/io/table.ts";
import { columnTruth, everyType, golden, headerOf, readTruth, scratch, tableTruth, truthOf } from "./truth.ts";
import type { TruthColumn } from "./truth.ts";

const all: readonly Format[] = Object.values(formats);
const written = all.filter((format) => format.write !== undefined);

/** Where a standard has a spelling of its own for units, that is what is written. */
const spellings: Readonly<Record<string, string>> = {
  fits: "10**-19 erg s-1 cm-2 Angstrom-1",
  csv: "10**-19 erg s-1 cm-2 Angstrom-1",
  ecsv: "10**-19 erg s-1 cm-2 Angstrom-1",
  votable: "1e-25J.s**-1.cm**-2.nm**-1",
};

/** The truth about `everyType` written in a format. */
function writtenTruth({ name }: Format): Record<string, TruthColumn> {
  const { flux, ...others } = tableTruth(everyType());
  const unit = spellings[name] ?? flux.unit;
  return { ...others, flux: { ...flux, ...(unit === undefined ? {} : { unit }) } };
}

describe.each(written.map((format) => [format.name, format] as const))("%s", (_, format) => {
  const extension = format.extensions[0];

  it("gives back the same table, however it is cut into batches", async () => {
    const table = everyType();
    const truth = writtenTruth(format);
    for (const cut of [4, 3, 1]) {
      const path = join(scratch(), `same${extension}`);
      const batches: Table[] = [];
      for (let row = 0; row < 4; row += cut) batches.push(sliceTable(table, row, Math.min(4, row + cut)));
      await writeTable(path, headerOf(table), batches);
      const source = await openTable(path);
      expect(source.rowCount ?? 4).toBe(4);
      expect(source.metadata).toMatchObject(table.metadata);
      expect(await truthOf(source, cut)).toEqual(truth);
    }
  });

  it("reads the wanted columns in the wanted order", async () => {
    const path = join(scratch(), `some${extension}`);
    await writeTable(path, headerOf(everyType()), [everyType()]);
    const source = await openTable(path);
    const some = await readAll(source, { columns: ["age", "id"] });
    expect(some.columns.map((column) => column.name)).toEqual(["age", "id"]);
    expect(columnTruth(some.columns[1]).values).toEqual(["1", String(2n ** 60n + 1n), "-3", "0"]);
    await expect(readAll(source, { columns: ["agee"] })).rejects.toThrow(/no column "agee" \(did you mean "age"\?\)/);
    await source.close();
  });

  it("keeps the columns of a table without rows", async () => {
    const path = join(scratch(), `none${extension}`);
    await writeTable(path, headerOf(everyType()), []);
    const source = await openTable(path);
    expect(source.schema.map((column) => column.name)).toEqual(everyType().columns.map((column) => column.name));
    expect((await readAll(source)).rowCount).toBe(0);
    await source.close();
  });

  it("leaves nothing behind when writing fails", async () => {
    const folder = scratch();
    const path = join(folder, `half${extension}`);
    writeFileSync(path, "what was here before");
    async function* failing(): AsyncGenerator<Table> {
      yield everyType();
      throw new Error("stopped half-way");
    }
    await expect(writeTable(path, headerOf(everyType()), failing())).rejects.toThrow("stopped half-way");
    expect(readdirSync(folder)).toEqual([`half${extension}`]);
    async function* diskFull(): AsyncGenerator<Table> {
      yield everyType();
      throw Object.assign(new Error("write"), { code: "ENOSPC" });
    }
    await expect(writeTable(path, headerOf(everyType()), diskFull())).rejects.toThrow(
      new UserError(`${path}: cannot be written: disk full (ENOSPC)`),
    );
    expect(readFileSync(path, "utf8")).toBe("what was here before");
    expect(readdirSync(folder)).toEqual([`half${extension}`]);
    await expect(writeTable(join(folder, `no/where${extension}`), headerOf(everyType()), [])).rejects.toThrow(
      /cannot be written: no such file/,
    );
  });
});

const zipped = written.filter((format) => format.extensions.some((one) => one.endsWith(".gz")));

describe("compressed output", () => {
  it.each(zipped.map((format) => [format.name, format] as const))(
    "of %s, where the name asks for it",
    async (_, format) => {
      const folder = scratch();
      for (const name of format.extensions.filter((one) => one.endsWith(".gz"))) {
        const path = join(folder, `packed${name}`);
        await writeTable(path, headerOf(everyType()), [everyType()]);
        expect([...readFileSync(path).subarray(0, 2)]).toEqual([0x1f, 0x8b]);
        expect(await truthOf(await openTable(path))).toEqual(writtenTruth(format));
        rmSync(path);
      }
      expect(readdirSync(folder)).toEqual([]);
    },
  );
});

describe("files that other programs wrote", () => {
  it.each(["zstd", "snappy", "gzip", "none", "v1"])("Parquet by pyarrow, %s", async (kind) => {
    const source = await openTable(golden(`pyarrow_${kind}.parquet`));
    const { columns, metadata } = readTruth("pyarrow");
    const seen = await truthOf(source);
    expect(seen).toEqual(columns);
    expect(source.metadata).toMatchObject(metadata ?? {});
  });

  it("Arrow by pyarrow", async () => {
    const source = await openTable(golden("pyarrow.arrow"));
    const { columns, metadata } = readTruth("pyarrow");
    expect(await truthOf(source)).toEqual(columns);
    expect(source.metadata).toMatchObject(metadata ?? {});
  });

  it("Arrow by pyarrow, compressed, is refused with what to do", async () => {
    const reading = openTable(golden("pyarrow_lz4.arrow")).then(readAll);
    await expect(reading).rejects.toThrow(/pyarrow_lz4\.arrow: compressed Arrow data are not read; save it/);
  });

  it.each(["small.fits", "small.fits.gz"])("%s by astropy", async (name) => {
    expect(await truthOf(await openTable(golden(name)))).toEqual(readTruth("small").columns);
  });

  it.each(["tabledata", "binary", "binary2"])("VOTable by astropy, %s, the second table of a file", async (kind) => {
    const { columns, metadata } = readTruth("votable");
    for (const batchRows of [1, 2, 100]) {
      const source = await openTable(golden(`${kind}.vot`));
      expect(source.metadata).toEqual(metadata);
      expect(source.schema[1].description).toBe("a count, one of them missing");
      expect(source.schema[5].description).toBe("phot.flux");
      expect(await truthOf(source, batchRows)).toEqual(columns);
    }
  });

  it("HDF5 by h5py: groups, matrices, records in either byte order, strings of any length", async () => {
    const { columns, metadata } = readTruth("kinds.h5");
    for (const batchRows of [1, 3, 100]) {
      const source = await openTable(golden("kinds.h5"));
      expect(source.rowCount).toBe(4);
      expect(source.metadata).toEqual(metadata);
      expect(await truthOf(source, batchRows)).toEqual(columns);
    }
  });

  it("HDF5 by astropy, with its units and masks", async () => {
    const source = await openTable(golden("astropy.h5"));
    expect(source.schema[1].description).toBe("a flux");
    expect(await truthOf(source)).toEqual(readTruth("astropy.h5").columns);
  });

  it("ECSV by astropy, with its units, masks and arrays", async () => {
    const source = await openTable(golden("astropy.ecsv"));
    expect(source.schema[1].description).toBe("a flux");
    expect(source.metadata).toMatchObject({ survey: "test" });
    expect(await truthOf(source)).toEqual(readTruth("ecsv").columns);
  });

  it("a damaged ECSV header is told in one line", async () => {
    const path = join(scratch(), "bad.ecsv");
    writeFileSync(path, "# %ECSV 1.0\n# ---\n# datatype: {a: 1}\na\n1\n");
    await expect(openTable(path)).rejects.toThrow(/bad\.ecsv: its ECSV header cannot be read \(.+\), expected YAML/);
  });

  it("a plain CSV has nothing before its header line", async () => {
    const path = join(scratch(), "plain.csv");
    await writeTable(path, { ...headerOf(everyType()), isPlain: true }, [everyType()]);
    expect(readFileSync(path, "utf8").split("\n")[0]).toBe(
      everyType()
        .columns.map(({ name }) => name)
        .join(","),
    );
  });

  it.each(["fixed", "table"])("HDF5 by pandas, layout %s", async (layout) => {
    const source = await openTable(golden(`frame_${layout}.h5`));
    const { columns } = readTruth("frames");
    const names = Object.keys(columns).filter((name) => layout === "table" || name !== "TYPE");
    expect(source.schema.map(({ name }) => name).sort()).toEqual(names.sort());
    expect(columns).toMatchObject(await truthOf(source));
  });

  it("every kind of FITS column by astropy, and the images beside it", async () => {
    const { columns, metadata } = readTruth("kinds.fits");
    const file = await openFits(golden("kinds.fits"));
    expect(file.hdus.map((hdu) => hdu.name)).toEqual(["", "IMAGE", "KINDS", "SCALED"]);
    const table = await file.hdu("kinds").table();
    for (const batchRows of [1, 100]) expect(tableTruth(await readAll(table, { batchRows }))).toEqual(columns);
    expect(table.metadata).toMatchObject(metadata ?? {});
    expect(await file.hdu("image").image()).toEqual({ shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) });
    expect((await file.hdu(3).image()).data).toEqual(Float64Array.of(0, 1, 65535, 40000));
    expect(() => file.hdu("FLUX")).toThrow(/no FITS unit "FLUX"; there are: 0 \(no name\) image, 1 IMAGE image/);
    await file.close();
  });
});

describe("a wrong name or place", () => {
  it("is told before any work", () => {
    for (const { name, extensions, write } of all) {
      const path = `answers${extensions[0]}`;
      if (write) expect(() => checkWritable(path)).not.toThrow();
      else
        expect(() => checkWritable(path)).toThrow(new RegExp(`${name} files are only read; write one of \\.parquet, `));
    }
    expect(() => checkWritable("answers.dat")).toThrow(/answers\.dat: unknown table format "\.dat"/);
    expect(() => checkWritable(scratch())).toThrow(/is a folder/);
  });

  it("is one line that says what was expected", async () => {
    const folder = scratch();
    await expect(openTable(join(folder, "none.fits"))).rejects.toThrow(/none\.fits: cannot be read: no such file/);
    await expect(openTable(folder + "/x.fist")).rejects.toThrow(
      /unknown table format "\.fist" \(did you mean ".fits"\?\)/,
    );
    await expect(openTable(golden("make_golden.py"))).rejects.toThrow(/unknown table format "\.py"/);
    for (const { name, extensions } of all) {
      const empty = join(folder, `empty${extensions[0]}`);
      writeFileSync(empty, "");
      await expect(openTable(empty)).rejects.toThrow(new RegExp(`empty file, expected a ${name} table`));
      const other = join(folder, `other${extensions[0]}`);
      writeFileSync(other, Buffer.from("\x89\x00\x01\x02not a table".repeat(20), "latin1"));
      await expect(openTable(other)).rejects.toThrow(new RegExp(`no ${name} file as its name says`));
    }
    writeFileSync(join(folder, "mine.fits"), "PAR1 and so on");
    await expect(openTable(join(folder, "mine.fits"))).rejects.toThrow(/it looks like parquet/);
    expect(existsSync(join(folder, "mine.fits"))).toBe(true);
  });
});

describe("lists of unequal length that another program wrote", () => {
  const lengths = [3, 0, 5, 2];
  const rows = lengths.map((length, row) => Array.from({ length }, (_, k) => row + k / 8));
  const padded = rows.flatMap((list) => [...list, ...Array.from({ length: 5 - list.length }, () => null)]);

  it("in Arrow take the width of the longest", async () => {
    const path = join(scratch(), "lists.arrow");
    const type = new List(new Field("item", new Float32(), true));
    const vector = vectorFromArray(rows, type);
    // the library leaves the schema's message out of files; what is between the marks of one is a stream
    const stream = tableToIPC(new ArrowTable({ flux: vector }), "stream");
    writeFileSync(path, Buffer.concat([Buffer.from("ARROW1\0\0"), stream, Buffer.from("ARROW1")]));
    const { flux } = await truthOf(await openTable(path));
    expect(flux).toEqual({ type: "float32", width: 5, values: padded });
  });

  it("in Parquet take that of the longest of all rows, not of the first", async () => {
    const path = join(scratch(), "lists.parquet");
    const many = Array.from({ length: 120 }, () => [1, 2]);
    const writer = new ParquetWriter({
      writer: fileWriter(path),
      schema: parquetElements([{ name: "flux", type: "float32", width: 2 }]),
    });
    await writer.write({ columnData: [{ name: "flux", data: [...many, ...rows] }] });
    await writer.finish();
    const { flux } = await truthOf(await openTable(path));
    expect(flux.width).toBe(5);
    expect(flux.values.slice(600)).toEqual(padded);
  });
});
