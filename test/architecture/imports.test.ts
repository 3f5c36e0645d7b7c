import { describe, expect, it } from "vitest";
import { type Import, importsOf, readText, repositoryFiles } from "./source.ts";

/** What a room may import besides itself and the leaves. A path instead of a room opens one file only. */
interface Room {
  readonly uses: readonly string[];
  /** Rooms or files that it may name in `import type` only. */
  readonly usesTypesOf?: readonly string[];
}

/** Files that import nothing of ours but each other: open to all. */
const leaves = ["errors.ts", "progress.ts", "random.ts", "text.ts", "version.ts"];

const rooms: Readonly<Record<string, Room>> = {
  io: { uses: [] },
  engine: { uses: [] },
  report: { uses: [] },
  survey: { uses: ["io"] },
  simulate: { uses: ["survey", "io"] },
  tokens: { uses: ["survey", "io"], usesTypesOf: ["engine/contract.ts", "model/distribution.ts"] },
  model: { uses: ["engine", "survey/field.ts", "survey/vocabulary.ts"] },
  train: {
    uses: [
      "model",
      "tokens",
      "engine",
      "survey",
      "io/atomic.ts",
      "io/hash.ts",
      "io/lock.ts",
      // galaxies are observed anew in every batch, by what observes them in `simulate`
      "simulate/observation.ts",
    ],
  },
  inference: {
    uses: [
      "train",
      "model",
      "tokens",
      "survey",
      "engine",
      "io",
      "report",
      // where lines are, and what bands see of them
      "simulate/lines.ts",
      "simulate/passband.ts",
      "simulate/grid.ts",
    ],
  },
  explore: {
    // a network looks for the strange among what is shown, and its own states are
    uses: [
      "simulate",
      "survey",
      "io",
      "report",
      "inference/anomaly.ts",
      "inference/latent.ts",
      "inference/occlusion.ts",
      "inference/predict.ts",
      "inference/probe.ts",
      "train/checkpoint.ts",
    ],
    usesTypesOf: ["engine/contract.ts"],
  },
  commands: {
    uses: [
      "io",
      "engine",
      "report",
      "survey",
      "simulate",
      "tokens",
      "model",
      "train",
      "inference",
      "explore",
      "recipe.ts",
    ],
  },
};

/** Files of src/ itself. */
const roots: Readonly<Record<string, Room>> = {
  "errors.ts": { uses: [] },
  "progress.ts": { uses: [] },
  "random.ts": { uses: [] },
  "text.ts": { uses: [] },
  "version.ts": { uses: [] },
  "recipe.ts": { uses: ["io", "survey", "simulate", "tokens", "engine", "model", "train", "inference"] },
  "cli.ts": { uses: ["commands"] },
  "index.ts": {
    uses: [
      "io",
      "engine",
      "report",
      "survey",
      "simulate",
      "tokens",
      "model",
      "train",
      "inference",
      "explore",
      "recipe.ts",
    ],
  },
};

/** Every dependency, and the rooms or files that may import it: the whole list, nothing is added in passing. */
const dependencies: Readonly<Record<string, readonly string[]>> = {
  "@huggingface/tokenizers": ["tokens"],
  "@observablehq/plot": ["report"],
  "@resvg/resvg-js": ["report"],
  "@tensorflow/tfjs-backend-cpu": ["engine"],
  "@tensorflow/tfjs-core": [
    "engine",
    "model",
    "train",
    "inference/network.ts",
    "inference/baseline-network.ts",
    "inference/library-graph.ts",
  ],
  "apache-arrow": ["io"],
  "cli-progress": ["commands"],
  "cli-table3": ["commands"],
  "dejavu-fonts-ttf": ["report"],
  h5wasm: ["io"],
  hyparquet: ["io"],
  "hyparquet-compressors": ["io"],
  "hyparquet-writer": ["io"],
  linkedom: ["report"],
  "onnxruntime-node": ["engine"],
  papaparse: ["io"],
  picocolors: ["commands", "cli.ts"],
  sax: ["io"],
  seedrandom: ["random.ts"],
  "umap-js": ["inference/latent.ts"],
  yaml: ["io", "recipe.ts"],
  yargs: ["commands", "cli.ts"],
  zod: ["io", "survey", "simulate", "tokens", "model", "train", "recipe.ts"],
};

/** Picked up where a user installed one; `npm ci` must never fetch them (their install downloads a library). */
const optionalPeers = ["@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu"];

/** Tools: types, builds, checks and tests; nothing of them is shipped. */
const tools = ["knip", "oxfmt", "oxlint", "oxlint-tsgolint", "typescript", "vitest"];

const sources = repositoryFiles().filter((path) => /^src\/.*\.ts$/.test(path));
const imports = sources.flatMap((path) => importsOf(path, readText(path)));

/** The room of a path under src/, or the file itself at the top. */
function roomOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : file;
}

function isOneOf(file: string, places: readonly string[] = []): boolean {
  return places.includes(roomOf(file)) || places.includes(file);
}

function describeImport({ from, line, specifier, isTypeOnly }: Import): string {
  return `${from}:${line} imports ${isTypeOnly ? "types of " : ""}${specifier}`;
}

function isAllowedFile(found: Import, file: string): boolean {
  const room = roomOf(found.from.slice("src/".length));
  const { uses, usesTypesOf } = rooms[room] ?? roots[room];
  if (roomOf(file) === room || leaves.includes(file)) return true;
  return isOneOf(file, uses) || (found.isTypeOnly && isOneOf(file, usesTypesOf));
}

describe("imports", () => {
  it("are found where they are", () => {
    const text =
      'import type { A } from "../io/table.ts";\nimport {\n  b,\n} from "@x/y/z.js";\nawait import("node:fs");\n';
    expect(importsOf("src/survey/read.ts", text)).toEqual([
      {
        from: "src/survey/read.ts",
        line: 1,
        specifier: "../io/table.ts",
        target: { file: "io/table.ts" },
        isTypeOnly: true,
      },
      { from: "src/survey/read.ts", line: 2, specifier: "@x/y/z.js", target: { package: "@x/y" }, isTypeOnly: false },
      { from: "src/survey/read.ts", line: 5, specifier: "node:fs", target: undefined, isTypeOnly: false },
    ]);
    expect(imports.length).toBeGreaterThan(100);
  });

  it("every source file belongs to a room of the table", () => {
    const places = new Set(sources.map((path) => roomOf(path.slice("src/".length))));
    expect([...places].filter((place) => !(place in rooms) && !(place in roots))).toEqual([]);
  });

  it("go in the direction of the rooms", () => {
    const wrong = imports.filter(
      (found) => found.target && "file" in found.target && !isAllowedFile(found, found.target.file),
    );
    expect(wrong.map(describeImport)).toEqual([]);
  });

  it("take each package only in its rooms", () => {
    const wrong = imports.filter((found) => {
      if (!found.target || !("package" in found.target)) return false;
      return !isOneOf(found.from.slice("src/".length), dependencies[found.target.package]);
    });
    expect(wrong.map(describeImport)).toEqual([]);
  });
});

describe("package.json", () => {
  const manifest = JSON.parse(readText("package.json")) as {
    files: readonly string[];
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
    peerDependencies: Record<string, string>;
    peerDependenciesMeta: Record<string, { optional: boolean }>;
    optionalDependencies?: Record<string, string>;
  };

  it("depends on the packages of the table and on nothing else", () => {
    expect(Object.keys(manifest.dependencies).sort()).toEqual(Object.keys(dependencies).sort());
    const others = Object.keys(manifest.devDependencies).filter((name) => !name.startsWith("@types/"));
    expect(others.sort()).toEqual(tools);
    expect(manifest.optionalDependencies).toBeUndefined();
  });

  it("ships every folder that is read at run time", () => {
    const read = sources.flatMap((path) =>
      [...readText(path).matchAll(/new URL\("(?:\.\.\/)+([a-z]+)"/g)].map(([, name]) => name),
    );
    expect(read.toSorted()).toEqual(["checkpoints", "datasets", "recipes"]);
    for (const name of [...read, "dist"]) expect(manifest.files).toContain(name);
  });

  it("leaves TensorFlow's native packages to whoever installs them", () => {
    expect(Object.keys(manifest.peerDependencies).sort()).toEqual(optionalPeers);
    for (const name of optionalPeers) expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
  });
});

describe("package-lock.json", () => {
  interface Entry {
    readonly version?: string;
    readonly resolved?: string;
    readonly link?: boolean;
    readonly optionalDependencies?: Record<string, string>;
  }
  const { packages } = JSON.parse(readText("package-lock.json")) as { packages: Record<string, Entry> };

  it("names no host and no place on a disk", () => {
    const placed = Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined || entry.link);
    expect(placed.map(([path]) => path)).toEqual([]);
  });

  it("holds every platform's binaries: npm ci refuses, or another machine misses, what is left out", () => {
    const absent = Object.entries(packages).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter(
        (name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages),
      ),
    );
    expect(absent).toEqual([]);
  });

  it("installs none of the optional peers", () => {
    expect(optionalPeers.filter((name) => `node_modules/${name}` in packages)).toEqual([]);
  });
});
