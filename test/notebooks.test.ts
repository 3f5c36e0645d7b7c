import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const execute = promisify(execFile);
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cli = join(root, "dist", "cli.js");
const notebooks = readdirSync(join(root, "notebooks")).filter((file) => file.endsWith(".ipynb"));

interface Notebook {
  readonly cells: readonly {
    readonly cell_type: string;
    readonly source: readonly string[];
    readonly outputs?: readonly unknown[];
  }[];
}

let folder = "";
const environment = () => ({ ...process.env, CALEIDO_CHECKPOINT: join(folder, "run") });

function read(file: string): Notebook {
  return JSON.parse(readFileSync(join(root, "notebooks", file), "utf8")) as Notebook;
}

/** All code cells as one module: like a kernel, one scope; after each cell its number is printed. */
function moduleOf({ cells }: Notebook): string {
  return cells
    .filter((cell) => cell.cell_type === "code")
    .map((cell, i) => {
      const text = cell.source.join("").replace(/(\sfrom\s+")(\.\.?\/[^"]+)"/g, (_, head: string, path: string) => {
        return `${head}${pathToFileURL(join(root, "notebooks", path)).href}"`;
      });
      return `${text}\n;console.log("cell ${i + 1} done");\n`;
    })
    .join("\n");
}

beforeAll(async () => {
  if (!existsSync(cli)) throw new Error("dist/cli.js is missing: run npm run build first");
  folder = mkdtempSync(join(tmpdir(), "caleido-notebooks-"));
  const at = { cwd: folder };
  await execute(process.execPath, [cli, "simulate", "--n", "600", "--out", "sims.parquet"], at);
  const brief = ["--recipe", "quickstart", "--set", "training.steps=20", "training.validateEvery=20"];
  await execute(process.execPath, [cli, "pretrain", "sims.parquet", ...brief, "--out", "run"], at);
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("notebooks", () => {
  it("exist", () => {
    expect(notebooks.length).toBeGreaterThan(0);
  });

  it.each(notebooks)("%s is stored without outputs", (file) => {
    expect(read(file).cells.flatMap((cell) => cell.outputs ?? [])).toEqual([]);
  });

  it.each(notebooks)(
    "%s runs from its first cell to its last",
    async (file) => {
      const notebook = read(file);
      const path = join(folder, file.replace(/\.ipynb$/, ".mjs"));
      writeFileSync(path, moduleOf(notebook));
      const { stdout } = await execute(process.execPath, [path], { cwd: folder, env: environment() });
      const count = notebook.cells.filter((cell) => cell.cell_type === "code").length;
      const done = [...stdout.matchAll(/^cell (\d+) done$/gm)].map((match) => Number(match[1]));
      expect(done).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    },
    180_000,
  );
});

describe("fine-tune.ts", () => {
  it("runs from its first line to its last, and draws what it says", async () => {
    const script = join(root, "notebooks", "fine-tune.ts");
    const options = [
      "--outDir",
      folder,
      "--target",
      "es2022",
      "--module",
      "nodenext",
      "--skipLibCheck",
      "--types",
      "node",
    ];
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
    await execute(process.execPath, [compiler, script, ...options, "--ignoreConfig"], { cwd: root });
    const path = join(folder, "fine-tune.mjs");
    const library = pathToFileURL(join(root, "dist", "index.js")).href;
    const code = readFileSync(join(folder, "fine-tune.js"), "utf8");
    writeFileSync(path, code.replace('"../dist/index.js"', JSON.stringify(library)));
    const env = { ...environment(), CALEIDO_STEPS: "20" };
    const { stdout } = await execute(process.execPath, [path], { cwd: folder, env });
    expect(stdout).toContain("new in the vocabulary: LOGMBH");
    expect(stdout).toMatch(/log M_BH \/ M\* of the first galaxy -?\d+\.\d\d/);
    expect(stdout).toMatch(/largest change of a redshift: 0\n/);
    expect(stdout).toMatch(/network before: 75 fields; now: 76/);
    expect(
      readFileSync(join(folder, "fine-tune", "redshifts.png"))
        .subarray(1, 4)
        .toString(),
    ).toBe("PNG");
  }, 180_000);
});
