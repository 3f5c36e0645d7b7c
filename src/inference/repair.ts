import { dirname, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { makeFolder } from "../io/atomic.ts";
import { checkWritable, writeTable } from "../io/formats.ts";
import { splitTableName } from "../io/table-name.ts";
import type { Column, ColumnSchema, Table, TableSource } from "../io/table.ts";
import { rateNote, type Reporter, silent } from "../progress.ts";
import { type Binding, bindLayout } from "../survey/bind.ts";
import type { BindOptions, FieldBinding, Place } from "../survey/bind-fields.ts";
import { meant } from "../survey/cells.ts";
import { noMagnitudeOf } from "../survey/layout.ts";
import { fromDigits, openFor, readIds } from "../survey/read.ts";
import type { Survey } from "../survey/survey.ts";
import { counted } from "../text.ts";
import { type BandCalibration, learnedCalibration, magnitudesOf } from "../train/calibration.ts";
import { type Checkpoint, loadCheckpoint } from "../train/checkpoint.ts";
import { version } from "../version.ts";

export interface RepairRequest {
  /** Checkpoint, or run folder, of `adapt`. */
  readonly checkpoint: string;
  readonly table: string;
  /** How the table is to be read. */
  readonly reading?: BindOptions;
  /** Table to write. */
  readonly out: string;
  /**
   * Multiplies errors by the learned noise factors too. Default false: a noise factor is what makes the network's errors
   * fit, its own among them, and no measurement of the photometry's.
   */
  readonly noise?: boolean;
  readonly reporter?: Reporter;
}

/** What becomes of the numbers at one place of the table. */
interface Edit {
  readonly place: Place;
  readonly factor: number;
  /** Magnitudes, which `add` is added to. */
  readonly isMagnitude: boolean;
  readonly add: number;
  /** [mag] Of values, what the band's magnitudes get: told in a column of its own. */
  readonly zeroPoint?: number;
}

/** Ending of the columns that say what was done. */
const APPLIED = "_zp_applied";

const keyOf = ({ column, element }: Place): string => `${column}\n${element}`;

/** How one band's columns are repaired; `referenceFactor` is that of the fluxes that ratios are multiplied by. */
function editsOf(
  path: string,
  bound: FieldBinding,
  { lnFlux, noise }: BandCalibration,
  referenceFactor: number,
): Edit[] {
  const { conversion, errorKind, value, error } = bound;
  if (conversion.kind !== "factor" && conversion.kind !== "magAB") {
    throw new UserError(
      `${path}: column "${value[0].column}" holds neither fluxes nor magnitudes: it can't be repaired`,
    );
  }
  const isMagnitude = conversion.kind === "magAB";
  if (isMagnitude && errorKind === "relative" && error.length > 0) {
    throw new UserError(`${path}: column "${error[0].column}": relative errors of magnitudes can't be repaired`);
  }
  const zeroPoint = magnitudesOf(lnFlux);
  const scale = isMagnitude ? 1 : Math.exp(lnFlux) / referenceFactor;
  const sigma = { absolute: scale * noise, relative: noise, ivar: 1 / (scale * noise) ** 2, interval: 1, none: 1 }[
    errorKind
  ];
  return [
    ...value.map((place) => ({ place, factor: scale, isMagnitude, add: isMagnitude ? zeroPoint : 0, zeroPoint })),
    ...error.map((place) => ({ place, factor: sigma, isMagnitude, add: 0 })),
  ];
}

/** Everything that is done to a table. @throws UserError for columns that two bands share. */
function planRepair(path: string, binding: Binding, bands: readonly BandCalibration[]): Edit[] {
  const calibration = new Map(bands.map((one) => [one.field, one]));
  const bound = binding.fields.flatMap((one) => {
    const own = calibration.get(one.field);
    return own === undefined ? [] : [{ one, own }];
  });
  const factors = new Map(bound.map(({ one, own }) => [keyOf(one.value[0]), Math.exp(own.lnFlux)]));
  const edits = new Map<string, Edit>();
  for (const { one, own } of bound) {
    const reference = one.times === undefined ? 1 : (factors.get(keyOf(one.times)) ?? 1);
    for (const edit of editsOf(path, one, own, reference)) {
      const known = edits.get(keyOf(edit.place));
      if (known !== undefined && (known.factor !== edit.factor || known.add !== edit.add)) {
        throw new UserError(`${path}: column "${edit.place.column}" belongs to several bands: it can't be repaired`);
      }
      edits.set(keyOf(edit.place), edit);
    }
  }
  return [...edits.values()];
}

/** What is done to a table: to all rows, and instead of that to those of tiles that differ, in the same order. */
interface Plan {
  readonly usual: readonly Edit[];
  readonly tiles: ReadonlyMap<string, readonly Edit[]>;
}

function planTiles(
  path: string,
  binding: Binding,
  bands: readonly BandCalibration[],
  tiles: Checkpoint["tiles"] = [],
): Plan {
  const usual = planRepair(path, binding, bands);
  const known = binding.tile === undefined ? [] : tiles;
  const own = known.map(({ tile, lnFlux }) => {
    const moved = bands.map((one, b) => ({ ...one, lnFlux: one.lnFlux + lnFlux[b] }));
    return [tile, planRepair(path, binding, moved)] as const;
  });
  return { usual, tiles: new Map(own) };
}

/** Whole numbers become floats: there are none between them for a repaired one. */
const isFloat = ({ type }: ColumnSchema): boolean => type === "float32" || type === "float64";

/** The columns of the output: the table's own, then one for each that was repaired. @throws UserError where it has one. */
function outputSchema({ path, schema }: TableSource, edits: readonly Edit[]): ColumnSchema[] {
  const edited = new Set(edits.map(({ place }) => place.column));
  const values = new Set(edits.flatMap(({ place, zeroPoint }) => (zeroPoint === undefined ? [] : [place.column])));
  const applied = schema.filter(({ name }) => values.has(name));
  const again = schema.find(({ name }) => values.has(name.slice(0, -APPLIED.length)) && name.endsWith(APPLIED));
  if (again !== undefined) throw new UserError(`${path}: has been repaired already: it has a column "${again.name}"`);
  const own = schema.map((column): ColumnSchema => {
    if (!edited.has(column.name) || isFloat(column)) return column;
    const { nullable: _, isDigits: __, ...rest } = column;
    return { ...rest, type: "float64" };
  });
  return [
    ...own,
    ...applied.map(({ name, width }): ColumnSchema => {
      const description = `zero-point correction that was added to ${name}, in magnitudes`;
      return { name: name + APPLIED, type: "float32", width, unit: "mag", description };
    }),
  ];
}

/** A copy of a column as floats, NaN where missing. */
function floatsOf(column: Column, schema: ColumnSchema): Float32Array | Float64Array {
  const { data, isValid } = fromDigits(column);
  if (data instanceof Float32Array || data instanceof Float64Array) return data.slice();
  return Float64Array.from(data as ArrayLike<number | bigint>, (x, i) =>
    isValid?.[Math.floor(i / schema.width)] === 0 ? NaN : Number(x),
  );
}

/** The repaired rows, with what was done to each value: NaN where there was none. */
function repairRows(
  table: Table,
  schema: readonly ColumnSchema[],
  { usual: edits, tiles }: Plan,
  { layout: { magic, ...layout }, tile: template }: Binding,
): Table {
  const own = new Map(table.columns.map((column) => [column.name, column]));
  const tile = tiles.size === 0 ? undefined : readIds(own, template, 0, table.rowCount);
  const applied = new Map<string, Float32Array>();
  const noMagnitude = noMagnitudeOf(layout);
  const repaired = new Map<string, Float32Array | Float64Array>();
  for (const name of new Set(edits.map(({ place }) => place.column))) {
    const column = own.get(name)!;
    const { width } = column;
    const data = floatsOf(column, column);
    const done = new Float32Array(data.length).fill(NaN);
    for (const [e, { place, isMagnitude }] of edits.entries()) {
      if (place.column !== name) continue;
      for (let at = place.element, row = 0; at < data.length; at += width, row++) {
        const { factor, add, zeroPoint } = (tiles.get(tile?.[row] ?? "") ?? edits)[e];
        const x = meant(data[at], magic);
        if (!Number.isFinite(x) || magic.includes(x) || (isMagnitude && Math.abs(x) >= noMagnitude)) continue;
        data[at] = data[at] * factor + add;
        if (zeroPoint !== undefined) done[at] = zeroPoint;
      }
      if (edits[e].zeroPoint !== undefined) applied.set(name + APPLIED, done);
    }
    repaired.set(name, data);
  }
  const columns = schema.map((wanted): Column => {
    const data = repaired.get(wanted.name) ?? applied.get(wanted.name);
    return data === undefined ? own.get(wanted.name)! : { ...wanted, data };
  });
  return { rowCount: table.rowCount, columns, metadata: table.metadata };
}

/** What the table says of itself afterwards. */
function notesOf(request: RepairRequest, survey: Survey, binding: Binding, bands: readonly BandCalibration[]) {
  const bound = bands.filter(({ field }) => binding.fields.some((one) => one.field === field));
  const list = bound.map(({ field, lnFlux }) => `${survey.fields[field].name} ${magnitudesOf(lnFlux).toFixed(4)}`);
  return {
    repair: `caleido ${version}: zero-points of ${request.checkpoint}, in magnitudes added: ${list.join(", ")}`,
    repair_errors:
      request.noise === true ? "scaled with the fluxes and by the noise factors" : "scaled with the fluxes",
  };
}

/** @throws UserError for an output that can't be written, or is the table itself. */
function checkRequest({ table, out }: RepairRequest): void {
  checkWritable(out);
  if (resolve(out) === resolve(splitTableName(table).file)) {
    throw new UserError(`${out}: is the table itself, expected another file to write`);
  }
}

/**
 * Writes a table again with the zero-points that an adapted checkpoint has learned applied to its bands: all columns in
 * their order, in their own units and systems, then for each column of values `<column>_zp_applied` [mag], NaN where there
 * was nothing to repair. Fluxes and their errors are multiplied alike, so that signal to noise stays; magnitudes are added
 * to. Magic values stay as they are; columns of whole numbers that are repaired become float64. Streams. Returns the
 * number of rows.
 * @throws UserError for a checkpoint without zero-points, a table that can't be read or has been repaired already.
 */
export async function repair(request: RepairRequest): Promise<number> {
  checkRequest(request);
  const { table, out, reading, noise = false, reporter = silent } = request;
  const checkpoint = loadCheckpoint(request.checkpoint);
  const { survey } = checkpoint.config;
  const learned = learnedCalibration(request.checkpoint, checkpoint);
  const bands = learned.map((one) => ({ ...one, noise: noise ? one.noise : 1 }));
  const source = await openFor(table, survey, reading);
  const start = performance.now();
  const bar = source.rowCount === undefined ? undefined : reporter.bar("repairing", source.rowCount);
  try {
    const binding = bindLayout(source.path, source.schema, survey, reading);
    const plan = planTiles(source.path, binding, bands, checkpoint.tiles);
    const edits = plan.usual;
    if (edits.length === 0) throw new UserError(`${source.path}: no band among its columns, nothing to repair`);
    const schema = outputSchema(source, edits);
    let rows = 0;
    async function* repaired(): AsyncGenerator<Table> {
      for await (const batch of source.batches()) {
        yield repairRows(batch, schema, plan, binding);
        rows += batch.rowCount;
        bar?.update(rows, rateNote(rows, source.rowCount ?? rows, (performance.now() - start) / 1000));
      }
    }
    const byTile =
      plan.tiles.size === 0 ? {} : { repair_tiles: `zero-points of their own: ${[...plan.tiles.keys()].join(", ")}` };
    const metadata = { ...source.metadata, ...notesOf(request, survey, binding, bands), ...byTile };
    makeFolder(dirname(out));
    await writeTable(out, { schema, metadata, isPlain: isPlain(source) }, repaired());
    bar?.stop();
    const count = edits.filter(({ zeroPoint }) => zeroPoint !== undefined).length;
    reporter.say(
      `${counted(count, "band")} of ${counted(rows, "row")} repaired (layout ${binding.layout.name}) -> ${out}`,
    );
    return rows;
  } finally {
    bar?.stop();
    await source.close();
  }
}

/** Whether a table says nothing of itself that CSV would need comments for. */
const isPlain = ({ format, schema }: TableSource): boolean =>
  format === "csv" && schema.every(({ unit, description }) => unit === undefined && description === undefined);
