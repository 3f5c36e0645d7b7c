import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, test } from "vitest";
import {
  createEngine,
  createPredictor,
  loadCheckpoint,
  loadRecipe,
  type Predictor,
  readWholeCatalog,
} from "../../src/index.ts";
import { caleido, ENGINE, expectMistake, newFolder, readTable, succeed } from "./cli.ts";

const NAME = "caleido-jpas";
const shipped = fileURLToPath(new URL(`../../checkpoints/${NAME}`, import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = newFolder("shipped");
  const bright = ["--faint", "19", "--zero-point-scale", "0", "--systematics", "0"];
  await succeed(["simulate", "--n", "60", "--seed", "asked", ...bright, "--no-report", "--out", "cat.parquet"], folder);
}, 120_000);

const ask = (...args: string[]): string[] => ["query", "cat.parquet", "--want", "z,LOGM", ...ENGINE, ...args];

describe("the network that comes with the package", () => {
  it("is small, explains itself, and is what its recipe makes", () => {
    const sizes = readdirSync(shipped).map((file) => statSync(join(shipped, file)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(20e6);
    const card = readFileSync(join(shipped, "README.md"), "utf8");
    for (const heading of ["## Scores", "## Limits", "## Licence and citation"]) expect(card).toContain(heading);
    expect(readFileSync(join(shipped, "log.jsonl"), "utf8")).toMatch(/"validation":/);
    const { survey, model, subsets, optimiser, training } = loadRecipe("jpas");
    const { config } = loadCheckpoint(NAME);
    expect(config).toMatchObject({ model, subsets, optimiser, training, step: training.steps });
    expect(config.survey.name).toBe(survey);
  });

  it("knows bright galaxies, and answers a function as it answers the command line", async () => {
    const engine = await createEngine({ threads: 1 });
    const checkpoint = loadCheckpoint(NAME);
    const predictor: Predictor = createPredictor(engine, checkpoint);
    const { catalog } = await readWholeCatalog(join(folder, "cat.parquet"), checkpoint.config.survey);
    const { z } = await predictor.ask(catalog, { want: "z,LOGM" });
    await predictor.dispose();
    await engine.dispose();
    await succeed(ask("--out", "own.parquet"), folder);
    const [cat, own] = await Promise.all(["cat", "own"].map((name) => readTable(join(folder, `${name}.parquet`))));
    own.numbers("z_median").forEach((median, i) => expect(median).toBeCloseTo(z.median[i], 4));
    const off = cat.numbers("z").map((truth, i) => Math.abs(z.median[i] - truth) / (1 + truth));
    expect(off.toSorted((a, b) => a - b)[30]).toBeLessThan(0.02);
  });
});

describe("where no checkpoint is named", () => {
  test("query asks it, and says so on the terminal and in the table", async ({ expect }) => {
    const { stderr } = await succeed(ask("--out", "unnamed.parquet"), folder);
    expect(stderr).toContain(`${NAME}, the network that comes with Caleido, answers`);
    const named = await succeed(ask("--checkpoint", NAME, "--out", "named.parquet"), folder);
    expect(named.stderr).not.toContain("answers");
    const [a, b] = await Promise.all(["unnamed", "named"].map((name) => readTable(join(folder, `${name}.parquet`))));
    for (const { metadata } of [a, b]) expect(metadata.checkpoint).toBe(NAME);
    for (const { name } of a.schema) expect(b.texts(name)).toEqual(a.texts(name));
  });

  test("one galaxy by its values", async ({ expect }) => {
    const values = ["--set", "gSDSS=80+-3", "rSDSS=120+-3", "iSDSS=140+-3"];
    const { stdout } = await succeed(["query", ...values, "--want", "z,CLASS", ...ENGINE], folder);
    expect(stdout).toMatch(/query[^\d]+[\d.e-]+ \([\d.e-]+ \.\. [\d.e-]+\)[^\w]+\w+ \([\d.e-]+\)/);
  });

  test("evaluate scores it", async ({ expect }) => {
    const args = ["evaluate", "cat.parquet", "--part", "all", "--questions", "contexts", "--out", "scores", ...ENGINE];
    const { stdout } = await succeed(args, folder);
    expect(stdout).toMatch(/z[^\w]+caleido/);
    const metrics = readFileSync(join(folder, "scores", "metrics.json"), "utf8");
    expect(JSON.parse(metrics)).toMatchObject({ checkpoint: NAME, rows: 60 });
    await succeed(["export", "--checkpoint", NAME, "--scores", "scores/metrics.json", "--out", "copy"], folder);
    const card = readFileSync(join(folder, "copy", "README.md"), "utf8");
    const rows = [...card.matchAll(/^\| (.+) \|$/gm)].map(([, row]) => row.split(/ (?<!\\)\| /));
    expect(rows.length).toBe(2 + 6);
    for (const row of rows) expect(row).toHaveLength(rows[0].length);
    expect(rows[0][1]).toBe("network, z: sigma_NMAD / outliers \\|dz\\| > 0.03");
    expectMistake(
      await caleido(["export", "--checkpoint", NAME, "--scores", "copy/config.json", "--out", "no"], folder),
      /copy\/config\.json: no scores here; expected metrics\.json/,
    );
  });

  test("info describes it", async ({ expect }) => {
    const [own, named] = await Promise.all([succeed(["info"], folder), succeed(["info", NAME], folder)]);
    expect(own.stdout).toContain(NAME);
    expect(own.stdout).toMatch(/step[^\d]+\d+ of \d+/);
    expect(named.stdout).toBe(own.stdout);
  });
});

describe("its name", () => {
  test("is enough to start from", async ({ expect }) => {
    const tiny = ["--set", "training.steps=1", "training.batch=4", "training.nTarget=2"];
    await succeed(["finetune", "cat.parquet", "--init", NAME, "--out", "tuned", ...ENGINE, ...tiny], folder);
    expect(loadCheckpoint(join(folder, "tuned")).layout.total).toBe(loadCheckpoint(NAME).layout.total);
  });

  test("is no folder's of one's own, and is never trained on", async () => {
    mkdirSync(join(folder, "empty", NAME), { recursive: true });
    const inside = join(folder, "empty");
    const values = ["--set", "rSDSS=120+-3", "--want", "z", ...ENGINE];
    await succeed(["query", ...values], inside);
    const mistakes = [
      {
        args: ["query", ...values, "--checkpoint", `./${NAME}`],
        says: /^caleido: \.\/caleido-jpas: no checkpoint here/,
      },
      { args: ["pretrain", "--resume", NAME, ...ENGINE], says: /caleido-jpas: no checkpoint here/ },
      {
        args: ["query", ...values, "--checkpoint", "caleido-jpa"],
        says: /caleido-jpa: no checkpoint here; expected .*comes along: caleido-jpas/,
      },
      {
        args: ["repair", "../cat.parquet", "--checkpoint", NAME, "--out", "x.parquet"],
        says: /caleido-jpas: .*zero-points/,
      },
    ];
    for (const { args, says } of mistakes) expectMistake(await caleido(args, inside), says);
  });
});
