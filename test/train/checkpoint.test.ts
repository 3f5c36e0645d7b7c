import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { writeTokenizerJson } from "../../src/tokens/tokenizer.ts";
import { type Checkpoint, loadCheckpoint, saveCheckpoint, stepFolder } from "../../src/train/checkpoint.ts";
import { formatConfig } from "../../src/train/config.ts";
import { readSafetensors, writeSafetensors } from "../../src/train/safetensors.ts";
import { perturb, startCheckpoint } from "../helpers/network.ts";
import { toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";
import { scratch } from "../helpers/scratch.ts";

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));

const tensors = {
  "a.matrix": { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, Number.NaN, 1e-40, -0) },
  "a.number": { shape: [], data: Float32Array.of(7) },
  nothing: { shape: [0, 4], data: new Float32Array(0) },
  Größe: { shape: [1], data: Float32Array.of(Number.MAX_VALUE) },
};

/** A file as the format's page documents it: header length, JSON, data. */
function handMade(header: unknown, data: Uint8Array, promised?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, promised ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

describe("safetensors", () => {
  it("reads back what it wrote, bit by bit", () => {
    const bytes = writeSafetensors(tensors, { note: "kept" });
    const { tensors: back, metadata } = readSafetensors(bytes, "f");
    expect(back).toStrictEqual(tensors);
    expect(metadata).toStrictEqual({ note: "kept" });
    expect(Object.is(back["a.matrix"].data[5], -0)).toBe(true);
  });

  it("writes the documented layout: aligned, contiguous, little endian", () => {
    const bytes = writeSafetensors({ x: { shape: [2], data: Float32Array.of(1, -2) } });
    const view = new DataView(bytes.buffer);
    const length = Number(view.getBigUint64(0, true));
    expect((8 + length) % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<string, unknown>;
    expect(header["x"]).toStrictEqual({ dtype: "F32", shape: [2], data_offsets: [0, 8] });
    expect([view.getFloat32(8 + length, true), view.getFloat32(12 + length, true)]).toStrictEqual([1, -2]);
    expect(bytes.length).toBe(16 + length);
  });

  it("reads a file made by hand, tensors in any order and at any alignment", () => {
    const data = new Uint8Array(12);
    const view = new DataView(data.buffer);
    [1.5, -8, 0.25].forEach((x, i) => view.setFloat32(4 * i, x, true));
    const header = {
      late: { dtype: "F32", shape: [1], data_offsets: [8, 12] },
      early: { dtype: "F32", shape: [1, 2], data_offsets: [0, 8] },
    };
    const { tensors: back } = readSafetensors(handMade(header, data), "f");
    expect(back).toStrictEqual({
      late: { shape: [1], data: Float32Array.of(0.25) },
      early: { shape: [1, 2], data: Float32Array.of(1.5, -8) },
    });
  });

  const entry = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
  const eight = new Uint8Array(8);
  it.each([
    ["empty", new Uint8Array(0)],
    ["shorter than its first number", new Uint8Array(5)],
    ["cut in the header", writeSafetensors(tensors).subarray(0, 40)],
    ["cut in the data", writeSafetensors(tensors).subarray(0, -1)],
    ["a huge header", handMade({ x: entry }, eight, 2n ** 60n)],
    ["no JSON", handMade("{x}", eight)],
    ["not an object", handMade("[1]", eight)],
    ["null", handMade("null", eight)],
    ["an entry that is null", handMade({ x: null }, eight)],
    ["an entry that is a number", handMade({ x: 3 }, eight)],
    ["half precision", handMade({ x: { ...entry, dtype: "F16" } }, eight)],
    ["no shape", handMade({ x: { ...entry, shape: undefined } }, eight)],
    ["a shape of words", handMade({ x: { ...entry, shape: ["2"] } }, eight)],
    ["a negative shape", handMade({ x: { ...entry, shape: [-2, -1] } }, eight)],
    ["a shape of fractions", handMade({ x: { ...entry, shape: [0.5, 4] } }, eight)],
    ["a shape that lies", handMade({ x: { ...entry, shape: [3] } }, eight)],
    ["no offsets", handMade({ x: { ...entry, data_offsets: undefined } }, eight)],
    ["offsets outside", handMade({ x: { ...entry, data_offsets: [8, 16] } }, eight)],
    ["offsets before the data", handMade({ x: { ...entry, data_offsets: [-8, 0] } }, eight)],
    ["offsets that are no whole numbers", handMade({ x: { ...entry, data_offsets: [0.5, 8.5] } }, new Uint8Array(9))],
  ])("is refused in one line: %s", (_what, bytes) => {
    const read = (): unknown => readSafetensors(bytes, "some/model.safetensors");
    expect(read).toThrow(UserError);
    expect(read).toThrow(/^some\/model\.safetensors: [^\n]*expected a safetensors file of float32 or float16 tensors$/);
  });
});

const checkpoint: Checkpoint = (() => {
  const start = perturb(startCheckpoint(toyCatalog(30)));
  const moved = (by: number): Float32Array => start.state.params.map((p) => p * by + 1e-8);
  return { ...start, state: { step: 17, params: moved(1), first: moved(2), second: moved(3), average: moved(0.5) } };
})();

let folder: string;
let count = 0;
beforeEach(async () => {
  folder = join(root, `c${count++}`);
  await saveCheckpoint(folder, checkpoint, { "README.md": "card" });
});

/** One line that names a file of the checkpoint and what was expected. */
function expectOneLine(path: string, what: RegExp): void {
  const load = (): unknown => loadCheckpoint(path, { forTraining: true });
  expect(load).toThrow(UserError);
  expect(load).toThrow(what);
  expect(load).toThrow(/^[^\n]*$/);
}

/** As if it had been written so: without checksums, as earlier versions wrote it. */
const edit = (change: (config: Record<string, unknown>) => void): void => {
  const path = join(folder, "config.json");
  const config = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  change(config);
  writeFileSync(path, JSON.stringify(config));
  rmSync(join(folder, "SHA256SUMS"), { force: true });
};

/** What a config of version 2 said instead of the survey: its name, and the fields. */
function asOldConfig(config: Record<string, unknown>): Record<string, unknown> {
  const fields = toyFields.map((field) => {
    const { id: _id, ...old } = field;
    return old;
  });
  const { heads: _heads, filters: _filters, ...model } = config["model"] as Record<string, unknown>;
  const { reference: _reference, ...standardisation } = config["standardisation"] as Record<string, unknown>;
  return { survey: "toy", fields, model: { ...model, head: "mixture" }, standardisation, grownAt: undefined };
}

/** Writes the tensors of a checkpoint as versions 1 and 2 had them: one matrix for all that is given. */
function oldTensors(path: string): void {
  const n = toyFields.length;
  for (const [name, prefixes] of [
    ["model.safetensors", ["", "raw."]],
    ["optimizer.safetensors", ["first.", "second."]],
  ] as const) {
    const file = join(path, name);
    const { tensors } = readSafetensors(readFileSync(file), file);
    const changed: Record<string, { shape: readonly number[]; data: Float32Array }> = { ...tensors };
    for (const prefix of prefixes) {
      const [band, property] = [tensors[`${prefix}embed.band`], tensors[`${prefix}embed.property`]];
      const size = band.shape[1];
      const whole = new Float32Array((5 * n + 3 * toyBands + 2) * size);
      const put = (row: number, from: typeof band, at: number): void =>
        whole.set(from.data.subarray(at * size, (at + 1) * size), row * size);
      for (let j = 0; j < n; j++) {
        const isBand = j < toyBands;
        for (let f = 0; f < 5; f++)
          put(5 * j + f, isBand ? band : property, isBand ? 8 * j + f : 2 + 5 * (j - toyBands) + f);
        for (let w = 0; w < (isBand ? 3 : 0); w++) put(5 * n + w * toyBands + j, band, 8 * j + 5 + w);
      }
      for (const k of [0, 1]) put(5 * n + 3 * toyBands + k, property, k);
      changed[`${prefix}embed.fields`] = { shape: [whole.length / size, size], data: whole };
      for (const one of ["calibration.lnFlux", "calibration.lnNoise"]) {
        const data = new Float32Array(n);
        data.set(tensors[`${prefix}${one}`].data);
        changed[`${prefix}${one}`] = { shape: [n], data };
      }
      delete changed[`${prefix}embed.band`];
      delete changed[`${prefix}embed.property`];
    }
    writeFileSync(file, writeSafetensors(changed));
  }
}

describe("a checkpoint", () => {
  it("is read back bit by bit, with its files", () => {
    const { config, state, layout } = loadCheckpoint(folder, { forTraining: true });
    expect(state).toStrictEqual(checkpoint.state);
    expect(layout).toStrictEqual(checkpoint.layout);
    const text = formatConfig({ ...checkpoint.config, step: 17 });
    expect(readFileSync(join(folder, "config.json"), "utf8")).toBe(text);
    expect(formatConfig(config)).toBe(text);
    expect(config.survey.fields).toStrictEqual(checkpoint.config.survey.fields);
    expect(readdirSync(folder).toSorted()).toStrictEqual(
      [
        "README.md",
        "SHA256SUMS",
        "config.json",
        "model.safetensors",
        "optimizer.safetensors",
        "tokenizer.json",
      ].toSorted(),
    );
  });

  it("keeps the galaxies that it carries, and says what is wrong with them", async () => {
    const start = startCheckpoint(toyCatalog(200), { templates: 30 });
    expect(start.templates!.property.some(Number.isNaN)).toBe(true); // what a galaxy has no label of
    const file = join(folder, "templates.safetensors");
    await saveCheckpoint(folder, start);
    const back = loadCheckpoint(folder, { forTraining: true });
    expect(back.templates).toStrictEqual(start.templates);
    expect(back.layout).toStrictEqual(start.layout);
    const { tensors } = readSafetensors(readFileSync(file), file);
    for (const [name, changed, what] of [
      [
        "flux",
        tensors["flux"].data.fill(Number.NaN, 0, 1),
        /templates\.safetensors: tensor flux holds NaN at 0; expected/,
      ],
      ["property", tensors["property"].data.subarray(4), /templates\.safetensors: expected as many/],
    ] as const) {
      const shape = [changed.length / tensors[name].shape[1], tensors[name].shape[1]];
      const whole = readSafetensors(readFileSync(file), file).tensors;
      writeFileSync(file, writeSafetensors({ ...whole, [name]: { shape, data: changed } }));
      rmSync(join(folder, "SHA256SUMS"), { force: true });
      expectOneLine(folder, what);
      await saveCheckpoint(folder, start);
    }
    writeFileSync(file, readFileSync(file).reverse());
    expectOneLine(folder, /templates\.safetensors/);
    rmSync(file);
    expectOneLine(folder, /templates\.safetensors: missing/);
  });

  it("shows other tools the averaged weights under plain names", () => {
    const { tensors: all } = readSafetensors(readFileSync(join(folder, "model.safetensors")), "f");
    const { specs, offsets } = checkpoint.layout;
    expect(all[specs[0].name].data[0]).toBe(checkpoint.state.average[offsets[0]]);
    expect(all[`raw.${specs[0].name}`].data[0]).toBe(checkpoint.state.params[offsets[0]]);
  });

  it("is found from its run's folder: the final one, else the newest step", async () => {
    const run = join(root, `run${count}`);
    for (const step of [5, 10, 9]) {
      await saveCheckpoint(stepFolder(run, step), { ...checkpoint, state: { ...checkpoint.state, step } });
    }
    expect(loadCheckpoint(run).state.step).toBe(10);
    await saveCheckpoint(join(run, "checkpoint"), checkpoint);
    expect(loadCheckpoint(run).state.step).toBe(17);
  });

  it("replaces an older one and leaves nothing beside it", async () => {
    await saveCheckpoint(folder, { ...checkpoint, state: { ...checkpoint.state, step: 18 } });
    expect(loadCheckpoint(folder).state.step).toBe(18);
    expect(readdirSync(folder)).not.toContain("README.md");
    const name = folder.slice(dirname(folder).length + 1);
    expect(readdirSync(root).filter((other) => other.startsWith(name))).toStrictEqual([name]);
  });

  it("that can't be written whole leaves the old one and no trace", async () => {
    const broken = saveCheckpoint(folder, checkpoint, { "no/such/folder.txt": "x" });
    await expect(broken).rejects.toThrow(UserError);
    expect(loadCheckpoint(folder).state.step).toBe(17);
    expect(readFileSync(join(folder, "README.md"), "utf8")).toBe("card");
    const fresh = `${folder}-fresh`;
    await expect(saveCheckpoint(fresh, checkpoint, { "no/such/folder.txt": "x" })).rejects.toThrow(UserError);
    expectOneLine(fresh, /no checkpoint here; expected a folder with config\.json/);
    expect(readdirSync(root).filter((name) => name.includes(".tmp") || name.includes(".old"))).toStrictEqual([]);
  });

  it.each(["model.safetensors", "optimizer.safetensors", "tokenizer.json"])("without %s says so", (name) => {
    rmSync(join(folder, name));
    expectOneLine(folder, new RegExp(`${name}: missing`));
  });

  it("that isn't there says so", () => {
    expectOneLine(join(root, "nowhere"), /nowhere: no checkpoint here/);
  });

  it("with a tensor missing, of another shape, or cut, names it", () => {
    const path = join(folder, "model.safetensors");
    const { tensors: all } = readSafetensors(readFileSync(path), path);
    const { "embed.bias": bias, ...others } = all;
    writeFileSync(path, writeSafetensors(others));
    expectOneLine(folder, /model\.safetensors: tensor embed\.bias is missing$/);
    const half = { shape: [bias.data.length / 2, 2], data: bias.data };
    writeFileSync(path, writeSafetensors({ ...others, "embed.bias": half }));
    expectOneLine(folder, /model\.safetensors: tensor embed\.bias has shape \[8, 2\], expected \[16\]$/);
    writeFileSync(path, writeSafetensors(all).subarray(0, -4));
    expectOneLine(folder, /model\.safetensors: tensor .* ends at byte/);
  });

  it("of version 1, which had hashes by path, gets roles where they are known", () => {
    const table = { path: "a.fits", sha256: "00ff" };
    edit((config) => Object.assign(config, asOldConfig(config), { formatVersion: 1, data: { "a.fits": "00ff" } }));
    oldTensors(folder);
    expect(loadCheckpoint(folder).config).toMatchObject({ formatVersion: 5, data: [{ ...table, role: "train" }] });
    edit((config) => Object.assign(config, { isCalibrated: true }));
    expect(loadCheckpoint(folder).config.data).toEqual([{ ...table, role: "unknown" }]);
    edit((config) => Object.assign(config, { formatVersion: 2, data: [{ ...table, role: "teacher" }] }));
    expectOneLine(folder, /config\.json: damaged at "data\.0\.role"/);
  });

  it("of version 2, one matrix for all that is given, is the same network", () => {
    edit((config) => Object.assign(config, asOldConfig(config), { formatVersion: 2 }));
    oldTensors(folder);
    const { state, layout, config } = loadCheckpoint(folder, { forTraining: true });
    expect(layout).toStrictEqual(checkpoint.layout);
    expect(state).toStrictEqual(checkpoint.state);
    expect(config.standardisation.reference).toBe("flat");
    expect(config.survey.fields.map(({ name, id }) => [name, id])).toStrictEqual(
      toyFields.map(({ name, id }) => [name, id]),
    );
  });

  it("of a newer or an unknown format says which", () => {
    edit((config) => (config["formatVersion"] = 99));
    expectOneLine(folder, /config\.json: format version 99 is newer than this Caleido/);
    edit((config) => (config["formatVersion"] = -3));
    expectOneLine(folder, /config\.json: format version -3 can't be read/);
    edit((config) => delete config["formatVersion"]);
    expectOneLine(folder, /config\.json: not a Caleido checkpoint/);
  });

  it("with a damaged config.json says so", () => {
    const path = join(folder, "config.json");
    for (const text of ["", "{", "null", "3", "[]", '{"a": 1}', '{\n"a": x\n}']) {
      writeFileSync(path, text);
      expectOneLine(folder, /config\.json: not (JSON|a Caleido checkpoint)/);
    }
  });

  it.each(["model", "survey", "standardisation", "training", "subsets", "optimiser"])(
    "whose config.json has a senseless or no %s says so",
    (key) => {
      for (const value of [undefined, 3, null]) {
        edit((config) => (config[key] = value));
        expectOneLine(folder, new RegExp(`config\\.json: (damaged at "${key}"|not a Caleido checkpoint)`));
      }
    },
  );

  it("whose standardisation fits other fields says so", () => {
    edit((config) => (config["standardisation"] as { absolute: unknown[] }).absolute.pop());
    expectOneLine(folder, /config\.json: damaged at "standardisation\.absolute": expected one entry per band$/);
  });

  it("whose vocabulary is another one names the field", () => {
    const other = toyFields.with(3, { ...toyFields[3], name: "OTHER" });
    writeFileSync(join(folder, "tokenizer.json"), writeTokenizerJson(other));
    expectOneLine(folder, /tokenizer\.json: the vocabulary doesn't match the checkpoint: id 8 is OTHER, expected G$/);
  });
});
