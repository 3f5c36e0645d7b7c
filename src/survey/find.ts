import { UserError } from "../errors.ts";
import type { ColumnSchema } from "../io/table.ts";
import { type Layout, namesFor } from "./layout.ts";

export type Finder = (template: string | readonly string[] | undefined, field: string) => ColumnSchema | undefined;

/**
 * Finds columns by name: exactly, else whatever the case.
 * @throws UserError listing the candidates where several columns could be meant.
 */
export function makeFinder(path: string, schema: readonly ColumnSchema[], isExact: boolean): Finder {
  const byName = new Map(schema.map((column) => [column.name, column]));
  const byLower = new Map<string, ColumnSchema[]>();
  for (const column of isExact ? [] : schema) {
    const lower = column.name.toLowerCase();
    byLower.set(lower, [...(byLower.get(lower) ?? []), column]);
  }
  // Columns of groups (HDF5) have a path where their last name alone would not tell them apart.
  const byTail = new Map<string, ColumnSchema[]>();
  for (const column of schema) {
    const tail = column.name.slice(column.name.lastIndexOf("/") + 1);
    if (tail !== column.name) byTail.set(tail, [...(byTail.get(tail) ?? []), column]);
  }
  const one = (name: string): ColumnSchema | undefined => {
    const exact = byName.get(name);
    if (exact) return exact;
    const alike = byLower.get(name.toLowerCase()) ?? byTail.get(name) ?? [];
    if (alike.length > 1) {
      const names = alike.map((column) => column.name).join(", ");
      throw new UserError(`${path}: column "${name}" may be any of ${names}; keep or rename one of them`);
    }
    return alike[0];
  };
  return (template, field) => {
    if (template === undefined) return undefined;
    const found = new Set(namesFor(template, field).flatMap((name) => one(name) ?? []));
    if (found.size > 1) {
      const names = [...found].map((column) => column.name).join(", ");
      throw new UserError(`${path}: columns ${names} mean the same${field ? ` (${field})` : ""}; keep one of them`);
    }
    return [...found][0];
  };
}

/** The id template with the file's spelling of its columns; undefined when one of them is not there. */
export function bindTemplate(find: Finder, template: string | undefined): string | undefined {
  if (template === undefined) return undefined;
  let isWhole = true;
  const bound = template.replace(/\{([^}]+)\}/g, (_, names: string) => {
    const column = find(names.split("|"), "");
    if (!column || column.width !== 1) isWhole = false;
    return `{${column?.name ?? names}}`;
  });
  return isWhole ? bound : undefined;
}

const templates = ["objectId", "parentId", "tile", "instrument"] as const;

/** @throws UserError for an id that is made of no column: every row would have the same. `at` is the place of a key. */
export function checkTemplates(layout: Pick<Layout, (typeof templates)[number]>, at: (key: string) => string): void {
  for (const key of templates) {
    const template = layout[key];
    if (template === undefined || templateColumns(template).length > 0) continue;
    throw new UserError(
      `${at(key)}: "${key}": "${template}" names no column, so that all rows would have one id; ` +
        `expected columns in braces, e.g. "{${template}}"`,
    );
  }
}

/** Names in braces of an id template. */
export function templateColumns(template: string | undefined): string[] {
  return Array.from(template?.matchAll(/\{([^}]+)\}/g) ?? [], (match) => match[1]);
}
