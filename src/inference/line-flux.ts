/** Fluxes of emission lines: equivalent width times the continuum around the line, both as joint draws have them. */
import { UserError } from "../errors.ts";
import { ewLabels, lines, starFormingGas } from "../simulate/lines.ts";
import type { Field } from "../survey/field.ts";
import type { Derived } from "./derived.ts";
import { continuumAt, type Emission, FARTHEST, type Light, type Window, windowsOf } from "./light.ts";

/** A line that a survey has the equivalent width of. */
export interface Line {
  /** Column of the width. */
  readonly column: number;
  /** Name of its flux: that of the width with FLUX in place of EW. */
  readonly name: string;
  readonly description: string;
  /** Rest-frame, in vacuum [Angstrom]; the mean of a doublet. */
  readonly wavelength: number;
}

type Label = keyof typeof ewLabels;
const isLabel = (name: string | null | undefined): name is Label => typeof name === "string" && name in ewLabels;

/** Rest-frame wavelength in vacuum [Angstrom] of a width that the simulator has. */
function labelWavelength(label: Label): number {
  const members = ewLabels[label];
  return members.reduce((sum, name) => sum + lines[name].wavelength, 0) / members.length;
}

/** As the survey says, else by the name of the field or what it is the same as; undefined where neither tells. */
function wavelengthOf(field: Field): number | undefined {
  if (field.kind !== "ew") return undefined;
  const label = [field.sameAs, field.name].find(isLabel);
  return field.line ?? (label && labelWavelength(label));
}

/** `HALPHA_EW`, `EW_HALPHA`: `HALPHA_FLUX`. */
const fluxName = (name: string): string => `${name.replace(/_?EW_?/i, "")}_FLUX`;

/** Lines by the widths among the fields. */
export function linesOf(fields: readonly Field[]): Line[] {
  return fields.flatMap((field, column) => {
    const wavelength = wavelengthOf(field);
    const { name, description } = field;
    return wavelength === undefined ? [] : [{ column, name: fluxName(name), description, wavelength }];
  });
}

/** Lines of one ion and upper level, stronger and weaker: their ratio is that of the atom, whatever the gas. */
const DOUBLETS = [
  ["OIII5007", "OIII4959"],
  ["NII6584", "NII6548"],
] as const;
/** Lines this near are the same [Angstrom]. */
const SAME = 3;

const gas = starFormingGas(8.69, 0);
const isNear = (a: number, b: number): boolean => Math.abs(a - b) < SAME;

/** Rest wavelengths and shares of the width of all that comes with a line: itself, and a weaker line of its doublet. */
function membersOf({ wavelength }: Line): { wavelength: number; share: number }[] {
  const pair = DOUBLETS.find(([strong]) => isNear(lines[strong].wavelength, wavelength));
  if (pair === undefined) return [{ wavelength, share: 1 }];
  const [strong, weak] = [lines[pair[0]], lines[pair[1]]];
  return [
    { wavelength, share: 1 },
    { wavelength: weak.wavelength, share: weak.ratio(gas) / strong.ratio(gas) },
  ];
}

/** All lines of a survey, its bands, and the flux of one of them from the widths of all. */
interface Spectrum {
  readonly known: readonly Line[];
  readonly needs: readonly number[];
  /** Flux of line `k` where line i has the rest-frame width `x[i]`, in the bands' unit times Angstrom; NaN outside the bands. */
  readonly flux: (k: number, x: ArrayLike<number>, light: Light) => number;
}

function spectrumOf(fields: readonly Field[], known: readonly Line[]): Spectrum {
  const members = known.flatMap((line, i) => membersOf(line).map((one) => ({ ...one, i })));
  let windows: Window[] | undefined;
  const flux = (k: number, x: ArrayLike<number>, light: Light): number => {
    windows ??= windowsOf(fields);
    const stretch = 1 + light.z;
    const emissions = members.map(({ wavelength, share, i }): Emission => ({
      wavelength: wavelength * stretch,
      width: x[i] * share * stretch,
    }));
    return x[k] * stretch * continuumAt(windows, light, known[k].wavelength * stretch, emissions);
  };
  return { known, needs: known.map(({ column }) => column), flux };
}

/** Wavelength from which on bands tell of the continuum at lines, at any redshift [Angstrom]. */
const bluestOf = (some: readonly Line[]): number =>
  Math.min(...some.map(({ wavelength }) => wavelength)) * Math.exp(-FARTHEST);

/** Of a flux per wavelength, over wavelength. */
const lineUnit = (unit: string): string => (unit.endsWith("/A") ? unit.slice(0, -2) : `${unit} * Angstrom`);

const WHERE =
  "as observed through the bands' aperture, dust not corrected; from the drawn width and the continuum in the bands around";

/** The flux of a line by its name, `HALPHA_FLUX`; undefined for another name. @throws UserError where the line has no wavelength. */
export function lineFlux(name: string, fields: readonly Field[], option: string): Derived | undefined {
  const width = fields.find((field) => field.kind === "ew" && fluxName(field.name) === name);
  if (width === undefined) return undefined;
  const { known, needs, flux } = spectrumOf(fields, linesOf(fields));
  const k = known.findIndex((line) => line.name === name);
  if (k < 0) {
    throw new UserError(
      `${option} ${name}: the survey does not say where the line of ${width.name} is; expected "line: <rest-frame Angstrom, vacuum>" in its row`,
    );
  }
  const { wavelength, description } = known[k];
  return {
    name,
    description: `line flux at ${wavelength.toFixed(1)} Angstrom (${description}), ${WHERE}`,
    unit: lineUnit(fields.find(({ band }) => band !== undefined)?.unit ?? ""),
    needs,
    lightFrom: bluestOf([known[k]]),
    of: (x, light) => (light === undefined ? Number.NaN : flux(k, x, light)),
  };
}

/** A ratio of the fluxes of two lines, by the names of their widths in the simulator. @throws UserError where the survey lacks one. */
export function lineRatio(
  name: string,
  [over, under]: readonly [Label, Label],
  fields: readonly Field[],
  option: string,
): Pick<Derived, "needs" | "lightFrom" | "of"> {
  const { known, needs, flux } = spectrumOf(fields, linesOf(fields));
  const [a, b] = [over, under].map((label) => {
    const k = known.findIndex(({ wavelength }) => isNear(wavelength, labelWavelength(label)));
    if (k < 0) throw new UserError(`${option} ${name}: needs the line of ${label}, which is not in the vocabulary`);
    return k;
  });
  return {
    needs,
    lightFrom: bluestOf([known[a], known[b]]),
    of(x, light) {
      if (light === undefined) return Number.NaN;
      const below = flux(b, x, light);
      return below > 0 ? flux(a, x, light) / below : Number.NaN;
    },
  };
}
