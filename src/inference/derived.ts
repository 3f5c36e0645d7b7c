/** What follows from several fields at once: named quantities, and formulae of the user's own. */
import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import { ionisation } from "../report/bpt.ts";
import type { ewLabels } from "../simulate/lines.ts";
import { type Field, isAskable } from "../survey/field.ts";
import { knownFields, parseFieldList } from "../survey/field-list.ts";
import { isFormula, parseExpression } from "./expression.ts";
import type { Light } from "./light.ts";
import { lineFlux, lineRatio, linesOf } from "./line-flux.ts";

/** A quantity that is worked out draw by draw. */
export interface Derived {
  /** Begins the names of its columns. */
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  /** Of one that sorts: its values are the indices of these. */
  readonly classes?: readonly string[];
  /** Columns of the fields that it is of. */
  readonly needs: readonly number[];
  /** It is of light too, the redshift and fluxes as given or drawn: from this observed wavelength on [Angstrom]. */
  readonly lightFrom?: number;
  /** Its value where field `needs[i]` has the value `x[i]`; NaN or infinite where it has none. */
  readonly of: (x: ArrayLike<number>, light?: Light) => number;
}

/** Joint draws of some galaxies. */
export interface Draws {
  readonly rowCount: number;
  /** Per galaxy. */
  readonly draws: number;
  /** Columns of the fields that were drawn together. */
  readonly together: readonly number[];
  /** [galaxy, draw, field] in the fields' units. */
  readonly values: Float64Array;
  /** Light of draw i, where a quantity is of it. */
  readonly light?: ((i: number) => Light) | undefined;
}

interface Formula {
  readonly description: string;
  /** As `--want` takes it. */
  readonly formula: string;
  readonly unit?: string;
}

interface LineRatio {
  readonly description: string;
  /** Widths of two lines, whose fluxes are divided. */
  readonly lines: readonly [keyof typeof ewLabels, keyof typeof ewLabels];
}

interface Sorting {
  readonly description: string;
  readonly needs: readonly string[];
  readonly classes: readonly string[];
  /** The class of a galaxy, one of `classes`, from the values of `needs`. */
  readonly of: (...x: number[]) => string;
}

/**
 * Diagram of the widths of Halpha and [NII] (Cid Fernandes et al. 2011, MNRAS 413, 1687, section 6): what ionises the gas
 * of a galaxy, with old stars told from weak nuclei.
 */
function whan(halpha: number, nii: number): string {
  if (halpha < 0.5 && nii < 0.5) return "passive";
  if (halpha < 3) return "retired";
  if (!(Math.log10(nii / halpha) > -0.4)) return "star_forming"; // too little [NII] to be seen is little
  return halpha > 6 ? "strong_agn" : "weak_agn";
}

/** Quantities by name; a new one is one row. */
export const derived = {
  N2: { formula: "log NII6584_EW/HALPHA_EW", description: "log10 [NII]6584 / Halpha" },
  O3: { formula: "log OIII5007_EW/HBETA_EW", description: "log10 [OIII]5007 / Hbeta" },
  O3N2: {
    formula: "log(OIII5007_EW/HBETA_EW) - log(NII6584_EW/HALPHA_EW)",
    description: "log10 ([OIII]5007 / Hbeta) / ([NII]6584 / Halpha)",
  },
  LOGSSFR: { formula: "LOGSFR - LOGM", description: "log10 specific star formation rate [1/yr]" },
  BALMER_DECREMENT: {
    lines: ["HALPHA_EW", "HBETA_EW"],
    description: "Halpha / Hbeta, of fluxes as observed: 2.86 without dust",
  },
  BPT: {
    description: "what ionises the gas by [NII]/Halpha and [OIII]/Hbeta (Kauffmann et al. 2003, Kewley et al. 2001)",
    needs: ["NII6584_EW", "HALPHA_EW", "OIII5007_EW", "HBETA_EW"],
    classes: ["star_forming", "composite", "active", "no_lines"],
    of: (nii, halpha, oiii, hbeta) =>
      Math.min(nii, halpha, oiii, hbeta) > 0
        ? ionisation(Math.log10(nii / halpha), Math.log10(oiii / hbeta)).replace("-", "_")
        : "no_lines",
  },
  WHAN: {
    description: "what ionises the gas by the widths of Halpha and [NII] (Cid Fernandes et al. 2011)",
    needs: ["HALPHA_EW", "NII6584_EW"],
    classes: ["star_forming", "strong_agn", "weak_agn", "retired", "passive"],
    of: whan,
  },
} as const satisfies Record<string, Formula | LineRatio | Sorting>;

function named(name: keyof typeof derived, fields: readonly Field[], option: string): Derived {
  const row: Formula | LineRatio | Sorting = derived[name];
  if ("formula" in row) {
    const { needs, unit, of } = parseExpression(row.formula, fields, `${option} ${name},`);
    return { name, description: row.description, unit: row.unit ?? unit, needs, of };
  }
  if ("lines" in row) {
    return { name, description: row.description, unit: "", ...lineRatio(name, row.lines, fields, option) };
  }
  const needs = row.needs.map((need) => {
    const column = fields.findIndex((field) => field.name === need);
    if (column < 0) throw new UserError(`${option} ${name}: needs the field ${need}, which is not in the vocabulary`);
    return column;
  });
  const of = (x: ArrayLike<number>): number => row.classes.indexOf(row.of(...Array.from(x)));
  return { name, description: row.description, unit: "", classes: row.classes, needs, of };
}

const words: readonly (readonly [RegExp, string])[] = [
  [/\//g, " per "],
  [/\*/g, " times "],
  [/\+/g, " plus "],
  [/-/g, " minus "],
  [/\^/g, " to "],
];

/** A formula as the name of a column: `log NII6584_EW/HALPHA_EW` is `log_NII6584_EW_per_HALPHA_EW`. */
const columnName = (formula: string): string =>
  words
    .reduce((text, [sign, word]) => text.replace(sign, word), formula)
    .replace(/\W+/g, "_")
    .replace(/^_+|_+$/g, "");

const isName = (text: string): text is keyof typeof derived => Object.hasOwn(derived, text);

/** What is wanted: fields, and what follows from fields. */
export interface Wish {
  /** Columns of fields that are wanted themselves. */
  readonly wanted: readonly number[];
  readonly derived: readonly Derived[];
  /** Columns of whole spectra that are wanted, which only a network with a decoder answers. */
  readonly spectra: readonly number[];
  /** Columns of all fields that are asked together: `wanted`, then what else `derived` needs. */
  readonly together: readonly number[];
}

/** Reads `NAME = formula`, a formula or a name of the table; undefined where `part` is none of them. */
function derivedOf(part: string, fields: readonly Field[], option: string): Derived | undefined {
  if (isName(part)) return named(part, fields, option);
  const flux = lineFlux(part, fields, option);
  if (flux !== undefined) return flux;
  const [, name, formula] = /^([A-Za-z_]\w*)\s*=(.*)$/.exec(part) ?? [undefined, undefined, part];
  if (name === undefined && !isFormula(formula)) return undefined;
  if (name !== undefined && fields.some((field) => field.name === name)) {
    throw new UserError(`${option} "${part}": ${name} is a field; expected another name`);
  }
  const expression = parseExpression(formula, fields, option);
  return { ...expression, name: name ?? columnName(formula), description: formula.trim() };
}

/**
 * Reads what is wanted: fields as {@link parseFieldList} does, names of {@link derived} quantities, line fluxes (`HALPHA_FLUX`), formulae
 * (`log NII6584_EW/HALPHA_EW`, `N3 = NII6584_EW/HBETA_EW`), separated by commas. A field goes before a quantity of its name.
 * @throws UserError with the nearest right name; for a list that names nothing.
 */
export function parseWish(text: string, fields: readonly Field[], option: string): Wish {
  const wanted: string[] = [];
  const found: Derived[] = [];
  for (const part of text.split(",").map((one) => one.trim())) {
    const isList = part === "" || knownFields(part, fields).length > 0;
    const own = isList ? undefined : derivedOf(part, fields, option);
    if (own !== undefined) found.push(own);
    else if (isList || part.includes("..")) wanted.push(part);
    else if (/^spectr(um|a)$/i.test(part)) {
      throw new UserError(`${option} ${part}: the survey has no spectrum, expected one with a row in \`spectra\``);
    } else {
      const fluxes = linesOf(fields).map(({ name }) => name);
      const names = [
        ...fields.map(({ name }) => name),
        ...Object.keys(derived),
        ...fluxes,
        "bands",
        "properties",
        "all",
      ];
      throw new UserError(`${option}: unknown field "${part}"${didYouMean(part, names)}`);
    }
  }
  const own = found.filter(({ name }, i) => found.findIndex((one) => one.name === name) === i);
  const listed =
    own.length > 0 && wanted.every((part) => part === "") ? [] : parseFieldList(wanted.join(), fields, option);
  const columns = listed.filter((j) => isAskable(fields[j]));
  const isNamed = (field: Field): boolean => wanted.includes(field.name) || wanted.includes("spectra");
  const spectra = fields.flatMap((field, j) => (field.kind === "spectrum" && isNamed(field) ? [j] : []));
  const together = [...new Set([...columns, ...own.flatMap(({ needs }) => needs)])];
  return { wanted: columns, derived: own, spectra, together };
}

/** [galaxies * draws] Values of a quantity from joint draws. */
export function deriveFrom({ needs, of, lightFrom }: Derived, { together, values, light }: Draws): Float64Array {
  const n = together.length;
  const places = needs.map((j) => together.indexOf(j));
  const x = new Float64Array(needs.length);
  return Float64Array.from({ length: values.length / n }, (_, i) => {
    places.forEach((place, k) => (x[k] = values[i * n + place]));
    if (x.some(Number.isNaN)) return Number.NaN;
    return lightFrom === undefined ? of(x) : of(x, light?.(i));
  });
}
