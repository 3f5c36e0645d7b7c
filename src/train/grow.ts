import { withSpectra } from "../model/spectrum.ts";
import { createRng } from "../random.ts";
import { createLayout, growParameters } from "../model/parameters.ts";
import { parameterSpecs } from "../model/transformer.ts";
import { growSurvey } from "../survey/grow.ts";
import type { Survey } from "../survey/survey.ts";
import type { Moments, Standardisation } from "../tokens/standardise.ts";
import { type Checkpoint, initialState } from "./checkpoint.ts";
import { type CheckpointConfig, coderOf } from "./config.ts";

/** Standardisation of old fields as it was, of new ones as `fitted` on tables that have them. */
function growStandardisation(old: CheckpointConfig, survey: Survey, fitted: Standardisation): Standardisation {
  const { standardisation: known } = old;
  const { fields } = survey;
  const place = new Map(old.survey.fields.map(({ name }, j) => [name, j]));
  const isBand = (field: { readonly band?: unknown }): boolean => field.band !== undefined;
  const oldBands = old.survey.fields.filter(isBand).map(({ name }) => name);
  const pick = (of: Moments | undefined, otherwise: Moments): Moments => of ?? otherwise;
  return {
    ...known,
    fields: fields.map(({ name }, j) => pick(known.fields[place.get(name) ?? -1], fitted.fields[j])),
    absolute: fields
      .filter(isBand)
      .map(({ name }, slot) => pick(known.absolute[oldBands.indexOf(name)], fitted.absolute[slot])),
  };
}

/** The survey of a checkpoint with the fields that `wanted` has besides, of those named in `taken`. */
export function grownSurvey({ config }: Checkpoint, wanted: Survey, taken: ReadonlySet<string>): Survey {
  return growSurvey(config.survey, wanted, taken);
}

/**
 * The same network with a larger vocabulary. Old answers stay bitwise what they were, until it is trained: new fields
 * come behind the old ones everywhere, with weights of zero.
 * `survey` is what {@link grownSurvey} makes; `fitted` is of its fields.
 */
export function growCheckpoint(old: Checkpoint, survey: Survey, fitted: Standardisation): Checkpoint {
  const known = old.config.survey.fields;
  const first = survey.fields[known.length];
  if (first === undefined) return { ...old, config: { ...old.config, survey } };
  const standardisation = growStandardisation(old.config, survey, fitted) as CheckpointConfig["standardisation"];
  const model = withSpectra(old.config.model, survey.fields);
  const config = { ...old.config, model, survey, standardisation, grownAt: [...old.config.grownAt, first.id] };
  const layout = createLayout(parameterSpecs(config.model, coderOf(config, old.templates)));
  const average = growParameters(old.layout, old.state.average, layout, createRng(`${config.training.seed}:grow`));
  return { ...old, config, layout, state: { ...initialState(average), step: old.state.step } };
}
