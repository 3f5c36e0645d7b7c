/** Units as tables spell them: parsed, and converted to the unit of a field. */

/** Speed of light [Angstrom/s]. */
const LIGHT = 2.99792458e18;
/** Zero point of AB magnitudes, Oke & Gunn 1983: m = -2.5 log10(fnu / (erg/s/cm2/Hz)) - 48.60. */
const AB_ZERO = 48.6;

/** Powers of [gram, centimetre, second] and the value of one such unit in cgs. */
interface Quantity {
  readonly powers: readonly [number, number, number];
  readonly factor: number;
}

const quantity = (factor: number, mass: number, length: number, time: number): Quantity => ({
  factor,
  powers: [mass, length, time],
});

const YEAR = 3.15576e7;
const JANSKY = 1e-23;
const UNITS: Readonly<Record<string, Quantity>> = {
  erg: quantity(1, 1, 2, -2),
  j: quantity(1e7, 1, 2, -2),
  w: quantity(1e7, 1, 2, -3),
  s: quantity(1, 0, 0, 1),
  sec: quantity(1, 0, 0, 1),
  second: quantity(1, 0, 0, 1),
  hz: quantity(1, 0, 0, -1),
  cm: quantity(1, 0, 1, 0),
  m: quantity(1e2, 0, 1, 0),
  um: quantity(1e-4, 0, 1, 0),
  micron: quantity(1e-4, 0, 1, 0),
  nm: quantity(1e-7, 0, 1, 0),
  a: quantity(1e-8, 0, 1, 0),
  aa: quantity(1e-8, 0, 1, 0),
  ang: quantity(1e-8, 0, 1, 0),
  angstrom: quantity(1e-8, 0, 1, 0),
  angstroms: quantity(1e-8, 0, 1, 0),
  jy: quantity(JANSKY, 1, 0, -2),
  mjy: quantity(1e-3 * JANSKY, 1, 0, -2),
  ujy: quantity(1e-6 * JANSKY, 1, 0, -2),
  microjy: quantity(1e-6 * JANSKY, 1, 0, -2),
  njy: quantity(1e-9 * JANSKY, 1, 0, -2),
  maggy: quantity(3631 * JANSKY, 1, 0, -2),
  maggies: quantity(3631 * JANSKY, 1, 0, -2),
  mgy: quantity(3631 * JANSKY, 1, 0, -2),
  nanomaggy: quantity(3.631e-6 * JANSKY, 1, 0, -2),
  nanomaggies: quantity(3.631e-6 * JANSKY, 1, 0, -2),
  nmgy: quantity(3.631e-6 * JANSKY, 1, 0, -2),
  yr: quantity(YEAR, 0, 0, 1),
  myr: quantity(1e6 * YEAR, 0, 0, 1),
  gyr: quantity(1e9 * YEAR, 0, 0, 1),
};

type Linear = { readonly dimension: "fluxLambda" | "fluxNu" | "length" | "time"; readonly factor: number };

export type Unit =
  /** A plain quantity; `factor` in cgs. */
  | Linear
  /** Magnitudes: of a source (AB, or Vega's system) or of an attenuation. */
  | { readonly dimension: "mag"; readonly system?: "Vega" }
  /** Decimal logarithm of something, of a quantity in known units where they are said: `log10(yr)`. */
  | { readonly dimension: "dex"; readonly of?: Linear }
  /** Pure number. */
  | { readonly dimension: "none" };

const DIMENSIONS: readonly (readonly [powers: string, "fluxLambda" | "fluxNu" | "length" | "time"])[] = [
  ["1,-1,-3", "fluxLambda"],
  ["1,0,-2", "fluxNu"],
  ["0,1,0", "length"],
  ["0,0,1", "time"],
];

/** `10**-19`, `10^(-19)`, `10-17`, `1e-19` and the like at the beginning of a unit. */
function splitFactor(text: string): { factor: number; rest: string } {
  const power = /^10\s*(?:\*\*|\^)\s*\(?\s*([+-]?\d+)\s*\)?|^10([+-]\d+)(?=[\s*.])/.exec(text);
  const plain = power ? null : /^\d+(?:\.\d*)?(?:[eE][+-]?\d+)?/.exec(text);
  const found = (power ?? plain)?.[0] ?? "";
  const factor = power ? 10 ** Number(power[1] ?? power[2]) : plain ? Number(found) : 1;
  return { factor, rest: text.slice(found.length).replace(/^[\s*.x]+/, "") };
}

/**
 * Parses products and quotients of units: `1e-19 erg/s/cm2/A`, `erg / (s cm2 Angstrom)`, `erg s-1 cm**-2 AA^-1`.
 * A slash divides by the one unit, or the bracket, that follows it. Undefined when it is nothing known.
 */
function parseProduct(text: string): Quantity | undefined {
  const { factor, rest } = splitFactor(text);
  const powers = [0, 0, 0];
  let scale = factor;
  let sign = 1;
  let bracket: number | undefined;
  let count = 0;
  const tokens = rest.match(/\*\*|[a-zA-Zµμ]+|[+-]?\d+|\^|[/()*.·\s]|./gu) ?? [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (/^[\s*.·]$/.test(token)) continue;
    if (token === "/") sign = -1;
    else if (token === "(") [bracket, sign] = [sign, 1];
    else if (token === ")") [bracket, sign] = [undefined, 1];
    else {
      const unit = UNITS[token.replace(/[µμ]/, "u").toLowerCase()];
      if (!unit) return undefined;
      let power = 1;
      let next = i + 1;
      if (tokens[next] === "**" || tokens[next] === "^") next++;
      if (tokens[next] === "(") next++;
      if (/^[+-]?\d+$/.test(tokens[next] ?? "")) {
        power = Number(tokens[next]);
        if (tokens[next - 1] === "(") next++;
        i = next;
      }
      power *= sign * (bracket ?? 1);
      scale *= unit.factor ** power;
      for (let k = 0; k < 3; k++) powers[k] += unit.powers[k] * power;
      sign = 1;
      count++;
    }
  }
  return count === 0 ? undefined : { factor: scale, powers: [powers[0], powers[1], powers[2]] };
}

const LOGARITHM = /^\[?\s*(?:dex|log(?:10)?)(?:\s*\((.*)\)|\s+(.*)|)\s*\]?$/i;

/** Parses a unit; undefined when it is none of those that fields can have. */
export function parseUnit(text: string): Unit | undefined {
  const plain = text.trim();
  const lower = plain.toLowerCase();
  if (["", "1", "-", "none", "dimensionless", "dimensionless_unscaled"].includes(lower)) return { dimension: "none" };
  if (/^(mag|abmag|mag\s*\(ab\)|ab\s*mag(nitudes?)?|mag_?ab|ab)$/.test(lower)) return { dimension: "mag" };
  if (/^(vega\s*mag(nitudes?)?|mag\s*\(vega\)|vegamag|mag_?vega)$/.test(lower)) {
    return { dimension: "mag", system: "Vega" };
  }
  const logarithm = LOGARITHM.exec(plain) ?? /^\[(.*)\]$/.exec(plain);
  if (logarithm) {
    const of = parseLinear(logarithm[1] ?? logarithm[2] ?? "");
    return of ? { dimension: "dex", of } : { dimension: "dex" };
  }
  return parseLinear(plain);
}

function parseLinear(text: string): Linear | undefined {
  const product = parseProduct(text);
  const dimension = product && DIMENSIONS.find(([powers]) => powers === product.powers.join(","))?.[1];
  return product && dimension ? { dimension, factor: product.factor } : undefined;
}

/**
 * How a column's numbers become a field's. factor: x factor + offset. magAB: AB magnitudes, factor 10^(-0.4 (x + offset
 * + 48.6)), where factor multiplies fnu in cgs. pow10: factor 10^(x + offset). log10: log10(x factor) + offset.
 */
export interface Conversion {
  readonly kind: "factor" | "magAB" | "pow10" | "log10";
  readonly factor: number;
  readonly offset: number;
}

const times = (factor: number): Conversion => ({ kind: "factor", factor, offset: 0 });

/** What fluxes need to know of their band. */
export interface BandSystem {
  /** Pivot wavelength [Angstrom]. */
  readonly pivot: number;
  /** AB magnitude of Vega in the band: AB = Vega + this. */
  readonly vegaAB?: number | undefined;
}

/**
 * Conversion from unit `from` to unit `to`; fluxes per frequency and magnitudes go through the band's pivot wavelength:
 * flambda = fnu c / pivot^2 (Tokunaga & Vacca 2005, eq. A11). Undefined when there is none.
 */
export function convertUnit(from: string, to: string, band?: BandSystem): Conversion | undefined {
  const source = parseUnit(from);
  const target = parseUnit(to);
  if (!source || !target) return undefined;
  if (target.dimension === "fluxLambda") {
    if (source.dimension === "fluxLambda") return times(source.factor / target.factor);
    if (band === undefined) return undefined;
    // erg/s/cm2/Hz to erg/s/cm2/Angstrom, then to the target (whose factor is per centimetre).
    const perFrequency = (LIGHT / band.pivot ** 2) * (1e8 / target.factor);
    if (source.dimension === "fluxNu") return times(source.factor * perFrequency);
    if (source.dimension !== "mag") return undefined;
    const offset = source.system === "Vega" ? band.vegaAB : 0;
    return offset === undefined ? undefined : { kind: "magAB", factor: perFrequency, offset };
  }
  if (source.dimension === "dex" && "factor" in target) {
    if (source.of?.dimension !== target.dimension) return undefined;
    return { kind: "pow10", factor: source.of.factor / target.factor, offset: 0 };
  }
  if (source.dimension !== target.dimension) {
    // Logarithms and redshifts often come without a unit.
    return source.dimension === "none" && target.dimension === "dex" ? times(1) : undefined;
  }
  if (source.dimension === "mag" && source.system !== undefined) return undefined;
  return times("factor" in source && "factor" in target ? source.factor / target.factor : 1);
}

export function convertValue({ kind, factor, offset }: Conversion, value: number): number {
  if (kind === "factor") return value * factor + offset;
  if (kind === "log10") return Math.log10(value * factor) + offset;
  return factor * 10 ** (kind === "pow10" ? value + offset : -0.4 * (value + offset + AB_ZERO));
}

/** 1 sigma error of a converted value, to first order. */
export function convertError(conversion: Conversion, value: number, error: number): number {
  const { kind, factor } = conversion;
  if (kind === "factor") return error * Math.abs(factor);
  if (kind === "log10") return error / (value * Math.LN10);
  return Math.abs(convertValue(conversion, value)) * (kind === "pow10" ? 1 : 0.4) * Math.LN10 * error;
}
