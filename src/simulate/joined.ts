import type { Survey } from "../survey/survey.ts";
import type { CatalogOptions } from "../survey/read.ts";
import { readRows } from "../survey/reading.ts";
import { State } from "../survey/field.ts";
import { UserError } from "../errors.ts";

/** A catalogue to join to spectra by the object's id. */
export interface LabelTable {
  readonly path: string;
  /** The survey whose layouts read it. */
  readonly survey: Survey;
  readonly reading?: CatalogOptions;
}

/** What catalogues know of one object: value, 1 sigma error, state, by field. */
export type Known = Readonly<Record<string, { readonly value: number; readonly error: number; readonly state: State }>>;

/** A catalogue in memory: the fields that it fills, and rows by object id. */
export interface Joined {
  readonly path: string;
  readonly fields: readonly string[];
  /** Who measured each property, by its name. */
  readonly sources: Readonly<Record<string, string>>;
  /** An id of its own, for messages. */
  readonly example: string;
  /** Undefined for an object that it doesn't have. */
  of(this: void, id: string): Known | undefined;
}

/**
 * Reads a catalogue of labels and fluxes; of objects that it lists more than once the first row counts.
 * @throws UserError as `readRows`, and where fluxes are not in the unit of the simulated survey.
 */
export async function readJoined({ path, survey, reading }: LabelTable, fluxUnit: string): Promise<Joined> {
  const rowOf = new Map<string, number>();
  const chunks: { readonly first: number; readonly value: Float32Array; readonly error: Float32Array }[] = [];
  const states: Uint8Array[] = [];
  const seen = new Uint8Array(survey.fields.length);
  let rows = 0;
  let sources: Record<string, string> = {};
  for await (const { catalog, report } of readRows(path, { survey, options: reading })) {
    sources = Object.fromEntries([...report.sources].map(([field, names]) => [field, names.join(" + ")]));
    const { objectId, value, error, state, rowCount } = catalog;
    objectId.forEach((id, i) => rowOf.has(id) || rowOf.set(id, rows + i));
    chunks.push({ first: rows, value, error });
    states.push(state);
    for (let k = 0; k < state.length; k++) if (state[k] !== State.notObserved) seen[k % seen.length] = 1;
    rows += rowCount;
  }
  const filled = survey.fields.flatMap((field, j) => (seen[j] === 1 ? [{ field, j }] : []));
  const wrong = filled.find(({ field }) => field.band !== undefined && field.unit !== fluxUnit);
  if (wrong !== undefined) {
    throw new UserError(`${path}: fluxes of survey ${survey.name} are in ${wrong.field.unit}, expected ${fluxUnit}`);
  }
  return {
    path,
    fields: filled.map(({ field }) => field.name),
    sources,
    example: rowOf.keys().next().value ?? "",
    of(id) {
      const row = rowOf.get(id);
      if (row === undefined) return undefined;
      const chunk = chunks.findLastIndex(({ first }) => first <= row);
      const at = (row - chunks[chunk].first) * survey.fields.length;
      const entries = filled.flatMap(({ field, j }) => {
        const state = states[chunk][at + j] as State;
        if (state === State.notObserved) return [];
        return [
          [field.name, { value: chunks[chunk].value[at + j], error: chunks[chunk].error[at + j], state }] as const,
        ];
      });
      return Object.fromEntries(entries);
    },
  };
}
