import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { version } from "../src/version.ts";
import { caleido as run, type Result, start } from "./commands/cli.ts";

/** The verbs that other programs and papers rely on. */
const verbs = [
  "quickstart",
  "simulate",
  "look",
  "prepare",
  "pretrain",
  "finetune",
  "adapt",
  "advise",
  "calibrate",
  "population",
  "query",
  "repair",
  "evaluate",
  "export",
  "datasets",
  "info",
];

let folder = "";

const caleido = (...args: string[]): Promise<Result> => run(args, folder);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "caleido-cli-"));
  writeFileSync(join(folder, "empty.csv"), "");
  writeFileSync(join(folder, "bands.csv"), "object_id,J0378,J0378_err\n1,2.0,0.1\n");
  writeFileSync(join(folder, "typo.yaml"), "model:\n  nLayers: 3\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("caleido", () => {
  it("lists exactly its verbs", async () => {
    const { code, stdout } = await caleido("--help");
    expect(code).toBe(0);
    const listed = [...stdout.matchAll(/^ {2}caleido (\w+)/gm)].map((match) => match[1]);
    expect(listed.sort()).toEqual([...verbs, "completion"].sort());
  });

  it("says its version", async () => {
    expect(await caleido("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  it.each(verbs)("%s --help prints the usage", async (verb) => {
    const { code, stdout, stderr } = await caleido(verb, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^caleido ${verb}\\b`));
    expect(stdout).toContain("Options:");
  });
});

/** Mistakes of the user, and what the one line that answers them must hold. */
const mistakes: readonly { readonly args: readonly string[]; readonly says: RegExp }[] = [
  { args: [], says: /expected a verb/ },
  { args: ["querry"], says: /query/ },
  { args: ["paint"], says: /paint|verb/ },
  { args: ["simulate", "--out", "sims.csv", "--frobnicate"], says: /frobnicate/ },
  { args: ["simulate"], says: /out/ },
  { args: ["simulate", "--n", "abc", "--out", "sims.csv"], says: /\bn\b.*number/ },
  { args: ["simulate", "--n", "2", "--out", "sims.doc"], says: /sims\.doc.*parquet/ },
  { args: ["simulate", "--n", "2", "--survey", "minijpax", "--out", "sims.csv"], says: /minijpax.*minijpas/ },
  { args: ["datasets", "minijpax"], says: /minijpax.*minijpas/ },
  { args: ["prepare", "nowhere.parquet", "--out", "parts"], says: /nowhere\.parquet/ },
  { args: ["prepare", "empty.csv", "--out", "parts"], says: /empty\.csv/ },
  { args: ["pretrain", "nowhere.parquet"], says: /nowhere\.parquet/ },
  { args: ["pretrain", "bands.csv", "--recipe", "nowhere.yaml"], says: /nowhere\.yaml/ },
  { args: ["pretrain", "bands.csv", "--recipe", "typo.yaml"], says: /typo\.yaml:2:3.*nLayer\b/ },
  { args: ["pretrain", "bands.csv", "--set", "model.nLayers=3"], says: /nLayer\b/ },
  { args: ["pretrain", "--resume", "nowhere"], says: /nowhere/ },
  { args: ["finetune", "bands.csv", "--init", "nowhere"], says: /nowhere/ },
  { args: ["adapt", "--init", "nowhere", "--source", "bands.csv", "--unlabelled", "bands.csv"], says: /nowhere/ },
  {
    args: ["adapt", "--init", "nowhere", "--labelled", "bands.csv", "--budget", "0,some"],
    says: /--budget 0,some: expected/,
  },
  { args: ["adapt", "--init", "nowhere", "--budget", "0"], says: /labelled/ },
  { args: ["adapt", "--init", "nowhere", "--labelled", "bands.csv", "--budget", "0"], says: /nowhere/ },
  { args: ["query", "bands.csv", "--checkpoint", "nowhere", "--want", "z"], says: /nowhere/ },
  {
    args: ["query", "bands.csv", "--checkpoint", "nowhere", "--want", "z", "--qp-form", "hist"],
    says: /--qp-form: .*--qp/,
  },
  {
    args: ["query", "bands.csv", "--checkpoint", "nowhere", "--want", "z", "--keep", ","],
    says: /--keep: names no column/,
  },
  { args: ["repair", "bands.csv", "--checkpoint", "nowhere", "--out", "fixed.csv"], says: /nowhere/ },
  {
    args: ["repair", "bands.csv", "--checkpoint", "nowhere", "--out", "bands.csv"],
    says: /bands\.csv: is the table itself/,
  },
  { args: ["evaluate", "bands.csv", "--checkpoint", "nowhere"], says: /nowhere/ },
  { args: ["info", "nowhere"], says: /nowhere/ },
];

describe("a user's mistake", () => {
  it.each(mistakes)("caleido $args: one line, exit code 1", async ({ args, says }) => {
    const { code, stdout, stderr } = await caleido(...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const lines = stderr.trimEnd().split("\n");
    expect(lines.at(-1)).toMatch(/^caleido: /);
    expect(lines.at(-1)).toMatch(says);
    // Before it, at most the heading of what was begun: no stack, no usage text, no second message.
    expect(lines.slice(0, -1).filter((line) => !/^([A-Z][\w-]+)?$/.test(line))).toEqual([]);
  });

  it("is the same in a process of its own, which then ends", async () => {
    const { end } = await start(["querry"], folder);
    expect(await end).toEqual(await caleido("querry"));
    expect((await (await start(["--version"], folder)).end).code).toBe(0);
  });

  it("leaves nothing behind", () => {
    expect(readdirSync(folder).sort()).toEqual(["bands.csv", "empty.csv", "typo.yaml"]);
  });
});
