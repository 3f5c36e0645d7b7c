import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listRecipes, loadRecipe } from "../../src/recipe.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { placesOf, readText, repositoryFiles, root, withoutComments } from "./source.ts";

/** Lines of a source or test file. */
const FILE_LINES = 400;
/** Larger files, each with its reason. */
const largerFiles: Readonly<Record<string, number>> = {};

const files = repositoryFiles();
const texts = files.filter((path) =>
  /\.(ts|js|json|ya?ml|md|ipynb|py|html|css)$|^\.[\w.]+$|^\.ci\/|^LICENSE$/.test(path),
);
const sources = files.filter((path) => /^src\/.*\.ts$/.test(path));
const code = files.filter((path) => /^(src|test)\/.*\.(ts|js)$/.test(path));

/** What no file may hold, with an example. Neither the patterns nor the examples may match as they stand here. */
const unwanted = [
  {
    what: "a path of one machine",
    pattern: /(?<![\w.:/-])[/](?:work|root|tmp|home[/]\w+|Users[/]\w+)(?=[/]\w)/,
    example: ["open ", "home", "me", "x"].join("/"),
  },
  {
    what: "a registry's host",
    pattern: /\bregistry\.[a-z][\w.-]+|\b(?:artifactory|verdaccio)\b[.:/]/i,
    example: ["https://registry", "example.org"].join("."),
  },
  { what: "unfinished work", pattern: /\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b/, example: ["// TO", "DO later"].join("") },
];

/** What code may hold only in some places. */
const confined = [
  { what: "global random numbers", pattern: /\bMath\.random\b/, isHome: () => false },
  { what: "the console", pattern: /\bconsole\.\w/, isHome: (path: string) => /^src\/(commands\/|cli\.ts)/.test(path) },
  {
    what: "the standard streams",
    pattern: /\bprocess\.(stdout|stderr|stdin|argv)\b/,
    isHome: (path: string) => /^src\/(commands\/|cli\.ts)/.test(path),
  },
  {
    what: "the end of the process",
    pattern: /\bprocess\.exit(Code)?\b/,
    isHome: (path: string) => path === "src/cli.ts",
  },
];

describe("the repository", () => {
  it.each(unwanted)("holds no file with $what", ({ pattern, example }) => {
    expect(placesOf(pattern, "example", `first\n${example}`)).toEqual([`example:2: ${example.trim()}`]);
    expect(texts.flatMap((path) => placesOf(pattern, path, readText(path)))).toEqual([]);
  });

  it.each(confined)("keeps $what in its place", ({ pattern, isHome }) => {
    const others = sources.filter((path) => !isHome(path));
    expect(others.flatMap((path) => placesOf(pattern, path, withoutComments(readText(path))))).toEqual([]);
  });

  it("keeps files short (the linter keeps functions short)", () => {
    const long = code
      .map((path) => ({ path, lines: readText(path).trimEnd().split("\n").length }))
      .filter(({ path, lines }) => lines > (largerFiles[path] ?? FILE_LINES));
    expect(long).toEqual([]);
    const rules = (JSON.parse(readText(".oxlintrc.json")) as { rules: Record<string, unknown> }).rules;
    expect(rules["max-lines-per-function"]).toEqual(["error", { max: 65, skipBlankLines: true, skipComments: true }]);
  });
});

describe("set-up", () => {
  it("is the two commands of the README; .ci/run runs the second as it stands", () => {
    const readme = readText("README.md").split("\n");
    const commands = readme.filter((line) => line.startsWith("npm ci && "));
    expect(commands.slice(0, 2).map((line) => line.replace(/\s+#.*$/, ""))).toEqual([
      "npm ci && npm run quickstart",
      "npm ci && npm test",
    ]);
    expect(readText(".ci/run").trimEnd().split("\n").at(-1)).toBe("npm ci && npm test");
  });

  it("runs no install script of a package, under any npm: onnxruntime-node's would download CUDA", () => {
    expect(placesOf(/"hasInstallScript"/, "package-lock.json", readText("package-lock.json"))).toEqual([]);
    const { allowScripts } = JSON.parse(readText("package.json")) as { allowScripts: Record<string, boolean> };
    expect(allowScripts["onnxruntime-node"]).toBe(false);
    const known = ["fund", "audit", "update-notifier"]; // npm warns of keys that it doesn't know
    const keys = readText(".npmrc")
      .split("\n")
      .filter((line) => /^[^#]/.test(line));
    expect(keys.map((line) => line.split("=")[0])).toEqual(known);
  });
});

describe("files that users edit", () => {
  const surveys = readdirSync(join(root, "datasets")).filter((file) => file.endsWith(".yaml"));

  it.each(surveys)("datasets/%s loads", (file) => {
    expect(loadSurvey(join(root, "datasets", file)).fields.length).toBeGreaterThan(0);
  });

  it.each(listRecipes())("recipe %s loads", (name) => {
    expect(loadRecipe(name).training).toBeDefined();
  });

  it("there are some of each", () => {
    expect(surveys.length).toBeGreaterThan(0);
    expect(listRecipes().length).toBeGreaterThan(0);
  });
});
