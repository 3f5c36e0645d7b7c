import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { doubtOf, withinReach } from "../tokens/hosts.ts";
import type { FieldCoder } from "../tokens/standardise.ts";

/** Feature rows for baselines. */
export interface Features {
  /** [n, width], finite */
  readonly x: Float32Array;
  readonly width: number;
  /** Columns that hold values (encoded values, classes, the scale); the others say how well these are known. */
  readonly values: readonly number[];
}

/** What is said of one given value: its columns, and whether each holds a value. */
interface Said {
  readonly row: readonly number[];
  readonly isValue: readonly boolean[];
}

/** What the network is told of field `j` of a row, all zero where it is not observed. */
function sayField(coder: FieldCoder, catalog: Catalog, row: number, j: number, scale: number): Said {
  const at = row * coder.nField + j;
  const state = catalog.state[at];
  const isObserved = state !== State.notObserved;
  const field = coder.fields[j];
  if (field.kind === "category") {
    const classes = field.classes.map((_, k) => (isObserved && catalog.value[at] === k ? 1 : 0));
    return { row: classes, isValue: classes.map(() => true) };
  }
  const x = catalog.value[at];
  const flags = [isObserved, state === State.upperLimit, state === State.nonDetection].map(Number);
  const value = isObserved ? withinReach(coder.encode(j, x, scale)) : 0;
  const doubt = isObserved ? doubtOf(coder.encodeError(j, x, catalog.error[at], scale)) : 0;
  return { row: [value, doubt, ...flags], isValue: [true, false, false, false, false] };
}

/**
 * What the network is told, as plain columns: of each given field its encoded value, the logarithm of its error, and
 * flags for observed, upper limit and non-detection, 0 where it is not observed; of a category one flag per class; and the
 * scale of the visible bands. [rows, width]
 */
export function featureMatrix(coder: FieldCoder, catalog: Catalog, rows: Int32Array, isGiven: Uint8Array): Features {
  const given = Array.from(isGiven.keys()).filter((j) => isGiven[j] === 1);
  const sayRow = (row: number): Said => {
    const scale = coder.scaleOf(catalog, row, isGiven);
    const said = given.map((j) => sayField(coder, catalog, row, j, scale));
    return {
      row: [...said.flatMap((one) => one.row), coder.encodeScale(scale), scale > 0 ? 1 : 0],
      isValue: [...said.flatMap((one) => one.isValue), true, false],
    };
  };
  const { isValue } = sayRow(rows[0]);
  const width = isValue.length;
  const x = new Float32Array(rows.length * width);
  rows.forEach((row, i) => x.set(sayRow(row).row, i * width));
  return { x, width, values: isValue.flatMap((one, column) => (one ? [column] : [])) };
}

/** Rows of `features`, in that order. */
export function featureRows({ x, width, values }: Features, rows: Int32Array): Features {
  const picked = new Float32Array(rows.length * width);
  rows.forEach((row, i) => picked.set(x.subarray(row * width, (row + 1) * width), i * width));
  return { x: picked, width, values };
}

/** The columns of `features` that `columns` name, in that order. */
function pickFeatures({ x, width, values }: Features, columns: readonly number[]): Features {
  const own = columns.length;
  const picked = new Float32Array((x.length / width) * own);
  for (let row = 0; row * width < x.length; row++) {
    for (let c = 0; c < own; c++) picked[row * own + c] = x[row * width + columns[c]];
  }
  return { x: picked, width: own, values: columns.flatMap((column, c) => (values.includes(column) ? [c] : [])) };
}

/** Features of training and of other rows, without the columns that are the same in all training rows. */
export function varyingFeatures(train: Features, other: Features): { train: Features; other: Features } {
  const { x, width } = train;
  const columns = Array.from({ length: width }, (_, c) => c).filter((c) => {
    for (let at = c + width; at < x.length; at += width) if (x[at] !== x[c]) return true;
    return false;
  });
  const kept = columns.length === 0 ? [0] : columns; // a baseline of no columns has no shape
  return { train: pickFeatures(train, kept), other: pickFeatures(other, kept) };
}
