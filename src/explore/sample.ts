import type { Column, Table } from "../io/table.ts";
import { createRng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { toCatalog } from "../survey/read.ts";
import type { Survey } from "../survey/survey.ts";

/** What a report knows of a table: some of its rows, each as likely as any other, and what was counted over all. */
export interface Sample {
  /** The table in legends. */
  readonly label: string;
  readonly survey: Survey;
  /** At most `MOST_ROWS` rows. */
  readonly catalog: Catalog;
  /** Rows of the whole table. */
  readonly rowCount: number;
  /** [nField * 4] Values of each field in each `State`, over all rows. */
  readonly states: Uint32Array;
  /** Missing values of bands by what took them (`missing_edge`, ... of simulated tables), over all rows. */
  readonly mechanisms: ReadonlyMap<string, number>;
  /** Counts of redshifts over all rows, in bins of `REDSHIFT_STEP`. */
  readonly redshifts: { readonly values: Float64Array; readonly weights: Float64Array };
}

export interface Sampler {
  add(catalog: Catalog): void;
  /** Rows under the public column names; only those that are kept are converted. */
  addTable(table: Table): void;
  /** Counts of the columns that say what took bands; {@link addTable} does this by itself. */
  addMechanisms(table: Table): void;
  finish(): Sample;
}

const MOST_ROWS = 20_000;
const REDSHIFT_STEP = 0.001;
const N_STATE = Object.keys(State).length;

/** Places for `capacity` rows of a stream, each row as likely to stay as any other (algorithm R of Vitter 1985). */
function createReservoir({ fields }: Survey, seed: string, capacity: number) {
  const n = fields.length;
  const rng = createRng(`${seed}:look`);
  const value = new Float32Array(capacity * n);
  const error = new Float32Array(capacity * n);
  const state = new Uint8Array(capacity * n);
  const objectId: string[] = [];
  const parentId: string[] = [];
  let offered = 0;
  return {
    /** For each of the next rows, its place in the sample; -1 for none. */
    offer: (rows: number): Int32Array =>
      Int32Array.from({ length: rows }, () => {
        const place = offered < capacity ? offered : rng.integer(offered + 1);
        offered++;
        return place < capacity ? place : -1;
      }),
    keep(catalog: Catalog, row: number, place: number): void {
      if (place < 0) return;
      const [from, to] = [row * n, place * n];
      value.set(catalog.value.subarray(from, from + n), to);
      error.set(catalog.error.subarray(from, from + n), to);
      state.set(catalog.state.subarray(from, from + n), to);
      objectId[place] = catalog.objectId[row];
      parentId[place] = catalog.parentId[row];
    },
    finish(): { rowCount: number; catalog: Catalog } {
      const end = objectId.length * n;
      const arrays = { value: value.subarray(0, end), error: error.subarray(0, end), state: state.subarray(0, end) };
      return { rowCount: offered, catalog: { fields, rowCount: objectId.length, objectId, parentId, ...arrays } };
    },
  };
}

/** A column that counts the bands of a row that one mechanism took: its name, `edge` of `missing_edge`. */
export function mechanismOf(column: string): string | undefined {
  return /^missing_(\w+)$/.exec(column)?.[1];
}

/** Counts of states, redshifts and of what took bands. */
function createCounts({ fields }: Survey) {
  const states = new Uint32Array(fields.length * N_STATE);
  const redshifts = new Map<number, number>();
  const mechanisms = new Map<string, number>();
  const zField = fields.findIndex(({ kind }) => kind === "redshift");
  return {
    count(field: number, value: number, state: number): void {
      states[field * N_STATE + state]++;
      if (field !== zField || state === State.notObserved) return;
      const bin = Math.floor(value / REDSHIFT_STEP);
      redshifts.set(bin, (redshifts.get(bin) ?? 0) + 1);
    },
    countMechanisms({ columns }: Table): void {
      for (const { name, data } of columns) {
        const mechanism = mechanismOf(name);
        if (mechanism === undefined) continue;
        let sum = mechanisms.get(mechanism) ?? 0;
        for (const bands of data) sum += Number(bands);
        mechanisms.set(mechanism, sum);
      }
    },
    finish(): Pick<Sample, "states" | "redshifts" | "mechanisms"> {
      const bins = [...redshifts.keys()].sort((a, b) => a - b);
      const values = Float64Array.from(bins, (bin) => (bin + 0.5) * REDSHIFT_STEP);
      const weights = Float64Array.from(bins, (bin) => redshifts.get(bin) ?? 0);
      return { states, mechanisms, redshifts: { values, weights } };
    },
  };
}

/** Collects a sample from rows that stream by; the same rows and seed give the same sample. */
export function createSampler(label: string, survey: Survey, seed: string, capacity = MOST_ROWS): Sampler {
  const { fields } = survey;
  const reservoir = createReservoir(survey, seed, capacity);
  const counts = createCounts(survey);
  return {
    add(catalog) {
      reservoir.offer(catalog.rowCount).forEach((place, row) => reservoir.keep(catalog, row, place));
      catalog.state.forEach((state, at) => counts.count(at % fields.length, catalog.value[at], state));
    },
    addTable(table) {
      const places = reservoir.offer(table.rowCount);
      const rows = Array.from(places.keys()).filter((row) => places[row] >= 0);
      if (rows.length > 0) {
        const { catalog } = toCatalog(pickRows(table, rows), survey);
        rows.forEach((row, i) => reservoir.keep(catalog, i, places[row]));
      }
      counts.countMechanisms(table);
      const columns = new Map(table.columns.map((column) => [column.name, column.data]));
      fields.forEach(({ name }, j) => {
        const values = columns.get(name);
        const told = columns.get(`${name}_state`);
        for (let row = 0; row < table.rowCount; row++) {
          const x = values === undefined ? Number.NaN : Number(values[row]);
          const known = told === undefined ? State.measured : Number(told[row]);
          counts.count(j, x, Number.isNaN(x) ? State.notObserved : known);
        }
      });
    },
    addMechanisms: (table) => counts.countMechanisms(table),
    finish: () => ({ label, survey, ...reservoir.finish(), ...counts.finish() }),
  };
}

function pickRows(table: Table, rows: readonly number[]): Table {
  if (rows.length === table.rowCount) return table;
  const isKept = new Uint8Array(table.rowCount);
  for (const row of rows) isKept[row] = 1;
  const columns = table.columns.map((column): Column => {
    const { width, isValid } = column;
    // every kind of column data filters alike
    const data = column.data as Float32Array;
    return {
      ...column,
      data: data.filter((_, i) => isKept[Math.floor(i / width)] === 1),
      ...(isValid === undefined ? {} : { isValid: isValid.filter((_, row) => isKept[row] === 1) }),
    };
  });
  return { ...table, rowCount: rows.length, columns };
}
