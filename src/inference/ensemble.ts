import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { atomically, checkPlace, makeFolder } from "../io/atomic.ts";
import type { Hdf5Array, Hdf5Writer } from "../io/hdf5-write.ts";
import type { Column, Table } from "../io/table.ts";
import type { Distribution } from "../model/distribution.ts";
import type { Field } from "../survey/field.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { fieldDistribution } from "./field-answer.ts";
import { type Grid, gridDensity } from "./grid.ts";
import type { Answers } from "./predict.ts";

/** How a qp ensemble has its densities. */
export const ensembleForms = ["mixture", "interp", "hist"] as const;
export type EnsembleForm = (typeof ensembleForms)[number];

/** A file of densities of one field for qp and RAIL. */
export interface EnsembleOptions {
  /** HDF5 file to write. */
  readonly path: string;
  /** Default: `interp` where the field has a grid, else `mixture`. */
  readonly form?: EnsembleForm;
}

/** What an ensemble is written from. */
export interface EnsemblePlan {
  readonly path: string;
  readonly form: EnsembleForm;
  /** Column of the field. */
  readonly field: number;
  readonly grid: Grid | undefined;
}

/**
 * Which field an ensemble is of (the redshift, else the only one that has a density) and how.
 * @throws UserError for a file that isn't HDF5 or can't be made, several fields, a form that wants a grid without one.
 */
export function planEnsemble(
  { path, form }: EnsembleOptions,
  fields: readonly Field[],
  wanted: readonly number[],
  grids: readonly Grid[],
): EnsemblePlan {
  if (!/\.(hdf5|h5|hdf)$/i.test(path)) throw new UserError(`--qp ${path}: expected an HDF5 file, .hdf5`);
  checkPlace(path);
  const dense = wanted.filter((j) => fields[j].kind !== "category");
  const field = dense.find((j) => fields[j].kind === "redshift") ?? (dense.length === 1 ? dense[0] : undefined);
  if (field === undefined) {
    throw new UserError(
      `--qp ${path}: an ensemble is of one field, expected --want z, or a single field with a density`,
    );
  }
  const grid = grids.find((one) => one.field === field);
  const chosen = form ?? (grid === undefined ? "mixture" : "interp");
  if (chosen !== "mixture" && grid === undefined) {
    throw new UserError(`--qp-form ${chosen}: expected a grid for it: --pdf-grid ${fields[field].name}=min:max:step`);
  }
  return { path, form: chosen, field, grid };
}

/** Appends the answers of a batch, tabulated as in the output. */
export type EnsembleSink = (answers: Answers, table: Table) => void;

/** qp's name of each form (`pdf_name`, all of version 0), and of its points. */
const NAMES: Readonly<Record<EnsembleForm, { name: string; points?: string }>> = {
  mixture: { name: "mixmod" },
  interp: { name: "interp", points: "xvals" },
  hist: { name: "hist", points: "bins" },
};

/**
 * Components [rowCount, components] in the field's unit. Those of a network are Gaussians of the encoded value: each becomes
 * the Gaussian with its mean and standard deviation in the unit, as qp has no other (exact where the way back is linear).
 */
function mixtureArrays(plan: EnsemblePlan, coder: FieldCoder, answers: Answers, w: number): Hdf5Array[] {
  const parts = Array.from({ length: answers.rowCount }, (_, row) => {
    const found = answers.encoded[w].components?.(row, coder.curve(plan.field, answers.scales[row]));
    if (found !== undefined) return found;
    throw new UserError(
      `--qp-form mixture: the answers for ${coder.fields[plan.field].name} are no mixtures; expected --qp-form interp ` +
        `or hist with a --pdf-grid`,
    );
  });
  const width = parts[0]?.weight.length ?? 1;
  const array = (name: "weight" | "mean" | "std"): Hdf5Array => {
    const data = new Float64Array(parts.length * width);
    parts.forEach((part, row) => data.set(part[name], row * width));
    return { path: `data/${name}s`, data, width };
  };
  return [array("weight"), array("mean"), array("std")];
}

/** Densities at the points, or mean ones between them; NaN where nothing is there: qp can't normalise zeros. */
function gridArrays(form: "interp" | "hist", grid: Grid, distribution: Distribution): Hdf5Array[] {
  const n = distribution.rowCount;
  const points = grid.at.length;
  const width = form === "interp" ? points : points - 1;
  const data = new Float64Array(n * width);
  const own = new Float64Array(points);
  for (let row = 0; row < n; row++) {
    let mass = 0;
    if (form === "interp") mass = gridDensity(distribution, row, grid, own);
    else {
      for (let i = 0; i < points; i++) own[i] = distribution.cdf(row, grid.at[i]);
      mass = own[points - 1] - own[0];
      for (let i = 0; i < width; i++) own[i] = Math.max(0, own[i + 1] - own[i]) / (grid.at[i + 1] - grid.at[i]);
    }
    for (let i = 0; i < width; i++) data[row * width + i] = mass > 0 ? own[i] / mass : NaN;
  }
  return [{ path: `data/${form === "interp" ? "yvals" : "pdfs"}`, data, width }];
}

/** Ids, and point estimates under the names that RAIL has for those of redshifts. */
function ancilArrays(field: Field, { columns }: Table): Hdf5Array[] {
  const prefix = field.kind === "redshift" ? "z" : "";
  const of = (name: string, as: string): Hdf5Array[] => {
    const column = columns.find((one) => one.name === name);
    return column === undefined ? [] : [{ path: `ancil/${as}`, data: asArray(column) }];
  };
  const estimates = ["mode", "mean", "median"].flatMap((what) => of(`${field.name}_${what}`, `${prefix}${what}`));
  return [...of("object_id", "object_id"), ...estimates];
}

/** Stands for the id of a row that has none, where ids are whole numbers: the blank of our FITS tables. */
const NO_ID = -(2n ** 63n);

/** Ids as they are; numbers of single precision in double. */
function asArray({ data, isValid }: Column): Hdf5Array["data"] {
  if (data instanceof BigInt64Array) return data.map((id, row) => (isValid?.[row] === 0 ? NO_ID : id));
  return Array.isArray(data) ? data : Float64Array.from(data, Number);
}

/** What is the same for all rows: arrays of one row, as qp has them. */
function begin(writer: Hdf5Writer, { form, grid }: EnsemblePlan): void {
  const { name, points } = NAMES[form];
  writer.add({ path: "meta/pdf_name", data: [name] });
  writer.add({ path: "meta/pdf_version", data: BigInt64Array.of(0n) });
  if (points !== undefined) writer.add({ path: `meta/${points}`, data: grid!.at, width: grid!.at.length });
}

/**
 * Runs `use` with something that takes the answers batch by batch into a qp ensemble (HDF5 with the groups `meta`, `data`
 * and `ancil`; LSSTDESC/qp), which has its name only when `use` has ended well. Without a plan nothing is written.
 * @throws UserError where the file can't be written, or the answers don't have the form.
 */
export async function withEnsemble<T>(
  plan: EnsemblePlan | undefined,
  coder: FieldCoder,
  use: (sink: EnsembleSink) => Promise<T>,
): Promise<T> {
  if (plan === undefined) return use(() => {});
  makeFolder(dirname(plan.path));
  const { createHdf5 } = await import("../io/hdf5-write.ts"); // most questions write none, and need not wait for it
  return atomically(plan.path, async (temporary) => {
    const writer = await createHdf5(temporary, plan.path);
    try {
      begin(writer, plan);
      return await use((answers, table) => {
        const w = answers.wanted.indexOf(plan.field);
        const arrays =
          plan.form === "mixture"
            ? mixtureArrays(plan, coder, answers, w)
            : gridArrays(plan.form, plan.grid!, fieldDistribution(coder, answers, w));
        writer.append([...arrays, ...ancilArrays(coder.fields[plan.field], table)]);
      });
    } finally {
      writer.close();
    }
  });
}
