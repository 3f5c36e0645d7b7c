import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  caleido,
  caleidoOnFullDisk,
  ENGINE,
  expectMistake,
  type Fixture,
  fixture,
  newFolder,
  succeed,
  TINY,
} from "./cli.ts";

let shared: Fixture;
let folder: string;

const at = (name: string): string => join(folder, name);
const query = (table: string, ...args: string[]): string[] => [
  "query",
  table,
  "--checkpoint",
  shared.run,
  "--want",
  "z",
  ...ENGINE,
  ...args,
];

const extensions = ["parquet", "csv", "fits", "arrow"];

beforeAll(async () => {
  shared = await fixture();
  folder = newFolder("mistakes");
  mkdirSync(at("folder.csv"));
  for (const extension of extensions) {
    await succeed(["simulate", "--n", "40", "--no-report", "--out", `whole.${extension}`], folder);
    cpSync(at(`whole.${extension}`), at(`cut.${extension}`));
    truncateSync(at(`cut.${extension}`), Math.floor(statSync(at(`cut.${extension}`)).size / 2));
  }
  const lines = readFileSync(at("whole.csv"), "utf8").split("\n");
  const header = lines.slice(0, lines.findIndex((line) => !line.startsWith("#")) + 1).join("\n");
  const files = {
    "file.txt": "words\n",
    "empty.csv": "",
    "header.csv": `${header}\n`,
    "foreign.csv": "name,size\nM31,3\n",
    "unit.csv": "# unit J0378 = parsec\nobject_id,J0378,J0378_err\n1,2,1\n",
    "typo.yaml": "survey: minijpas\nmodel:\n  dModl: 4\n",
    "broken.yaml": "survey: [minijpas\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(at(name), text);
  const damage = {
    "other-words": (run: string) => {
      const path = join(run, "tokenizer.json");
      writeFileSync(path, readFileSync(path, "utf8").replace('"J0400"', '"J0401"'));
    },
    "cut-weights": (run: string) => truncateSync(join(run, "model.safetensors"), 5000),
    "no-weights": (run: string) => writeFileSync(join(run, "model.safetensors"), ""),
    "no-config": (run: string) => writeFileSync(join(run, "config.json"), "{"),
  };
  for (const [name, harm] of Object.entries(damage)) {
    cpSync(join(shared.run, "checkpoint"), at(name), { recursive: true });
    harm(at(name));
  }
}, 240_000);

const train = (...args: string[]): string[] => ["pretrain", shared.simulations, ...TINY, "training.steps=3", ...args];
const ask = (...args: string[]): string[] => ["query", ...args, ...ENGINE];

/** What is typed, and what the one line must say. */
const mistakes: readonly (readonly [name: string, args: () => string[], ...says: RegExp[]])[] = [
  ["no verb", () => [], /expected a verb/],
  ["unknown verb", () => ["simulat"], /unknown verb "simulat" \(did you mean "simulate"\?\)/],
  ["unknown option", () => ["simulate", "--draw", "2", "--out", "a.csv"], /--draw \(did you mean "draws"\?\)/],
  ["option twice", () => ["simulate", "--n", "5", "--out", "a.csv", "--out", "b.csv"], /--out: given 2 times/],
  ["option without value", () => ["simulate", "--n", "5", "--out"], /--out: expected a value/],
  ["missing option", () => ["simulate", "--n", "5"], /out/],
  ["surplus word", () => ["simulate", "--out", "a.csv", "b.csv"], /unexpected argument "b\.csv"/],
  ["n below zero", () => ["simulate", "--n", "-5", "--out", "a.csv"], /--n: .*>0/],
  ["n zero", () => ["simulate", "--n", "0", "--out", "a.csv"], /--n: .*>0/],
  ["n no number", () => ["simulate", "--n", "abc", "--out", "a.csv"], /--n: expected a number/],
  [
    "option of models beside spectra",
    () => ["simulate", "--spectra", "whole.fits", "--faint", "20", "--out", "a.csv"],
    /--faint: .*without --spectra/,
  ],
  [
    "option of spectra without them",
    () => ["simulate", "--rescale", "rSDSS", "--out", "a.csv"],
    /--rescale: .*expected --spectra/,
  ],
  [
    "seeing of no aperture",
    () => ["simulate", "--seeing", "own", "--out", "a.csv"],
    /--seeing: of fluxes within an aperture, expected its diameter with it/,
  ],
  ["unknown survey", () => ["simulate", "--survey", "minijaps", "--out", "a.csv"], /"minijaps".*minijpas/],
  ["unknown extension", () => ["simulate", "--n", "5", "--out", "a.xyz"], /a\.xyz: .*"\.xyz".*\.parquet/],
  [
    "file in place of a folder",
    () => ["simulate", "--n", "5", "--out", "file.txt/a.csv"],
    /file\.txt.*expected a folder/,
  ],
  ["folder in place of a file", () => ["simulate", "--n", "5", "--out", "folder.csv"], /folder\.csv: .*is a folder/],
  [
    "spectrum that is none",
    () => ["simulate", "--spectra", "whole.parquet", "--out", "a.csv"],
    /whole\.parquet: .*FITS/,
  ],
  [
    "spectrum that is another table",
    () => ["simulate", "--spectra", "whole.fits", "--out", "a.csv"],
    /expected one of DESI coadd.*SDSS/,
  ],
  ["no folder", () => query("nowhere/"), /nowhere\/: no such folder; expected a table, or what caleido prepare wrote/],
  ["neither", () => query("nowhere"), /nowhere: no such file or folder/],
  ["a folder of something else", () => query("."), /\.: a folder without manifest\.json: not prepared/],
  ["no table", () => query("nowhere.parquet"), /nowhere\.parquet: .*no such file/],
  ["folder as table", () => query("folder.csv"), /folder\.csv: a folder without manifest\.json/],
  ["table of unknown kind", () => query("file.txt"), /file\.txt: unknown table format "\.txt"/],
  ["empty table", () => query("empty.csv"), /empty\.csv: empty file, expected a csv table/],
  ["header alone", () => query("header.csv"), /header\.csv: .*without rows/],
  ["table of something else", () => query("foreign.csv"), /foreign\.csv/],
  ["unit that doesn't convert", () => query("unit.csv"), /unit\.csv: .*J0378.*"parsec".*expected/],
  [
    "unknown field wanted",
    () => ask("whole.csv", "--checkpoint", shared.run, "--want", "HALPHA_WE"),
    /--want: .*"HALPHA_EW"/,
  ],
  [
    "unknown field given",
    () => query("whole.csv", "--given", "J0379..J0600"),
    /--given: .*"J0379" \(did you mean "J0378"/,
  ],
  ["range backwards", () => query("whole.csv", "--given", "J0600..J0378"), /runs backwards/],
  ["samples below zero", () => query("whole.csv", "--samples", "-1"), /--samples -1: expected a whole number/],
  [
    "dropout of a network without",
    () => query("whole.csv", "--mc-dropout", "20"),
    /--mc-dropout 20: the network was trained without dropout; expected one whose recipe has model\.dropout/,
  ],
  ["grid of one point", () => query("whole.csv", "--pdf", "--pdf-points", "1"), /--pdf-points 1: expected/],
  ["answers where no file can be", () => query("whole.csv", "--out", "file.txt/z.csv"), /file\.txt: .*a file is there/],
  [
    "simulations where no file can be",
    () => ["simulate", "--n", "9", "--no-report", "--out", "file.txt/z.csv"],
    /file\.txt: cannot be written: a file is there/,
  ],
  [
    "scores where no folder can be",
    () => ["evaluate", shared.simulations, "--checkpoint", shared.run, "--out", "file.txt/scores", ...ENGINE],
    /file\.txt\/scores: cannot be written: a file is there/,
  ],
  [
    "a page where no file can be",
    () => ["look", shared.simulations, "--out", "file.txt/z.html"],
    /file\.txt: cannot be written: a file is there/,
  ],
  [
    "shards where no folder can be",
    () => ["prepare", shared.simulations, "--out", "file.txt/parts"],
    /file\.txt\/parts: cannot be written: a file is there/,
  ],
  ["answers of unknown kind", () => query("whole.csv", "--out", "z.dat"), /z\.dat: unknown table format/],
  [
    "value that is none",
    () => ask("--checkpoint", shared.run, "--want", "z", "--set", "J0378=abc"),
    /J0378=abc: expected/,
  ],
  [
    "value given twice",
    () => ask("--checkpoint", shared.run, "--want", "z", "--set", "AV=1", "AV=2"),
    /AV is given twice/,
  ],
  ["value out of range", () => ask("--checkpoint", shared.run, "--want", "LOGM", "--set", "z=99"), /z is outside/],
  [
    "no checkpoint",
    () => ask("whole.csv", "--want", "z", "--checkpoint", "nowhere"),
    /nowhere: no checkpoint here; expected/,
  ],
  [
    "vocabulary of another network",
    () => ask("whole.csv", "--want", "z", "--checkpoint", "other-words"),
    /tokenizer\.json: .*J0401, expected J0400/,
  ],
  ["weights cut short", () => ask("whole.csv", "--want", "z", "--checkpoint", "cut-weights"), /model\.safetensors: /],
  ["weights empty", () => ask("whole.csv", "--want", "z", "--checkpoint", "no-weights"), /model\.safetensors: /],
  ["config damaged", () => ask("whole.csv", "--want", "z", "--checkpoint", "no-config"), /config\.json: not JSON/],
  [
    "recipe typo",
    () => ["pretrain", shared.simulations, "--recipe", "./typo.yaml"],
    /typo\.yaml:3:3: .*"dModl" \(did you mean "dModel"/,
  ],
  [
    "recipe that is no YAML",
    () => ["pretrain", shared.simulations, "--recipe", "./broken.yaml"],
    /broken\.yaml:\d+:\d+: /,
  ],
  [
    "unknown recipe",
    () => ["pretrain", shared.simulations, "--recipe", "quikstart"],
    /"quikstart" \(did you mean "quickstart"/,
  ],
  ["setting typo", () => train("--set", "model.nLayr=3"), /model\.nLayr=3.*"nLayr" \(did you mean "nLayer"/],
  ["setting of the wrong kind", () => train("--set", "model.nLayer=many"), /"model\.nLayer": .*expected number/],
  ["setting below a value", () => train("--set", "training.steps.x=3"), /training\.steps\.x/],
  ["setting without value", () => train("--set", "model.nLayer"), /expected key=value/],
  ["nothing to train on", () => ["pretrain", ...ENGINE], /no table given/],
  ["run folder in use", () => train("--out", shared.run), /holds a run already; --resume/],
  ["run folder that is a file", () => train("--out", "file.txt"), /file\.txt.*(not a folder|expected a folder)/],
  ["nothing to resume", () => ["pretrain", "--resume", "nowhere", ...ENGINE], /nowhere: no checkpoint here/],
  ["info of nothing", () => ["info", "nowhere"], /nowhere: no such file or folder/],
];

describe("a mistake is one line and exit code 1", () => {
  test.for(mistakes)("%s", { timeout: 120_000 }, async ([, args, ...says]) => {
    expectMistake(await caleido(args(), folder), ...says);
  });

  test.for(extensions)("truncated %s", { timeout: 120_000 }, async (extension) => {
    const cut = `cut.${extension}`;
    const result = await caleido(query(cut, "--out", `cut-answers-${extension}.csv`), folder);
    // half a CSV is a shorter CSV, unless it ends inside a row
    expectMistake(result, new RegExp(cut.replace(".", "\\.")));
    expect(existsSync(at(`cut-answers-${extension}.csv`))).toBe(false);
  });

  test.for(extensions)("full disk while writing %s", { timeout: 120_000 }, async (extension) => {
    const out = `full.${extension}`;
    const args = ["simulate", "--n", "200", "--out", out];
    expectMistake(
      await caleidoOnFullDisk(20, args, folder),
      new RegExp(`full\\.${extension}: cannot be written: .*(full|large)`),
    );
    expect(readdirSync(folder).filter((name) => name.startsWith(out))).toEqual([]);
  });

  test("full disk while training", { timeout: 120_000 }, async () => {
    const result = await caleidoOnFullDisk(100, train("--out", "full-run"), folder);
    expectMistake(result, /full-run.*cannot be written/);
    expect(existsSync(at("full-run/checkpoint"))).toBe(false);
  });
});
