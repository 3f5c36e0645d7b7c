import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { formats, openTable, writeTable } from "../../src/io/formats.ts";
import type { Column, Format, Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import type { Rng } from "../../src/random.ts";
import { everyType, golden, headerOf, scratch } from "./truth.ts";

/**
 * Mutants of each file; `CALEIDO_FUZZ=2000` for the long run, `CALEIDO_FUZZ_LOG=file` for a line on each file. HDF5
 * gets fewer in the short run: an error there costs a thread.
 */
const MUTANTS = Number(process.env["CALEIDO_FUZZ"] ?? 80);
const MUTANTS_HDF5 = Number(process.env["CALEIDO_FUZZ"] ?? 30);
/** Milliseconds of processor time, and bytes, that one mutant may take. */
const MOST_TIME = 2000;
const MOST_MEMORY = 2 ** 30;

const folder = scratch();
const all: readonly Format[] = Object.values(formats);

async function readRows(path: string): Promise<number> {
  const source = await openTable(path);
  try {
    let rows = 0;
    for await (const table of source.batches()) {
      for (const { data, width, name } of table.columns) {
        if (data.length !== table.rowCount * width) throw new Error(`column ${name} has ${data.length} values`);
      }
      rows += table.rowCount;
    }
    if (source.rowCount !== undefined && source.rowCount !== rows) {
      throw new Error(`${rows} rows came, ${source.rowCount} were promised`);
    }
    return rows;
  } finally {
    await source.close();
  }
}

/** What reading a damaged file says: the one line of a UserError, or undefined when it could be read. */
async function complaint(path: string): Promise<string | undefined> {
  try {
    await readRows(path);
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError))
      throw new Error(`not a UserError: ${String((error as Error).stack)}`, { cause: error });
    expect(error.message).not.toContain("\n");
    expect(error.message.startsWith(path)).toBe(true);
    return error.message;
  }
}

/** The files that are damaged: one of ours per format, and those of other programs. */
async function originals(): Promise<{ name: string; bytes: Buffer }[]> {
  const files: { name: string; bytes: Buffer }[] = [];
  for (const { name, extensions, write } of all) {
    if (!write) continue;
    const path = join(folder, `whole${extensions[0]}`);
    await writeTable(path, headerOf(everyType()), [everyType(), everyType()]);
    files.push({ name: `${name}${extensions[0]}`, bytes: readFileSync(path) });
  }
  const others = [
    "kinds.fits",
    "small.fits.gz",
    "tables.fits",
    "savetxt.csv",
    "nometa.ecsv",
    "identifiers_delta1.parquet",
    "identifiers_delta2.parquet",
    "pyarrow_zstd.parquet",
    "pyarrow_v1.parquet",
    "pyarrow.arrow",
    "tabledata.vot",
    "binary.vot",
    "kinds.h5",
    "frame_fixed.h5",
    "frame_table.h5",
    "astropy.h5",
  ];
  for (const name of others) files.push({ name, bytes: readFileSync(golden(name)) });
  return files;
}

/** Small tables of the kinds that people have trouble with, as text. */
const texts: Record<string, string> = {
  "hash.csv": 'object_id,J0500,J0500_err\n"#7",18.5,0.7\n# a note\nc,22,1.5\n',
  "none.csv": "object_id,rSDSS,rSDSS_err\na,20.5,0.02\nb,99.0,99.0\nc,-99.999,0\nd,,\n",
  "extreme.csv": "object_id,J0500,J0500_err\na,12,0.5\nb,0,1e30\nc,-1e-300,4e5\nd,inf,nan\n",
  "zeros.csv": "object_id,J0500\n007,1\n1234.10,2\n1E5,3\n18446744073709551615,4\n",
  "plain.ecsv": [
    "# %ECSV 1.0",
    "# ---",
    "# datatype:",
    "# - {name: object_id, datatype: string}",
    "# - {name: J0500, unit: uJy, datatype: float64}",
    "# schema: astropy-2.0",
    "object_id J0500",
    "a 12.5",
    '"b c" ""',
    "",
  ].join("\n"),
  "vizier.tsv":
    "#RESOURCE=yCat\n#Column\tz\t(F8.5)\nz\tJmag\n\tmag\n--------\t------\n 0.12345\t15.123\n        \t14.5\n",
};

/** A table of magnitudes and fluxes whose units take understanding, in FITS. */
async function unitsInFits(): Promise<Buffer> {
  const path = join(folder, "units.fits");
  const floats = (name: string, unit: string) =>
    ({ name, type: "float32", width: 1, unit, data: Float32Array.of(12.5, 99.999, NaN) }) as const;
  const columns: Column[] = [
    { name: "ID", type: "string", width: 1, data: ["0012", "1E5", "#1"] },
    floats("J_MAG", "mag"),
    floats("J_FLUX", "10**-17 ergs/s/cm2/\\AA"),
  ];
  const table: Table = { rowCount: 3, columns, metadata: {} };
  await writeTable(path, headerOf(table), [table]);
  return readFileSync(path);
}

/** Inputs of people's own reports, where this machine has them. */
const reported = join(
  process.env["CALEIDO_TEST_DATA"] ?? join(import.meta.dirname, "../../../shared/data"),
  "../cases",
);

/** What the long run damages besides: files too small to be cut in forty places. */
async function small(): Promise<{ name: string; bytes: Buffer }[]> {
  const own = Object.entries(texts).map(([name, text]) => ({ name, bytes: Buffer.from(text) }));
  const others = existsSync(reported)
    ? readdirSync(reported).map((name) => ({ name: `reported-${name}`, bytes: readFileSync(join(reported, name)) }))
    : [];
  return [...own, { name: "units.fits", bytes: await unitsInFits() }, ...others];
}

type Mutation = (bytes: Buffer, rng: Rng) => Buffer;
const mutations: Record<string, Mutation> = {
  truncated: (bytes, rng) => bytes.subarray(0, rng.integer(bytes.length)),
  "bit flipped": (bytes, rng) => {
    const at = rng.integer(bytes.length);
    bytes[at] ^= 1 << rng.integer(8);
    return bytes;
  },
  "bytes overwritten": (bytes, rng) => {
    const at = rng.integer(bytes.length);
    for (let i = at; i < Math.min(bytes.length, at + 8); i++) bytes[i] = rng.integer(256);
    return bytes;
  },
  "absurd number": (bytes, rng) => {
    const value = [0xffffffff, 0x7fffffff, 0x80000000, 0x10000000, 0][rng.integer(5)];
    const at = rng.integer(Math.max(1, bytes.length - 4));
    if (at + 4 <= bytes.length) bytes[rng.integer(2) === 0 ? "writeUInt32LE" : "writeUInt32BE"](value, at);
    return bytes;
  },
  "absurd digits": (bytes, rng) => {
    const start = rng.integer(bytes.length);
    const from = bytes.findIndex((byte, i) => i >= start && byte >= 48 && byte <= 57);
    for (let i = from; i >= 0 && i < bytes.length && bytes[i] >= 48 && bytes[i] <= 57; i++) bytes[i] = 57;
    return bytes;
  },
  "wrong type": (bytes, rng) => {
    // A letter of a header (TFORM, datatype, a type code) becomes another one.
    const start = rng.integer(bytes.length);
    const from = bytes.findIndex((byte, i) => i >= start && byte >= 65 && byte <= 90);
    if (from >= 0) bytes[from] = 65 + rng.integer(26);
    return bytes;
  },
  "part removed": (bytes, rng) => {
    const at = rng.integer(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + rng.integer(200))]);
  },
  "part doubled": (bytes, rng) => {
    const at = rng.integer(bytes.length);
    const end = Math.min(bytes.length, at + 1 + rng.integer(200));
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
  },
  "digits changed": (bytes, rng) => {
    const start = rng.integer(bytes.length);
    for (let i = start; i < bytes.length; i++) {
      if (bytes[i] >= 48 && bytes[i] <= 57) {
        bytes[i] = 48 + rng.integer(10);
        break;
      }
    }
    return bytes;
  },
};

describe("damaged files", () => {
  it("cut short anywhere are an error, save where only padding or a whole record is gone", async () => {
    for (const { name, bytes } of await originals()) {
      const path = join(folder, `short-${name}`);
      let complaints = 0;
      const cuts = Array.from({ length: 40 }, (_, i) => Math.floor((bytes.length * i) / 40));
      for (const cut of cuts) {
        writeFileSync(path, bytes.subarray(0, cut));
        if ((await complaint(path)) !== undefined) complaints++;
      }
      // Text can end at any line, and the last block of a FITS table can be padding (of each of several small ones).
      const least = name.includes("csv") ? 15 : name === "tables.fits" ? 20 : name.includes("fits") ? 30 : 40;
      expect(complaints, name).toBeGreaterThanOrEqual(least);
    }
  });

  it("of every kind never crash, hang, or ask for a giant's memory", { timeout: 4 * 3_600_000 }, async () => {
    const rng = createRng("fuzz");
    const kinds = Object.entries(mutations);
    const wrong: string[] = [];
    let mutants = 0;
    for (const { name, bytes } of [...(await small()), ...(await originals())]) {
      const path = join(folder, `mutant-${name}`);
      const most = name.endsWith(".h5") ? MUTANTS_HDF5 : MUTANTS;
      const began = performance.now();
      const before = wrong.length;
      let complaints = 0;
      let longest = 0;
      let largest = 0;
      for (let i = 0; i < most; i++) {
        const [kind, mutate] = kinds[i % kinds.length];
        writeFileSync(path, mutate(Buffer.from(bytes), rng));
        const memory = process.memoryUsage();
        const cpu = process.cpuUsage();
        const place = `${name}, mutant ${i} (${kind})`;
        const said = await complaint(path).catch((error: unknown) => void wrong.push(`${place}: ${String(error)}`));
        const { user, system } = process.cpuUsage(cpu);
        const after = process.memoryUsage();
        const grown = after.rss + after.heapTotal - memory.rss - memory.heapTotal;
        const time = (user + system) / 1000;
        if (time >= MOST_TIME) wrong.push(`${place}: ${time} ms: ${said}`);
        if (grown >= MOST_MEMORY) wrong.push(`${place}: ${grown} bytes: ${said}`);
        longest = Math.max(longest, time);
        largest = Math.max(largest, grown);
        if (said !== undefined) complaints++;
      }
      mutants += most;
      expect(complaints, name).toBeGreaterThan(most / 20);
      const seconds = (performance.now() - began) / 1000;
      const log = process.env["CALEIDO_FUZZ_LOG"];
      if (log !== undefined) {
        const line = `${name} ${most} mutants ${complaints} errors ${seconds.toFixed(1)} s, worst ${longest.toFixed(0)} ms ${(largest / 1e6).toFixed(0)} MB`;
        appendFileSync(log, [line, ...wrong.slice(before), ""].join("\n"));
      }
    }
    expect(wrong).toEqual([]);
    expect(mutants).toBeGreaterThanOrEqual(2000);
  });

  it("say where", async () => {
    const csv = join(folder, "where.csv");
    const expectLine = async (text: string, line: RegExp): Promise<void> => {
      writeFileSync(csv, text);
      expect(await complaint(csv)).toMatch(line);
    };
    await expectLine("# a note\na,b\n1,2\n3\n", /where\.csv:4: 1 cells, expected 2 as in the header/);
    await expectLine(`a,b\n${"1,2\n".repeat(300_000)}1,x\n`, /where\.csv:300002: column "b": "x" is not a number/);
    await expectLine('a,b\n1,2\n"3,4\n', /where\.csv:3: .*quote/);
    await expectLine("# only comments\n", /empty, expected a header line/);
    const vectors = '"1 2 3",1\n'.repeat(9);
    await expectLine(`a,b\n${vectors}"1 2",1\n`, /where\.csv:11: column "a": "1 2" is not 3 numbers \(it has 2\)/);
    await expectLine(
      "# type a = int16\na\n70000\n",
      /where\.csv:3: column "a": "70000" is not a whole number from -32768 to 32767/,
    );
    const fits = join(folder, "where.fits");
    const bytes = readFileSync(golden("kinds.fits"));
    writeFileSync(fits, bytes.subarray(0, bytes.length - 2880 * 3));
    expect(await complaint(fits)).toMatch(/where\.fits: truncated: .*ends at 14400/);
    const noRows: Table = { ...everyType(), rowCount: 0, columns: [] };
    await expect(writeTable(join(folder, "no.xyz"), headerOf(noRows), [])).rejects.toThrow(
      /unknown table format ".xyz"/,
    );
  });
});
