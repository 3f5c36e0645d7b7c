import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, test } from "vitest";
import type { Evaluation } from "../../src/inference/evaluation.ts";
import { caleido, ENGINE, expectMistake, type Fixture, fixture, newFolder, readTable, succeed } from "./cli.ts";

let shared: Fixture;
let folder: string;
beforeAll(async () => {
  shared = await fixture();
  folder = newFolder("method");
  const simulate = (...args: string[]): Promise<unknown> => succeed(["simulate", "--no-report", ...args], folder);
  await simulate("--n", "3000", "--seed", "library", "--fluxes", "clean", "--out", "clean.parquet");
  await simulate("--n", "40", "--seed", "asked", "--out", "cat.parquet");
}, 240_000);

const ask = (...args: string[]): string[] => ["query", "cat.parquet", "--checkpoint", shared.run, ...ENGINE, ...args];
const WANT = ["--given", "bands", "--want", "z,LOGM"];
const WITH = ["--library", "clean.parquet"];

describe("--method", () => {
  test("library: answers, how good they are, and draws", async ({ expect }) => {
    const out = ["--samples", "5", "--out", "library.parquet"];
    const { stderr } = await succeed(ask(...WANT, ...WITH, "--method", "library", ...out), folder);
    expect(stderr).toContain("clean.parquet: library of 3,000 galaxies");
    const answers = await readTable(join(folder, "library.parquet"));
    const truth = (await readTable(join(folder, "cat.parquet"))).numbers("z");
    const off = answers.numbers("z_median").map((z, i) => Math.abs(z - truth[i]) / (1 + truth[i]));
    // 3,000 galaxies are a thin library, and still far better than the network of a moment
    expect(off.toSorted((a, b) => a - b)[20]).toBeLessThan(0.03);
    for (const state of answers.texts("library_state")) expect(["ok", "sparse"]).toContain(state);
    expect(answers.numbers("library_bands").every((count) => count >= 2 && count <= 62)).toBe(true);
    const samples = answers.numbers("z_samples");
    expect(samples).toHaveLength(40 * 5);
    expect(samples.every((z) => z >= 0 && z < 7)).toBe(true);
  });

  test("library: needs no network, and answers the same without", async ({ expect }) => {
    await succeed(ask(...WANT, ...WITH, "--method", "library", "--out", "with.parquet"), folder);
    const bare = ["query", "cat.parquet", ...WANT, ...WITH, "--method", "library", ...ENGINE];
    const { stderr } = await succeed([...bare, "--out", "without.parquet"], folder);
    expect(stderr).not.toContain("Error");
    const [own, other] = await Promise.all(
      ["with", "without"].map((name) => readTable(join(folder, `${name}.parquet`))),
    );
    expect(other.schema.map(({ name }) => name)).toEqual(own.schema.map(({ name }) => name));
    for (const name of ["z_median", "LOGM_median", "library_ess", "library_chi2"]) {
      own.numbers(name).forEach((x, i) => expect(Math.abs(other.numbers(name)[i] - x)).toBeLessThan(1e-3 * (1 + x)));
    }
  });

  test("library: where it is too thin the answer says so, and is no spike", async ({ expect }) => {
    await succeed(ask(...WANT, ...WITH, "--method", "library", "--model-error", "0", "--out", "thin.parquet"), folder);
    const answers = await readTable(join(folder, "thin.parquet"));
    const state = answers.texts("library_state");
    expect(state).toContain("sparse");
    answers.numbers("library_ess").forEach((size, i) => expect(state[i]).toBe(size < 10 ? "sparse" : "ok"));
    const [low, high] = ["z_q05", "z_q95"].map((name) => answers.numbers(name));
    state.forEach((one, i) => {
      if (one === "sparse") expect(high[i] - low[i]).toBeGreaterThan(1e-4);
    });
  });

  test("both: the network's answers as they are without, the library's beside them", async ({ expect }) => {
    await succeed(ask(...WANT, "--out", "network.parquet"), folder);
    await succeed(ask(...WANT, ...WITH, "--method", "both", "--out", "both.parquet"), folder);
    const [network, both] = await Promise.all(
      ["network", "both"].map((name) => readTable(join(folder, `${name}.parquet`))),
    );
    for (const { name } of network.schema) expect(both.texts(name)).toEqual(network.texts(name));
    const half = (prefix: string, i: number): number =>
      0.5 * (both.numbers(`${prefix}z_q84`)[i] - both.numbers(`${prefix}z_q16`)[i]);
    const [own, other] = ["", "library_"].map((prefix) => both.numbers(`${prefix}z_median`));
    both.numbers("z_disagreement").forEach((sigma, i) => {
      expect(sigma).toBeCloseTo((other[i] - own[i]) / Math.hypot(half("", i), half("library_", i)), 3);
    });
  });

  test("evaluate: the gap to the library by field and signal-to-noise", async ({ expect }) => {
    const args = ["--part", "all", "--questions", "contexts", "--out", "evaluation", ...ENGINE];
    const { stdout } = await succeed(["evaluate", "cat.parquet", "--checkpoint", shared.run, ...WITH, ...args], folder);
    expect(stdout).toContain("CRPS above the library's");
    const { questions } = JSON.parse(readFileSync(join(folder, "evaluation", "metrics.json"), "utf8")) as Evaluation;
    expect(Object.keys(questions)).toContain("30 random bands");
    const { gaps, scores } = questions["all 60 bands"];
    expect(Object.keys(gaps!)).toEqual(["z", "LOGM", "HALPHA_EW"]);
    expect(gaps!.z.crps.value).toBeCloseTo(scores.z.caleido.crps!.value / scores.z.library.crps!.value - 1, 6);
    expect(gaps!.z.crps.low).toBeLessThanOrEqual(gaps!.z.crps.high);
  });

  test("what is no library, or not asked for, is told in a line", async () => {
    const wrong = async (args: string[], ...patterns: RegExp[]): Promise<void> =>
      expectMistake(await caleido(ask(...WANT, ...args), folder), ...patterns);
    await wrong(["--method", "both"], /expected --library/);
    await wrong(WITH, /--library: not used by the network/);
    await wrong([...WITH, "--method", "library", "--amplitude", "bright"], /--amplitude bright: expected free/);
    await wrong([...WITH, "--method", "library", "--model-error", "-1"], /model error -1: expected a fraction/);
    await wrong(["--library", "cat.parquet", "--method", "library"], /cat\.parquet: not clean/);
    const simulate = (out: string, ...args: string[]): Promise<unknown> =>
      succeed(["simulate", "--no-report", "--seed", "a", "--out", out, ...args], folder);
    await simulate("few.parquet", "--fluxes", "clean", "--n", "60");
    await wrong(["--library", "few.parquet", "--method", "library"], /few\.parquet: 60 clean galaxies, expected 1000/);
    await simulate("other.parquet", "--fluxes", "clean", "--survey", "lsst", "--band", "rLSST", "--n", "1200");
    await wrong(["--library", "other.parquet", "--method", "library"], /other\.parquet: none of the bands of minijpas/);
    expectMistake(
      await caleido(
        [
          "query",
          "cat.parquet",
          "--given",
          "bands",
          "--want",
          "z",
          "--method",
          "library",
          "--library",
          "other.parquet",
        ],
        folder,
      ),
      /cat\.parquet: none of what is given \(.*\) is in it; the library is one of lsst/,
    );
    await simulate("aperture.parquet", "--n", "60", "--aperture", "3", "--seeing", "own");
    const about = (...args: string[]): string[] => ["query", "aperture.parquet", ...WANT, ...WITH, ...args, ...ENGINE];
    const alone = ["--method", "library"];
    expectMistake(
      await caleido(about(...alone), folder),
      /aperture\.parquet: aperture fluxes, expected total ones as the library clean\.parquet has; --any-aperture/,
    );
    await succeed(about(...alone, "--any-aperture", "--out", "any.parquet"), folder);
  });
});
