import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import { type Catalog, emptyCatalog } from "./catalog.ts";
import { State } from "./field.ts";
import { largestError, saysNothing } from "./information.ts";
import type { Survey } from "./survey.ts";

/** Relative error of a flux given without one. */
const DEFAULT_FLUX_ERROR = 0.05;

/**
 * One galaxy from settings `FIELD=value` or `FIELD=value+-error`, in the survey's units. A value whose error is so large
 * that it says nothing is not observed.
 * @throws UserError for an unknown field, a value that is no number, or one outside the field's range.
 */
export function catalogFromValues(settings: readonly string[], survey: Survey): Catalog {
  const { fields } = survey;
  const one = emptyCatalog(fields, 1);
  const { value, error, state } = one;
  for (const setting of settings) {
    const split = setting.indexOf("=");
    const name = split < 0 ? setting : setting.slice(0, split);
    const text = split < 0 ? "" : setting.slice(split + 1);
    const j = fields.findIndex((field) => field.name === name);
    if (j < 0) {
      const names = fields.map((field) => field.name);
      throw new UserError(`--set ${setting}: unknown field "${name}"${didYouMean(name, names)}; expected FIELD=value`);
    }
    const field = fields[j];
    if (state[j] !== State.notObserved) throw new UserError(`--set ${setting}: ${name} is given twice`);
    if (field.kind === "category") {
      const index = field.classes.indexOf(text.trim());
      if (index < 0) throw new UserError(`--set ${setting}: expected ${name}=${field.classes.join(" or ")}`);
      value[j] = index;
      state[j] = State.measured;
      continue;
    }
    const parts = text.split("+-");
    const [x, sigma] = parts.map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
    const unit = field.unit === "" ? "" : ` ${field.unit}`;
    if (parts.length > 2 || !Number.isFinite(x) || (sigma !== undefined && !(sigma > 0 && Number.isFinite(sigma)))) {
      throw new UserError(
        `--set ${setting}: expected ${name}=number or ${name}=number+-error (above 0), in${unit || " pure numbers"}`,
      );
    }
    const [low, high] = field.range;
    if (x < low || x > high) throw new UserError(`--set ${setting}: ${name} is outside ${low} .. ${high}${unit}`);
    // Not observed is what it is, and is answered as such.
    if (sigma !== undefined && saysNothing(field, largestError(field), x, sigma)) continue;
    value[j] = x!;
    error[j] = sigma ?? (field.band === undefined ? 0 : Math.max(Math.abs(x) * DEFAULT_FLUX_ERROR, 1e-6));
    state[j] = State.measured;
  }
  return { ...one, objectId: ["query"], parentId: ["query"] };
}
