/** What a checkpoint keeps of its training rows: `population.json`. */
import { z } from "zod";

const counts = z.array(z.number().min(0)).min(2);

/** One property: rows in bins between edges, those beyond in the first and last. */
export const populationHistogramSchema = z
  .strictObject({
    edges: z.array(z.number()).min(3),
    /** As the network saw them. */
    trained: counts,
    /** Each row by its `prior_weight`, 1 where it has none. */
    natural: counts,
    /** Rows that have such a weight, as they are; absent where none has. */
    wide: counts.optional(),
  })
  .refine(({ edges }) => edges.every((x, i) => i === 0 || x > edges[i - 1]), "expected edges that increase")
  .refine(
    ({ edges, trained, natural, wide = trained }) =>
      [trained, natural, wide].every(({ length }) => length === edges.length - 1),
    "expected one bin between two edges",
  );

/** The form of `population.json`. */
export const populationSchema = z.strictObject({
  /** Version that counted. */
  caleido: z.string().min(1),
  /** By name of the property. */
  fields: z.record(z.string(), populationHistogramSchema),
});

/** What a checkpoint keeps of its training set's population. */
export type Population = z.output<typeof populationSchema>;
export type PopulationHistogram = z.output<typeof populationHistogramSchema>;
