import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export function readText(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** Paths that git tracks or would track, relative to the repository; fails outside a git checkout. */
export function repositoryFiles(): string[] {
  const out = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root });
  return out
    .toString()
    .split("\n")
    .filter((path) => path !== "" && existsSync(join(root, path)));
}

/** One `import` or `export ... from` of a source file. */
export interface Import {
  readonly from: string;
  readonly line: number;
  readonly specifier: string;
  /** A path under src/ without `src/`, or the name of an npm package; undefined for Node's own modules. */
  readonly target: { readonly file: string } | { readonly package: string } | undefined;
  readonly isTypeOnly: boolean;
}

const STATEMENT =
  /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w*{][^;"']*?\s+from\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/gm;

function resolveTarget(from: string, specifier: string): Import["target"] {
  if (specifier.startsWith("node:")) return undefined;
  if (specifier.startsWith(".")) return { file: posix.join(posix.dirname(from), specifier).replace(/^src\//, "") };
  const parts = specifier.split("/");
  return { package: parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/") };
}

/** Static and dynamic imports with a literal name, in order. `from` is relative to the repository. */
export function importsOf(from: string, text: string): Import[] {
  return [...text.matchAll(STATEMENT)].map((match) => {
    const specifier = match[2] ?? match[3];
    return {
      from,
      line: text.slice(0, match.index).split("\n").length,
      specifier,
      target: resolveTarget(from, specifier),
      isTypeOnly: match[1] !== undefined,
    };
  });
}

/** The text with comments blanked, so that words in prose don't count as code; strings stay. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<![:"'`\w])\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, " "));
}

/** Places where a pattern occurs, as `path:line: text`. */
export function placesOf(pattern: RegExp, path: string, text: string): string[] {
  return text
    .split("\n")
    .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim().slice(0, 120)}`] : []));
}
