/** What people look at first in a survey: properties to score, questions to ask of a network, figures to draw. */
import { z } from "zod";
import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import { type Field, isAskable } from "./field.ts";
import { knownFields, parseFieldList } from "./field-list.ts";

const name = z.string().min(1);
const ends = z.tuple([z.number(), z.number()]);

const questionSchema = z.strictObject({
  title: name.describe("Name of the question."),
  given: name.describe("Fields given: a list, as `caleido query` takes it."),
  want: name.describe("Fields asked for."),
});

const planeSchema = z.strictObject({
  x: name.describe("Property across."),
  y: name.describe("Property upward."),
  notice: name.describe("What to look for, for the caption."),
  line: z
    .strictObject({
      label: name.describe("Name of the relation, with its source."),
      x: ends.describe("Both ends across."),
      y: ends.describe("Both ends upward."),
    })
    .optional()
    .describe("A known relation, drawn between two points."),
});

const captionSchema = z.strictObject({
  field: name.describe("Name of the property."),
  label: name.describe("What it is called."),
  unit: z.string().default("").describe("Written behind the number."),
  decimals: z.int().min(0).default(0).describe("Digits behind the point."),
});

const figuresSchema = z.strictObject({
  mass: name.optional().describe("log10 stellar mass, shown against redshift."),
  captions: z.array(captionSchema).optional().describe("Properties told above the photometry of single galaxies."),
  planes: z.array(planeSchema).optional().describe("Pairs of properties shown against each other."),
  bpt: z
    .strictObject({
      nii: name.describe("Width of [NII] 6584."),
      halpha: name.describe("Width of Halpha."),
      oiii: name.describe("Width of [OIII] 5007."),
      hbeta: name.describe("Width of Hbeta."),
    })
    .optional()
    .describe("Equivalent widths of the lines of the BPT diagram [NII]/Halpha, [OIII]/Hbeta."),
});

/** Keys of a survey file. */
export const highlightShape = {
  headline: z.array(name).min(1).optional().describe("Properties told first and scored beside baselines."),
  questions: z.array(questionSchema).min(1).optional().describe("What `evaluate` asks, the main question first."),
  figures: figuresSchema.optional().describe("What `look` shows besides bands, redshifts and widths."),
};

type HighlightFile = z.output<z.ZodObject<typeof highlightShape>>;
export type Plane = z.output<typeof planeSchema>;

export interface Highlights {
  /** Names of the properties told first and scored beside baselines. */
  readonly headline: readonly string[];
  /** What an evaluation asks, the main question first. */
  readonly questions: readonly z.output<typeof questionSchema>[];
  /** What figures show; names in it are fields of the survey. */
  readonly figures: z.output<typeof figuresSchema>;
}

/** What is asked where a survey says nothing of it. */
export const DEFAULT_QUESTIONS: Highlights["questions"] = [
  { title: "all bands", given: "bands", want: "properties" },
  { title: "broad bands", given: "broad", want: "properties" },
];
/** What is asked besides of a survey that has spectra. */
export const SPECTRUM_QUESTIONS: Highlights["questions"] = [
  { title: "spectra", given: "spectra", want: "properties" },
  { title: "spectra and bands", given: "spectra,bands", want: "properties" },
];
/** What is asked besides of a network that answers spectra. */
export const ANSWERED_QUESTIONS: Highlights["questions"] = [
  { title: "bands, for spectra", given: "bands", want: "spectra" },
  { title: "properties, for spectra", given: "properties", want: "spectra" },
];
const DEFAULT_HEADLINE = 3;

/**
 * The highlights that a survey file states, or takes over: what is taken over and speaks of fields that the survey does
 * not have is left out. `placeOf` is where the file itself states a key (`figures.bpt`); undefined where it does not.
 * @throws UserError, with that place, for stated names that are no fields.
 */
export function highlightsOf(
  file: HighlightFile,
  fields: readonly Field[],
  placeOf: (...path: string[]) => string | undefined,
): Highlights {
  const names = fields.map((field) => field.name);
  /** Whether all of `wanted` are fields. */
  const isKnown = (wanted: readonly string[], place: string | undefined): boolean => {
    const wrong = wanted.find((one) => !names.includes(one));
    if (wrong === undefined || place === undefined) return wrong === undefined;
    throw new UserError(`${place}: no field "${wrong}"${didYouMean(wrong, names)}`);
  };
  const stated = placeOf("questions");
  const isPossible = ({ title, given, want }: Highlights["questions"][number]): boolean =>
    [given, want].every((list) =>
      stated === undefined
        ? knownFields(list, fields).length > 0
        : parseFieldList(list, fields, `${stated}: question "${title}"`).length > 0,
    );
  const headline = (file.headline ?? []).filter((one) => isKnown([one], placeOf("headline")));
  const questions = (file.questions ?? []).filter(isPossible);
  const properties = fields.filter((field) => field.band === undefined && isAskable(field)).map(({ name }) => name);
  const { mass, captions = [], planes = [], bpt } = file.figures ?? {};
  return {
    headline: headline.length > 0 ? headline : properties.slice(0, DEFAULT_HEADLINE),
    questions:
      questions.length > 0
        ? questions
        : DEFAULT_QUESTIONS.filter(({ given, want }) =>
            [given, want].every((list) => knownFields(list, fields).length > 0),
          ),
    figures: {
      ...(mass !== undefined && isKnown([mass], placeOf("figures", "mass")) ? { mass } : {}),
      captions: captions.filter(({ field }) => isKnown([field], placeOf("figures", "captions"))),
      planes: planes.filter(({ x, y }) => isKnown([x, y], placeOf("figures", "planes"))),
      ...(bpt !== undefined && isKnown(Object.values(bpt), placeOf("figures", "bpt")) ? { bpt } : {}),
    },
  };
}
