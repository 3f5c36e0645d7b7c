import { z } from "zod";

/** What a table of simulated fluxes without noise says of how they were made: a key of its metadata each. */
export const madeSchema = z.object({
  /** Transmission curves: `PARAMETRIC`, or the name of their folder. */
  filters: z.string().optional(),
  /** `OBSERVED`: spectra with noise of their own, behind the Milky Way's dust; absent: models. */
  spectra: z.string().optional(),
});
export type Made = z.output<typeof madeSchema>;

export const PARAMETRIC = "parametric";
export const OBSERVED = "observed";

/** Upper case: what FITS makes of keys. */
export const madeOf = (metadata: Readonly<Record<string, string>>): Made => {
  const stated = Object.fromEntries(
    Object.keys(madeSchema.shape).map((key) => [key, metadata[key] ?? metadata[key.toUpperCase()]]),
  );
  return madeSchema.parse(stated);
};
