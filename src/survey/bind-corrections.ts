/** What is done to fluxes on reading them besides converting their unit: Galactic extinction taken away, errors with a floor. */
import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import type { ColumnSchema } from "../io/table.ts";
import type { BindOptions, Context, Place } from "./bind-fields.ts";
import { matches, saidUnit } from "./bind-units.ts";
import { parseFieldList } from "./field-list.ts";
import type { Field } from "./field.ts";
import { bandValue, type BandColumns, type Extinction, namesFor } from "./layout.ts";
import { bandExtinction, MILKY_WAY_RV } from "./milky-way.ts";
import { isUnitless, parseUnit } from "./units.ts";

/** How the fluxes of a band lose the Milky Way's dust. */
export interface DustBinding {
  readonly place: Place;
  /** What a flux and its error are multiplied by, of the number at the place; NaN where that says no extinction. */
  readonly gain: (x: number) => number;
  /** For people: where the extinction comes from. */
  readonly told: string;
}

/** The property that fluxes corrected on reading have none of: the E(B-V) that they still suffer from. */
const EBV = "EBV";

/** What corrects the fluxes of a table: the user's word, else the layout's. */
function extinctionOf({ layout, options }: Pick<Context, "layout" | "options">): Extinction | undefined {
  const { extinction = layout.extinction } = options;
  return extinction === "none" ? undefined : extinction;
}

/** Whether a property is one that corrected fluxes no longer have. */
export const isCorrectedAway = (context: Context, { name }: Field): boolean =>
  name === EBV && extinctionOf(context) !== undefined;

/** Per-band columns: transmissions, magnitudes, or logarithms of transmissions. @throws UserError where no unit says which. */
function bandGain(context: Context, column: ColumnSchema, { scale, unit }: Extinction): (x: number) => number {
  const said = saidUnit(context, column, unit);
  const parsed = said === undefined ? undefined : parseUnit(said);
  if (parsed?.dimension === "mag") return (x) => (x >= 0 ? 10 ** (0.4 * scale * x * parsed.factor) : NaN);
  if (parsed?.dimension === "dex") return (x) => (x <= 0 ? 10 ** (-scale * x) : NaN);
  const isPure = parsed?.dimension === "linear" && parsed.signature === "" && parsed.factor === 1;
  if (isPure || (said === undefined && /trans/i.test(column.name))) return (x) => (x > 0 && x <= 1 ? x ** -scale : NaN);
  throw new UserError(
    `${context.path}: column "${column.name}" corrects for extinction and ${said === undefined ? "has no unit" : `is in "${said}"`}, ` +
      `expected mag (an extinction) or 1 (a transmission): state it with --unit "${column.name}=mag"`,
  );
}

/**
 * How a band is corrected for the Milky Way's dust; undefined where nothing says that it is to be. `element` is the band's
 * in array columns.
 * @throws UserError where the column that corrects is missing, or in no unit of extinction.
 */
export function bindDust(context: Context, field: Field, name: string, element: number): DustBinding | undefined {
  const { path, find, layout, options } = context;
  const extinction = extinctionOf(context);
  if (extinction === undefined || field.band === undefined) return undefined;
  const { column: template, scale } = extinction;
  const column = find(template, name);
  if (!column) {
    const who = options.extinction === undefined ? `layout "${layout.name}"` : "--extinction";
    throw new UserError(
      `${path}: ${field.name}: ${who} corrects fluxes by the column ${namesFor(template, name).join(" or ")}, which is ` +
        `missing; --extinction none reads them as they are`,
    );
  }
  if (column.type === "string") throw new UserError(`${path}: column "${column.name}" holds text, expected numbers`);
  const times = scale === 1 ? "" : `${scale} x `;
  const isPerBand = namesFor(template, "").join() !== namesFor(template, "x").join() || column.width > 1;
  if (isPerBand) {
    const shown = column.width > 1 ? column.name : [template].flat()[0].replaceAll("{FIELD}", "<band>");
    const place = { column: column.name, element: column.width > 1 ? element : 0 };
    return { place, gain: bandGain(context, column, extinction), told: `${times}${shown}` };
  }
  const unit = saidUnit(context, column, extinction.unit);
  const parsed = unit === undefined ? undefined : parseUnit(unit);
  if (unit !== undefined && parsed?.dimension !== "mag" && !isUnitless(unit)) {
    throw new UserError(`${path}: column "${column.name}" is in "${unit}", expected E(B-V) in mag`);
  }
  const dim = bandExtinction(field.band);
  const toAv = MILKY_WAY_RV * scale;
  return {
    place: { column: column.name, element: 0 },
    gain: (x) => (x >= 0 && x < Infinity ? 10 ** (0.4 * dim(toAv * x)) : NaN),
    told: `E(B-V) is ${times}${column.name}, R_V ${MILKY_WAY_RV}`,
  };
}

/** Bands that a floor of the user is for: a pattern, or a list of fields. @throws UserError for one that names no band. */
function floorNames(bands: string, fields: readonly Field[]): string[] {
  const option = `--error-floor ${bands}`;
  const known = fields.filter(({ band }) => band !== undefined).map(({ name }) => name);
  const named = bands.includes("*")
    ? known.filter((name) => matches(bands, name))
    : parseFieldList(bands, fields, option).map((j) => fields[j].name);
  const wrong = named.find((name) => !known.includes(name));
  if (named.length > 0 && wrong === undefined) return named;
  throw new UserError(`${option}: ${wrong ?? `"${bands}"`} is no band${didYouMean(wrong ?? bands, known)}`);
}

/**
 * By band, the fraction of its flux that the user adds to errors, in quadrature.
 * @throws UserError for floors of what is no band, or that are no fraction.
 */
export function userFloors({ floors = [] }: BindOptions, fields: readonly Field[]): ReadonlyMap<string, number> {
  const byBand = new Map<string, number>();
  for (const { bands, fraction } of floors) {
    if (!(fraction >= 0 && fraction <= 1)) {
      throw new UserError(`--error-floor ${bands}=${fraction}: expected a fraction of the flux from 0 to 1, e.g. 0.02`);
    }
    for (const name of floorNames(bands, fields)) byBand.set(name, fraction);
  }
  return byBand;
}

/** The error floor of a band: the user's, else the layout's, else none. */
export const floorOf = ({ floors }: Context, columns: BandColumns, { name }: Field): number =>
  floors.get(name) ?? bandValue(columns.floor, name) ?? 0;
