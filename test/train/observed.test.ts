import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  adapt,
  finetune,
  loadRecipe,
  loadSurvey,
  prepare,
  pretrain,
  silent,
  simulate,
  writeTable,
} from "../../src/index.ts";
import { openTable } from "../../src/io/formats.ts";
import { createRng } from "../../src/random.ts";
import { ksDistance } from "../../src/report/statistics.ts";
import { type ObservationOptions, observationSchema } from "../../src/simulate/observation.ts";
import { State } from "../../src/survey/field.ts";
import { readWholeCatalog } from "../../src/survey/read.ts";
import { batchShape, drawBatch } from "../../src/tokens/batch.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { exportCheckpoint } from "../../src/train/export.ts";
import { readTrainingTable, type TrainingTable } from "../../src/train/tables.ts";
import { mean } from "../simulate/observed.ts";
import { onnx, smallSettings } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";

/** Tables of galaxies without noise, as training reads them. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const engine = await onnx;
const survey = loadSurvey("minijpas");
const n = survey.fields.length;
const optical = survey.fields.flatMap(({ band }, j) => (band === undefined || band.group === "uv" ? [] : [j]));
const at = (name: string): string => join(root, name);
const [clean, both, noisy] = ["clean.parquet", "both.parquet", "noisy.parquet"].map(at);
const prepared = at("prepared");

beforeAll(async () => {
  const one = { survey: "minijpas", n: 400, workers: 0, redshift: { max: 0.5 } };
  await simulate({ ...one, fluxes: "clean", out: clean });
  await simulate({ ...one, fluxes: "both", out: both });
  await simulate({ ...one, n: 60, out: noisy });
  await prepare({ tables: [clean], survey: "minijpas", out: prepared, rowsPerShard: 64 });
}, 240_000);

const usual = observationSchema.parse({});
const said: string[] = [];
const reporter = { ...silent, say: (line: string) => void said.push(line) };
const read = (path: string, isAsked = false, options = usual, more: object = {}): Promise<TrainingTable> =>
  readTrainingTable({ path, role: "train", observation: { options, isAsked }, ...more }, { survey, reporter });

/** Value, error and state of a row of the training part, for a stream. */
const rowOf = ({ parts: { train } }: TrainingTable, row: number, stream: string) => {
  const found = train.store.at(train.rows[row], createRng(stream));
  const of = (name: "value" | "error" | "state"): number[] =>
    Array.from(found.catalog[name].subarray(found.row * n, (found.row + 1) * n));
  return { value: of("value"), error: of("error"), state: of("state") };
};

const settings = [...smallSettings, "training.steps=4", "training.batch=8"];
const recipeWith = (...more: string[]) => loadRecipe("quickstart", [...settings, ...more]);

describe("what is trained on", () => {
  it("is observed anew where fluxes have no noise, as it is where they have, unless asked", async () => {
    const cases: readonly (readonly [string, boolean, boolean, RegExp | undefined])[] = [
      [clean, false, true, /clean\.parquet: fluxes without noise, observed anew in every batch$/],
      [both, false, false, /both\.parquet: fluxes with their noise; --observe draws it anew/],
      [both, true, true, /both\.parquet: fluxes without noise, observed anew/],
      [noisy, true, false, undefined],
      [prepared, false, true, /prepared: fluxes without noise, observed anew/],
    ];
    for (const [path, isAsked, isObserved, line] of cases) {
      said.length = 0;
      const table = await read(path, isAsked);
      expect(table.record.observation).toEqual(isObserved ? usual : undefined);
      expect(said.filter((one) => /noise/.test(one))).toEqual(
        line === undefined ? [] : [expect.stringMatching(line) as string],
      );
      const [a, b] = ["1", "2"].map((stream) => rowOf(table, 3, stream).value);
      const same = optical.filter((j) => a[j] === b[j] && a[j] !== 0);
      expect(same).toHaveLength(isObserved ? 0 : optical.filter((j) => a[j] !== 0).length);
      table.close();
    }
  });

  it("keeps everything but the bands and the dust in front, and has another light in an aperture", async () => {
    const options = observationSchema.parse({ aperture: { diameter: 3 } });
    const [table, plain] = [await read(clean, false, options), await readWholeCatalog(clean, survey)];
    expect([table.record.aperture, (await read(clean)).record.aperture]).toEqual(["psf-corrected", "total"]);
    const row = table.parts.train.rows[5];
    const { value, error, state } = rowOf(table, 5, "any");
    survey.fields.forEach(({ band, name }, j) => {
      if (band !== undefined) return;
      if (name === "EBV") expect([state[j], error[j] > 0, value[j] > 0]).toEqual([State.measured, true, true]);
      else
        expect([value[j], error[j], state[j]]).toEqual(
          [plain.catalog.value, plain.catalog.error, plain.catalog.state].map((all) => all[row * n + j]),
        );
    });
  });

  it("is distributed as what simulate writes: errors, pulls, states", async () => {
    const [table, written, truth] = [
      await read(clean),
      (await readWholeCatalog(both, survey)).catalog,
      (await readWholeCatalog(clean, survey)).catalog,
    ];
    const groups = {
      anew: { pulls: [], errors: [], states: [] },
      once: { pulls: [], errors: [], states: [] },
    } as Record<"anew" | "once", Record<"pulls" | "errors" | "states", number[]>>;
    const rng = createRng("distribution");
    for (const row of table.parts.train.rows) {
      const found = table.parts.train.store.at(row, rng);
      for (const [name, { catalog, row: own }] of [
        ["anew", found],
        ["once", { catalog: written, row }],
      ] as const) {
        for (const j of optical) {
          const [x, e, s] = [catalog.value, catalog.error, catalog.state].map((all) => all[own * n + j]);
          groups[name].states.push(s);
          if (s === 0) continue;
          groups[name].pulls.push((x - truth.value[row * n + j]) / e);
          groups[name].errors.push(Math.log(e));
        }
      }
    }
    const { anew, once } = groups;
    const missing = ({ states }: typeof anew): number => states.filter((s) => s === 0).length / states.length;
    // pulls of a row share its zero-points: some 320 independent rows, 1.36 sqrt(2 / 320) at 95 %
    expect(ksDistance(anew.pulls, once.pulls)).toBeLessThan(0.05);
    expect(ksDistance(anew.errors, once.errors)).toBeLessThan(0.03);
    expect(Math.abs(missing(anew) - 0.01)).toBeLessThan(0.008);
    expect(Math.abs(missing(once) - 0.01)).toBeLessThan(0.008);
  });
});

describe("batches of galaxies observed anew", () => {
  it("are functions of their stream, and have no noise twice", async () => {
    const table = await read(clean);
    const coder = createFieldCoder(survey.fields, table.standardise());
    const { subsets } = recipeWith();
    // one galaxy alone, always given whole: what differs is the noise
    const source = { ...table.parts.train, rows: table.parts.train.rows.slice(0, 1), weight: 1, isCalibrated: false };
    const sources = [{ ...source, labelled: source.rows }];
    const shape = batchShape(4, 4, { ...subsets, fullShare: 1, autoregressiveShare: 0 }, false);
    const draw = (step: number) =>
      drawBatch(coder, sources, { ...subsets, dropout: 0 }, shape, createRng(`1:step:${step}`));
    const first = draw(1);
    for (let step = 2; step < 5; step++) draw(step);
    expect(draw(1)).toStrictEqual(first);
    const seen = [1, 2, 3, 4, 5].flatMap((step) => {
      const { value } = draw(step);
      return [0, 1, 2, 3].map((b) => value.data[b * n + optical[20]]);
    });
    const given = seen.filter((x) => x !== 0);
    expect(given.length).toBeGreaterThan(15);
    expect(new Set(given).size).toBe(given.length);
  });

  it("are standardised by observed training rows", async () => {
    const [anew, once] = [await read(clean), await read(both)];
    const [a, b] = [anew.standardise(), once.standardise()];
    expect(anew.standardise()).toStrictEqual(a);
    const { catalog } = await readWholeCatalog(clean, survey);
    const exact = fitStandardisation(catalog, anew.parts.train.rows);
    // the same galaxies, other noise: what differs averages out over the bands
    const off = optical.map((j) => (a.fields[j].mean - b.fields[j].mean) / b.fields[j].deviation);
    const wider = optical.map((j) => a.fields[j].deviation / b.fields[j].deviation - 1);
    for (const differences of [off, wider]) {
      expect(Math.max(...differences.map(Math.abs))).toBeLessThan(0.2);
      expect(Math.abs(mean(differences))).toBeLessThan(0.03);
    }
    const faint = survey.fields.findIndex(({ name }) => name === "uJAVA");
    expect(a.fields[faint].deviation).toBeGreaterThan(1.1 * exact.fields[faint].deviation);
    const dust = survey.fields.findIndex(({ name }) => name === "EBV");
    expect(Math.abs(a.fields[dust].mean - 0.0213)).toBeLessThan(0.003);
  });

  it("come from a prepared folder, in memory or on disk, all the same", async () => {
    const wish = { path: prepared, role: "train" } as const;
    const [held, spilled] = [
      await readTrainingTable(wish, { survey, reporter: silent }),
      await readTrainingTable(wish, { survey, reporter: silent, memory: 0 }),
    ];
    for (const row of [0, 7, 3]) expect(rowOf(spilled, row, "disk")).toStrictEqual(rowOf(held, row, "disk"));
    expect(rowOf(held, 0, "a")).not.toStrictEqual(rowOf(held, 0, "b"));
    expect(spilled.standardise()).toStrictEqual(held.standardise());
    for (const one of [held, spilled]) one.close();
  });
});

/** The table without noise once more, as if it said something else of how it was made. */
async function rewrite(path: string, metadata: Readonly<Record<string, string>>): Promise<void> {
  const source = await openTable(clean);
  await writeTable(path, { schema: source.schema, metadata: { ...source.metadata, ...metadata } }, source.batches());
  await source.close();
}

describe("a run", () => {
  const observationOf = (run: string): ObservationOptions | undefined => loadCheckpoint(run).config.data[0].observation;

  it("records how it observed; networks that go on from it observe so, too", async () => {
    const [first, small, tuned, moved] = ["first", "small", "tuned", "moved"].map(at);
    const recipe = recipeWith("observation.modelError.smooth=0.02");
    await pretrain({ engine, data: [prepared], recipe, out: first });
    const options = observationSchema.parse({ modelError: { smooth: 0.02 } });
    expect(observationOf(first)).toEqual(options);
    await exportCheckpoint(loadCheckpoint(first), small);
    expect(observationOf(small)).toEqual(options);
    await finetune({ engine, init: first, data: [clean], recipe: recipeWith(), out: tuned });
    expect(observationOf(tuned)).toEqual(options);
    await finetune({ engine, init: first, data: [both], recipe: recipeWith(), out: at("as-is") });
    expect(observationOf(at("as-is"))).toBeUndefined();
    const recipeOfMove = recipeWith("observation.systematics=0");
    await adapt({ engine, init: first, source: both, unlabelled: noisy, recipe: recipeOfMove, out: moved });
    const { data } = loadCheckpoint(moved).config;
    expect(data.map(({ observation }) => observation?.systematics)).toEqual([0, undefined]);
    expect(data[0].reading).toEqual({ layout: "clean" });
    expect(data[0].labels?.z).toBe("simulation");
    const log = readFileSync(join(first, "log.jsonl"), "utf8").trim().split("\n");
    expect(log.length).toBeGreaterThan(0);
  }, 120_000);

  it("says in one line what can't be observed", async () => {
    const run = { engine, recipe: recipeWith(), out: at("refused") };
    const asked = { ...run, recipe: recipeWith("observation={}") };
    await expect(pretrain({ ...asked, data: [noisy] })).rejects.toThrow(
      /noisy\.parquet: nothing to observe anew; expected fluxes without noise, as caleido simulate --fluxes clean/,
    );
    await expect(
      pretrain({ ...run, data: [clean], reading: { floors: [{ bands: "bands", fraction: 0.02 }] } }),
    ).rejects.toThrow(
      /clean\.parquet: fluxes without noise, observed anew: expected no --relative-error, --error-floor/,
    );
    await expect(adapt({ ...run, init: at("first"), source: clean, unlabelled: clean })).rejects.toThrow(
      /clean\.parquet: fluxes without noise, expected observed ones of the target/,
    );
    const curves = observationSchema.parse({ filters: "some/curves" });
    await expect(read(clean, false, curves)).rejects.toThrow(
      /clean\.parquet: .* made with parametric passbands, to be observed with the curves of curves: expected no observation\.filters/,
    );
    await expect(read(prepared, false, curves)).rejects.toThrow(/made with parametric passbands/);
    await rewrite(at("curves.parquet"), { filters: "OAJ" });
    await expect(read(at("curves.parquet"))).rejects.toThrow(
      /made with the curves of OAJ, to be observed with parametric passbands: expected observation\.filters, their folder/,
    );
    await rewrite(at("spectra.fits"), { spectra: "observed" });
    await expect(read(at("spectra.fits"))).rejects.toThrow(
      /spectra\.fits: .* of observed spectra, whose own is in them: expected/,
    );
    expect(() => recipeWith("observation.noiseScale=0")).toThrow(/observation\.noiseScale/);
    expect(() => recipeWith("observation.modelErr=1")).toThrow(/modelErr.*modelError/);
  });
});
