import { readFileSync } from "node:fs";
import { LineCounter, isMap, isNode, isScalar, parseDocument } from "yaml";
import type { Document } from "yaml";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { didYouMean } from "./nearest.ts";

type Path = readonly PropertyKey[];

/** Byte offset of the node at `path`, or of the deepest ancestor that exists; of the key itself when `key` is given. */
function offsetAt(doc: Document, path: Path, key?: string): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? doc.contents : doc.getIn(path.slice(0, depth), true);
    if (!isNode(node)) continue;
    if (key !== undefined && isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0] ?? 0;
    }
    return node.range?.[0] ?? 0;
  }
  return 0;
}

/** Keys that `schema` allows at `path`, for the nearest right name. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let here: unknown = schema;
  const unwrap = (type: unknown): unknown => {
    let inner = type;
    while (
      inner instanceof z.ZodOptional ||
      inner instanceof z.ZodDefault ||
      inner instanceof z.ZodPrefault ||
      inner instanceof z.ZodReadonly ||
      inner instanceof z.ZodNullable
    )
      inner = inner.unwrap();
    return inner;
  };
  for (const step of path) {
    here = unwrap(here);
    if (here instanceof z.ZodObject) here = here.shape[String(step)];
    else if (here instanceof z.ZodArray) here = here.element;
    else if (here instanceof z.ZodRecord) here = here.valueType;
    else return [];
  }
  here = unwrap(here);
  return here instanceof z.ZodObject ? Object.keys(here.shape) : [];
}

function describe(schema: z.ZodType, issue: z.core.$ZodIssue): { message: string; key?: string } {
  const at = issue.path.length > 0 ? `"${issue.path.map(String).join(".")}": ` : "";
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0];
    return { message: `${at}unknown key "${key}"${didYouMean(key, keysAt(schema, issue.path))}`, key };
  }
  if (issue.code === "invalid_value" && typeof issue.input === "string") {
    const values = issue.values.map(String);
    return {
      message: `${at}"${issue.input}" is not one of ${values.join(", ")}${didYouMean(issue.input, values)}`,
    };
  }
  return { message: `${at}${issue.message}` };
}

/** A parsed YAML text with the places of its nodes, so that later checks can point at them too. */
export interface YamlDocument<T> {
  readonly value: T;
  /** `file:line:column` of the node at `path` (or of its nearest ancestor). */
  where(this: void, path: Path): string;
  /** The same text against another schema. @throws UserError as parsing does. */
  check<S extends z.ZodType>(this: void, schema: S): z.output<S>;
}

/**
 * Parses YAML `text` and checks it against `schema`. `name` is the file in messages.
 * @throws UserError with file:line:column and, for an unknown key, the nearest right name.
 */
export function parseYaml<S extends z.ZodType>(text: string, name: string, schema: S): YamlDocument<z.output<S>> {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, merge: true });
  const position = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const broken = doc.errors[0];
  if (broken !== undefined) throw new UserError(`${position(broken.pos[0])}: ${broken.message.split("\n")[0]}`);
  let plain: unknown;
  try {
    plain = doc.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new UserError(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const check = <T extends z.ZodType>(wanted: T): z.output<T> => {
    const result = wanted.safeParse(plain, { reportInput: true });
    if (result.success) return result.data;
    // A mistyped key is two issues, unknown and missing: the unknown one is the one to name.
    const { issues } = result.error;
    const issue = issues.find((one) => one.code === "unrecognized_keys") ?? issues[0];
    const { message, key } = describe(wanted, issue);
    throw new UserError(`${position(offsetAt(doc, issue.path, key))}: ${message}`);
  };
  return { value: check(schema), where: (path) => position(offsetAt(doc, path)), check };
}

/** YAML out of a table's header as plain values; `problem` says in a line why there are none. */
export function looseYaml(text: string): { readonly value?: unknown; readonly problem?: string } {
  const document = parseDocument(text, { logLevel: "silent" });
  if (document.errors.length > 0) return { problem: document.errors[0].message.split("\n")[0] };
  try {
    return { value: document.toJS({ maxAliasCount: 100 }) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** Reads and checks a YAML file: see {@link parseYaml}. @throws UserError also when the file cannot be read. */
export function readYaml<S extends z.ZodType>(path: string, schema: S): YamlDocument<z.output<S>> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    throw new UserError(`${path}: cannot be read (${code}); expected a YAML file`);
  }
  return parseYaml(text, path, schema);
}
