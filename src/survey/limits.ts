import type { Catalog } from "./catalog.ts";
import { type Field, State } from "./field.ts";

/** Specific star formation rate below which no tracer tells a rate from none (Salim et al. 2016, ApJS 227, 2) [log10 1/yr]. */
const LEAST_SPECIFIC_RATE = -12;
/** Single precision of a mass and a rate: a limit that was written and read again stays one. */
const ROUNDING = 1e-5;

/** Whether reading can make an upper limit of a value of this field. */
export const canBeLimit = (field: Field): boolean => field.kind === "log" && field.counts === "rate";

/**
 * Turns star formation rates below `LEAST_SPECIFIC_RATE` times the mass of their row into upper limits there, in place;
 * rows without a mass are left. Returns how many.
 */
export function limitRates(catalog: Pick<Catalog, "fields" | "rowCount" | "value" | "error" | "state">): number {
  const { fields, rowCount, value, error, state } = catalog;
  const of = (what: "mass" | "rate"): number =>
    fields.findIndex((field) => field.kind === "log" && field.counts === what);
  const [mass, rate] = [of("mass"), of("rate")];
  if (mass < 0 || rate < 0) return 0;
  let count = 0;
  for (let row = 0; row < rowCount; row++) {
    const [m, r] = [row * fields.length + mass, row * fields.length + rate];
    if (state[m] !== State.measured || state[r] !== State.measured) continue;
    const limit = value[m] + LEAST_SPECIFIC_RATE;
    if (value[r] > limit + ROUNDING) continue;
    [value[r], error[r], state[r]] = [limit, 0, State.upperLimit];
    count++;
  }
  return count;
}
