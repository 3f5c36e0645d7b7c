import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { loadRecipe } from "../../src/recipe.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { pretrain } from "../../src/train/verbs.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { at, withData } from "../simulate/data.ts";

const folder = scratch();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

withData("sdss-spectra", "fors2-spectra")("observed spectra", () => {
  it("train a network beside simulations, which it carries: the command of recipe jpas-sdss-desi", async () => {
    const [observed, clean] = ["observed", "clean"].map((name) => join(folder, `${name}.parquet`));
    const spectra = [at("sdss-spectra"), at("fors2-spectra/fors2-spectra.fits.gz")];
    const moved = { moveRedshift: [0.02, 0.8] as [number, number] };
    await simulate({ survey: "minijpas", out: observed, spectra, observed: moved, draws: 1, workers: 0 });
    await simulate({ survey: "minijpas", out: clean, n: 80, fluxes: "clean", workers: 0 });
    const brief = ["training.steps=2", "training.batch=4", "training.validateEvery=2", "model.nTemplate=32"];
    const recipe = loadRecipe("jpas-sdss-desi", brief, { verb: "pretrain" });
    const out = join(folder, "run");
    const { config, templates, state, population } = await pretrain({
      engine: await onnx,
      data: [observed, clean],
      recipe,
      out,
    });
    const count = population!.fields.z.trained.reduce((sum, one) => sum + one, 0);
    expect(count).toBeGreaterThan(0.7 * (80 + 412)); // the training parts of both
    expect(config.data.map(({ observation }) => observation !== undefined)).toStrictEqual([false, true]);
    expect(templates?.count).toBe(32);
    expect(state.average.every(Number.isFinite)).toBe(true);
  }, 300_000);
});
