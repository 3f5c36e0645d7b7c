import { z } from "zod";
import { isAskable, type ScalarKind } from "../survey/field.ts";
import type { Vocabulary } from "../survey/vocabulary.ts";
import type { HeadSpec } from "./heads.ts";
import type { Lags } from "./lags.ts";
import type { Templates } from "./template-fit.ts";
import type { FluxScale } from "./templates.ts";

/** How answers of one kind of field are distributed: a recipe's `model.heads`. Categories have their own. */
export const headChoiceSchema = z.discriminatedUnion("head", [
  z.strictObject({
    head: z.literal("mixture"),
    components: z.int().positive().max(256).default(8).describe("Gaussians of an answer"),
  }),
  z
    .strictObject({
      head: z.literal("histogram"),
      from: z
        .number()
        .min(-1e30)
        .max(1e30)
        .optional()
        .describe("lower end of the grid, in the field's unit; default: 5 deviations below the mean"),
      to: z.number().min(-1e30).max(1e30).optional().describe("upper end of the grid"),
      bins: z.int().min(2).max(4096).default(100),
    })
    .refine(({ from, to }) => from === undefined || to === undefined || from < to, "expected from below to"),
]);
export type HeadChoice = z.output<typeof headChoiceSchema>;
export type HeadChoices = Readonly<Partial<Record<ScalarKind, HeadChoice>>>;

/** The vocabulary as the network sees it: with what undoes the standardisation of bands, and what encodes the ends of a grid. */
export interface NetworkVocabulary extends Vocabulary {
  /** [band] Neighbours are compared on one scale. */
  readonly bandMean: readonly number[];
  readonly bandDeviation: readonly number[];
  /** [band] How often the vocabulary had grown when the band came: see `neighbourWeights`. */
  readonly bandGeneration: readonly number[];
  encode(j: number, x: number, scale: number): number;
  /** What undoes the encoding of bands altogether. */
  readonly fluxScale: FluxScale;
  /** Clean galaxies that the network carries; absent: it has none. */
  readonly templates?: Templates;
  /** Redshifts that each spectrum is tried at; absent: none. */
  readonly lags?: readonly Lags[];
}

/** Bands are read from a narrow mix of the state, everything else from the whole of it. */
export type Part = "band" | "property";

/** Fields that are read out by one matrix. */
export interface Readout {
  /** Name of its parameters: `head.<name>.out`. */
  readonly name: string;
  readonly part: Part;
  readonly spec: HeadSpec;
  /** Columns of its fields. */
  readonly members: Int32Array;
}

/** Read-outs with one kind of distribution: their raw numbers stand side by side, and one loss serves them all. */
export interface Family {
  /** Ends the names of its parameters: nothing for the first. */
  readonly suffix: string;
  readonly spec: HeadSpec;
  readonly readouts: readonly Readout[];
  /** Columns of the fields of all read-outs, in the order of the raw numbers. */
  readonly members: Int32Array;
}

/** Encoded ends of a grid that says none. */
const WIDE = 5;

/** The distribution of field `j`'s answers. */
function specOf(choices: HeadChoices, components: number, vocabulary: NetworkVocabulary, j: number): HeadSpec {
  const field = vocabulary.fields[j];
  if (field.kind === "category") return { head: "category", classes: field.classes.length };
  const choice = choices[field.kind as ScalarKind] ?? { head: "mixture", components };
  if (choice.head === "mixture") return choice;
  const { from, to, bins } = choice;
  const end = (x: number | undefined, otherwise: number): number =>
    x === undefined || field.band !== undefined ? otherwise : vocabulary.encode(j, x, 0);
  // evenly spaced in the field's unit where both ends are, else in the encoded value
  const isOfUnit = from !== undefined && to !== undefined && field.band === undefined;
  const [low, high] = isOfUnit ? [from, to] : [end(from, -WIDE), end(to, WIDE)];
  const edges = Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins);
  return { head: "histogram", edges: isOfUnit ? edges.map((x) => vocabulary.encode(j, x, 0)) : edges };
}

/** How every field is read out: mixtures of one size together, each grid and each set of classes by itself. */
export function familiesOf(choices: HeadChoices, components: number, vocabulary: NetworkVocabulary): readonly Family[] {
  const found = new Map<string, { spec: HeadSpec; parts: Map<string, { part: Part; members: number[] }> }>();
  vocabulary.fields.forEach((field, j) => {
    if (!isAskable(field)) return;
    const spec = specOf(choices, components, vocabulary, j);
    const part: Part = field.band === undefined ? "property" : "band";
    const key = spec.head === "mixture" ? `mixture-${spec.components}` : `${spec.head}-${field.name}`;
    const family = found.get(key) ?? { spec, parts: new Map() };
    const readout = family.parts.get(part) ?? { part, members: [] };
    readout.members.push(j);
    family.parts.set(part, readout);
    found.set(key, family);
  });
  const plain = `mixture-${components}`;
  const keys = [...found.keys()].sort((a, b) => Number(b === plain) - Number(a === plain));
  return keys.map((key) => {
    const suffix = key === plain ? "" : `.${key}`;
    const { spec, parts } = found.get(key)!;
    const readouts = (["band", "property"] as const).flatMap((part): Readout[] => {
      const members = parts.get(part)?.members;
      return members === undefined ? [] : [{ name: `${part}${suffix}`, part, spec, members: Int32Array.from(members) }];
    });
    return { suffix, spec, readouts, members: Int32Array.from(readouts.flatMap(({ members }) => [...members])) };
  });
}
