import type { CategoryField, FieldKind } from "../survey/field.ts";
import type { NetworkCoder } from "./config.ts";

/** Kinds of field that objects of a class have not, by the class's name. Everything has fluxes and a class. */
const lacking: Readonly<Record<string, readonly FieldKind[]>> = {
  star: ["redshift", "log", "linear", "ew"],
  quasar: ["log", "linear", "ew"],
};

/** Whether some class has no field of this kind. */
export const isJudgedBy = (kind: FieldKind): boolean => Object.values(lacking).some((kinds) => kinds.includes(kind));

/** The category that says whether an object is a galaxy at all, and its column; undefined where nothing taught one. */
export function classField({ fields, templates }: NetworkCoder): { j: number; field: CategoryField } | undefined {
  // tables that name no classes teach none
  if (templates !== undefined && !templates.classes.some((share) => share > 0)) return undefined;
  return fields
    .flatMap((field, j) => (field.kind === "category" ? [{ j, field }] : []))
    .find(({ field }) => field.classes.some((name) => name in lacking));
}

/** By class: whether its objects have fields of this kind. */
export const classesWith = ({ classes }: CategoryField, kind: FieldKind): readonly boolean[] =>
  classes.map((name) => !(lacking[name] ?? []).includes(kind));

/** A given class is another one where what else is given makes it less probable than this. */
const LEAST_GIVEN_CLASS = 0.01;

/**
 * The probability that an object is of a class that `has` a field: from the probability of each class, `p`, by what is given but
 * the class. Where a class is `told` and not ruled out, it is the object's.
 */
export function belongingOf(has: readonly boolean[], p: (k: number) => number, told?: number): number {
  if (has.every(Boolean)) return 1;
  if (told !== undefined) return has[told] && p(told) >= LEAST_GIVEN_CLASS ? 1 : 0;
  return has.reduce((sum, isOwn, k) => sum + (isOwn ? p(k) : 0), 0);
}
