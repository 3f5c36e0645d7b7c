/** What a run keeps as it was: parameters that are frozen, and what a network knew before its vocabulary grew. */
import { createLayout, grownElements } from "../model/parameters.ts";
import type { Recalibration } from "../model/recalibration.ts";
import { parameterSpecs } from "../model/transformer.ts";
import type { Field } from "../survey/field.ts";
import { adaptPhases, freezeRates } from "./adapt.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type CheckpointConfig, coderOf } from "./config.ts";
import type { TrainOptions } from "./loop.ts";
import type { Population } from "./population-schema.ts";

/** What `freeze` says, beside patterns of parameters, to keep every element that is older than the last growth. */
const KNOWN = "known";

const keepsKnown = ({ freeze, grownAt }: CheckpointConfig): boolean => freeze.includes(KNOWN) && grownAt.length > 0;

/** Whether a field came with the last growth. */
const isNew = ({ grownAt }: CheckpointConfig, { id }: Field): boolean => id >= grownAt[grownAt.length - 1];

/** [P] 1 where an element came with the last growth, 0 where it is older. */
function newElements({ config, layout, templates }: Checkpoint): Float32Array {
  const { survey, standardisation, grownAt, model } = config;
  const isOld = survey.fields.map((field) => !isNew(config, field));
  const fields = survey.fields.filter((_, j) => isOld[j]);
  const bands = survey.fields.flatMap(({ band }, j) => (band === undefined ? [] : [isOld[j]]));
  const before = {
    model,
    grownAt: grownAt.slice(0, -1),
    survey: { ...survey, fields },
    standardisation: {
      ...standardisation,
      fields: standardisation.fields.filter((_, j) => isOld[j]),
      absolute: standardisation.absolute.filter((_, slot) => bands[slot]),
    },
  };
  return grownElements(createLayout(parameterSpecs(model, coderOf(before, templates))), layout);
}

/**
 * [P] learning-rate factors of a run: 0 for what its `freeze` names, 1 elsewhere; undefined where it names nothing.
 * @throws UserError for a pattern that matches no parameter; `known` is one where the vocabulary never grew.
 */
function frozenRates(start: Checkpoint): Float32Array | undefined {
  const { layout, config } = start;
  if (!keepsKnown(config)) return freezeRates(layout, config.freeze);
  const fresh = newElements(start);
  const others = freezeRates(
    layout,
    config.freeze.filter((one) => one !== KNOWN),
  );
  return others === undefined ? fresh : fresh.map((rate, i) => rate * others[i]);
}

/**
 * What each step of a run trains and asks; undefined where all of them train everything.
 * @throws UserError for a pattern in `freeze` that matches no parameter.
 */
export function phasesOf(start: Checkpoint): TrainOptions["phaseAt"] {
  const { adapt, ...config } = start.config;
  if (adapt !== undefined) return adaptPhases(start.layout, { ...config, adapt });
  const rateScale = frozenRates(start);
  return rateScale && (() => ({ rateScale, subsets: config.subsets }));
}

/**
 * A run that fine-tunes `source`, with what its tables' population adds. Where everything known is frozen it begins with
 * the recalibration and the population that the source had: old answers stay what they were, in every digit.
 */
export function keptKnown(source: Checkpoint, start: Checkpoint, population: Population): Checkpoint {
  const { config } = start;
  if (!keepsKnown(config)) return { ...start, population };
  const hasGrown = config.grownAt.length > source.config.grownAt.length;
  const { uncountedFrom = hasGrown ? config.grownAt.at(-1) : undefined } = source.config;
  const fresh = new Set(config.survey.fields.filter((field) => isNew(config, field)).map(({ name }) => name));
  const added = Object.entries(population.fields).filter(([name]) => fresh.has(name));
  return {
    ...start,
    config: { ...config, ...(uncountedFrom === undefined ? {} : { uncountedFrom }) },
    population: { ...population, fields: { ...source.population?.fields, ...Object.fromEntries(added) } },
    ...(source.recalibration === undefined ? {} : { recalibration: source.recalibration }),
  };
}

/** What a run recalibrates by: what was fitted to its answers, but of fields that it keeps as they were what `start` has. */
export function keptRecalibration(
  { config, recalibration: old }: Checkpoint,
  fitted: Recalibration | undefined,
): Recalibration | undefined {
  if (!keepsKnown(config) || fitted === undefined) return keepsKnown(config) ? old : fitted;
  const { fields } = config.survey;
  const known = fields.filter((field) => !isNew(config, field));
  const keys = new Set(known.map(({ name, band }) => band?.group ?? name));
  const merged = <T>(
    before: Readonly<Record<string, T>> = {},
    now: Readonly<Record<string, T>>,
  ): Record<string, T> => ({
    ...before,
    ...Object.fromEntries(Object.entries(now).filter(([key]) => !keys.has(key))),
  });
  const { trust: _fitted, ...rest } = fitted;
  return {
    ...rest,
    properties: merged(old?.properties, fitted.properties),
    bands: merged(old?.bands, fitted.bands),
    ...(old?.trust === undefined ? {} : { trust: old.trust }),
  };
}
