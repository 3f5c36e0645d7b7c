/** Which fields of a network the fields of another survey are: as that survey says, by name, else by wavelength. */
import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import type { Band, Field } from "./field.ts";
import type { Survey } from "./survey.ts";
import { type Conversion, convertUnit } from "./units.ts";

/** How far two filters may be apart: pivots in units of their mean width, and the ratio of their widths. */
interface Tolerance {
  readonly shift: number;
  readonly width: number;
}
/** One filter as two surveys describe it: a galaxy's flux differs by a percent or two. */
const SAME: Tolerance = { shift: 0.05, width: 1.15 };
/** Filters of one kind, such as the g of SDSS, DES and LSST: taken for each other with a warning. */
const NEAR: Tolerance = { shift: 0.25, width: 1.5 };

/** A field of the survey, and the network's field that it is. */
export interface FieldPair {
  /** Places in the fields of the survey and of the network. */
  readonly own: number;
  readonly known: number;
  readonly by: "sameAs" | "name" | "wavelength";
  /** Bands whose filters are alike and not the same. */
  readonly isNear: boolean;
  /** From the survey's unit to the network's. */
  readonly conversion: Conversion;
}

export interface Match {
  readonly pairs: readonly FieldPair[];
  /** Bands that may be any of several, or of which several may be one: places, by place in the survey. */
  readonly unclear: ReadonlyMap<number, readonly number[]>;
}

const widthOf = ({ edges }: Band): number => edges[1] - edges[0];

function isWithin({ shift, width }: Tolerance, a: Band, b: Band): boolean {
  const [one, other] = [widthOf(a), widthOf(b)];
  const isPlaced = Math.abs(a.pivot - b.pivot) <= (shift * (one + other)) / 2;
  return isPlaced && Math.max(one, other) <= width * Math.min(one, other);
}

/** A filter in a message. */
const describeBand = (band: Band): string => `${Math.round(band.pivot)} Angstrom, ${Math.round(widthOf(band))} wide`;

/**
 * From a unit to another. Fluxes go through the pivot that they were measured at: a galaxy's f_lambda changes less from
 * one filter to the next than its f_nu.
 */
function conversionOf(from: Field, to: Field): Conversion | undefined {
  const forth = convertUnit(from.unit, to.unit, from.band);
  if (forth !== undefined || from.band === undefined) return forth;
  const back = convertUnit(to.unit, from.unit, from.band);
  return back?.kind === "factor" && back.offset === 0 ? { ...back, factor: 1 / back.factor } : undefined;
}

/** @throws UserError where what has one name, or is said to be one, is two things. */
function checkedPair(own: Survey, i: number, known: Survey, j: number, by: FieldPair["by"]): FieldPair {
  const [field, other] = [own.fields[i], known.fields[j]];
  const fail = (what: string): never => {
    throw new UserError(`${own.path}: field ${field.name} ${what}; another field needs another name`);
  };
  if (field.kind !== other.kind) fail(`is ${field.kind}, in the checkpoint ${other.kind}`);
  if (field.kind === "category" && other.kind === "category") {
    const isKnown = field.classes.every((name) => other.classes.includes(name));
    if (!isKnown) fail(`has classes ${field.classes.join(", ")}, in the checkpoint ${other.classes.join(", ")}`);
  }
  const conversion = conversionOf(field, other);
  if (conversion === undefined) return fail(`is in "${field.unit}", in the checkpoint in "${other.unit}"`);
  const [a, b] = [field.band, other.band];
  if (a === undefined || b === undefined) return { own: i, known: j, by, isNear: false, conversion };
  if (by === "name" && !isWithin(NEAR, a, b)) {
    throw new UserError(
      `${own.path}: band ${field.name} is at ${describeBand(a)}, in the checkpoint at ${describeBand(b)}: not the same; ` +
        `give it another name, or say "sameAs: ${other.name}" in its row`,
    );
  }
  return { own: i, known: j, by, isNear: !isWithin(SAME, a, b), conversion };
}

/** Bands without a pair that are within a tolerance of each other: pairs where each is the other's only one. */
function matchWithin(
  tolerance: Tolerance,
  own: Survey,
  known: Survey,
  isFree: { readonly own: (i: number) => boolean; readonly known: (j: number) => boolean },
): { readonly sure: [number, number][]; readonly unclear: Map<number, number[]> } {
  const candidates = new Map<number, number[]>();
  const suitors = new Map<number, number>();
  own.fields.forEach(({ band }, i) => {
    if (band === undefined || !isFree.own(i)) return;
    const near = known.fields.flatMap((field, j) =>
      field.band !== undefined && isFree.known(j) && isWithin(tolerance, band, field.band) ? [j] : [],
    );
    if (near.length > 0) candidates.set(i, near);
    for (const j of near) suitors.set(j, (suitors.get(j) ?? 0) + 1);
  });
  const sure: [number, number][] = [];
  const unclear = new Map<number, number[]>();
  for (const [i, near] of candidates) {
    if (near.length === 1 && suitors.get(near[0]) === 1) sure.push([i, near[0]]);
    else unclear.set(i, near);
  }
  return { sure, unclear };
}

/** The one spectrum of each without a pair, where there is no other and their wavelengths overlap. */
function matchSpectra(
  own: Survey,
  known: Survey,
  isFree: { readonly own: (i: number) => boolean; readonly known: (j: number) => boolean },
): [number, number] | undefined {
  const of = ({ fields }: Survey, isOpen: (i: number) => boolean): number[] =>
    fields.flatMap(({ kind }, i) => (kind === "spectrum" && isOpen(i) ? [i] : []));
  const [ours, theirs] = [of(own, isFree.own), of(known, isFree.known)];
  if (ours.length !== 1 || theirs.length !== 1) return undefined;
  const [a, b] = [own.fields[ours[0]], known.fields[theirs[0]]];
  if (a.kind !== "spectrum" || b.kind !== "spectrum") return undefined;
  return a.grid.from < b.grid.to && b.grid.from < a.grid.to ? [ours[0], theirs[0]] : undefined;
}

/**
 * Pairs the fields of `own` with those of `known`, one to one: first what `sameAs` in its row says, then fields of one
 * name (bands with bands, properties with properties), then bands by pivot and width. Two bands are one filter where
 * their pivots differ by at most 0.05 of their mean width and their widths by at most 15 %; they are near, and told,
 * up to 0.25 and a factor 1.5. The only spectrum of each is one where their wavelengths overlap. `isThere` says which fields of `own` are to be paired.
 * @throws UserError for `sameAs` of no field, or of one field twice; for one name of two things.
 */
export function matchFields(own: Survey, known: Survey, isThere: (i: number) => boolean = () => true): Match {
  const pairs = new Map<number, FieldPair>();
  const taken = new Map<number, number>();
  const pair = (i: number, j: number, by: FieldPair["by"]): void => {
    const before = taken.get(j);
    if (before !== undefined) {
      const [one, two, it] = [own.fields[before].name, own.fields[i].name, known.fields[j].name];
      throw new UserError(`${own.path}: ${one} and ${two} are both said to be ${it}; expected one of them`);
    }
    pairs.set(i, checkedPair(own, i, known, j, by));
    taken.set(j, i);
  };
  const isOpen = (i: number): boolean => isThere(i) && !pairs.has(i) && own.fields[i].sameAs !== null;
  own.fields.forEach(({ name, sameAs }, i) => {
    if (typeof sameAs !== "string" || !isThere(i)) return;
    const j = known.fields.findIndex((field) => field.name === sameAs);
    if (j >= 0) return pair(i, j, "sameAs");
    const names = known.fields.map((field) => field.name);
    throw new UserError(
      `${own.path}: ${name}: sameAs: the checkpoint has no field "${sameAs}"${didYouMean(sameAs, names)}`,
    );
  });
  own.fields.forEach((field, i) => {
    if (!isOpen(i)) return;
    const isBand = field.band !== undefined;
    const j = known.fields.findIndex(({ name, band }) => name === field.name && (band !== undefined) === isBand);
    if (j >= 0 && !taken.has(j)) pair(i, j, "name");
  });
  let unclear = new Map<number, number[]>();
  for (const tolerance of [SAME, NEAR]) {
    const isFree = { own: (i: number) => isOpen(i) && !unclear.has(i), known: (j: number) => !taken.has(j) };
    const found = matchWithin(tolerance, own, known, isFree);
    for (const [i, j] of found.sure) pair(i, j, "wavelength");
    unclear = new Map([...unclear, ...found.unclear]);
  }
  const spectra = matchSpectra(own, known, { own: isOpen, known: (j) => !taken.has(j) });
  if (spectra !== undefined) pair(...spectra, "wavelength");
  return { pairs: [...pairs.values()].sort((a, b) => a.own - b.own), unclear };
}

/** What a match of the fields of a table makes of them, as lines for a person. */
export function matchLines(own: Survey, known: Survey, there: readonly number[], { pairs, unclear }: Match): string[] {
  const told = ({ own: i, known: j }: FieldPair): string => {
    const [name, as] = [own.fields[i].name, known.fields[j].name];
    return name === as ? name : `${name} = ${as}`;
  };
  const by = (["name", "sameAs", "wavelength"] as const).flatMap((how) => {
    const some = pairs.filter((pair) => pair.by === how);
    return some.length === 0 ? [] : [`by ${how} ${some.map(told).join(", ")}`];
  });
  const near = pairs.flatMap(({ own: i, known: j, isNear }) => {
    const [a, b] = [own.fields[i], known.fields[j]];
    if (!isNear || a.band === undefined || b.band === undefined) return [];
    return [
      `${a.name} (${describeBand(a.band)}) is near ${b.name} (${describeBand(b.band)}), not the same filter: ` +
        `taken for it, colours are off by their difference`,
    ];
  });
  const open = [...unclear].map(([i, some]) => {
    const names = some.map((j) => known.fields[j].name).join(" or ");
    const others = some.length > 1 ? "" : ", as may others";
    return `${own.fields[i].name} may be ${names}${others}: left out; "sameAs" in its row says which`;
  });
  const matched = new Set(pairs.map((pair) => pair.own));
  const rest = there.filter((i) => !matched.has(i) && !unclear.has(i)).map((i) => own.fields[i].name);
  return [
    ...(by.length === 0 ? [] : [`fields of ${own.name} as the network's: ${by.join("; ")}`]),
    ...near,
    ...open,
    ...(rest.length === 0 ? [] : [`no field of the network, left out: ${rest.join(", ")}`]),
  ];
}
