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

export type Unit =
  /** A plain quantity; `factor` in cgs. */
  | { readonly dimension: "fluxLambda" | "fluxNu" | "length" | "time"; readonly factor: number }
  /** Magnitudes: of a source (AB) or of an attenuation. */
  | { readonly dimension: "mag" }
  /** Decimal logarithm of something. */
  | { readonly dimension: "dex" }
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

/** Parses a unit; undefined when it is none of those that fields can have. */
export function parseUnit(text: string): Unit | undefined {
  const plain = text.trim();
  const lower = plain.toLowerCase();
  if (["", "1", "-", "none", "dimensionless", "dimensionless_unscaled"].includes(lower)) return { dimension: "none" };
  if (/^(mag|abmag|mag\s*\(ab\)|ab\s*mag(nitudes?)?|mag_?ab|ab)$/.test(lower)) return { dimension: "mag" };
  if (/^(dex|\[?\s*(dex|log(10)?)\s*\(.*\)\s*\]?|log10? .*|\[.*\])$/.test(lower)) return { dimension: "dex" };
  const product = parseProduct(plain);
  const dimension = product && DIMENSIONS.find(([powers]) => powers === product.powers.join(","))?.[1];
  return product && dimension ? { dimension, factor: product.factor } : undefined;
}

/** How a column's numbers become a field's: by a factor, or from AB magnitudes (then `factor` multiplies fnu in cgs). */
export interface Conversion {
  readonly kind: "factor" | "magAB";
  readonly factor: number;
}

/**
 * Conversion from unit `from` to unit `to`; fluxes per frequency and AB magnitudes go through the band's pivot
 * wavelength [Angstrom]: flambda = fnu c / pivot^2 (Tokunaga & Vacca 2005, eq. A11). Undefined when there is none.
 */
export function convertUnit(from: string, to: string, pivot?: number): Conversion | undefined {
  const source = parseUnit(from);
  const target = parseUnit(to);
  if (!source || !target) return undefined;
  if (target.dimension === "fluxLambda") {
    if (source.dimension === "fluxLambda") return { kind: "factor", factor: source.factor / target.factor };
    if (pivot === undefined) return undefined;
    // erg/s/cm2/Hz to erg/s/cm2/Angstrom, then to the target (whose factor is per centimetre).
    const perFrequency = (LIGHT / pivot ** 2) * (1e8 / target.factor);
    if (source.dimension === "fluxNu") return { kind: "factor", factor: source.factor * perFrequency };
    return source.dimension === "mag" ? { kind: "magAB", factor: perFrequency } : undefined;
  }
  if (source.dimension !== target.dimension) {
    // Logarithms and redshifts often come without a unit.
    return source.dimension === "none" && target.dimension === "dex" ? { kind: "factor", factor: 1 } : undefined;
  }
  const ratio = "factor" in source && "factor" in target ? source.factor / target.factor : 1;
  return { kind: "factor", factor: ratio };
}

export function convertValue(conversion: Conversion, value: number): number {
  if (conversion.kind === "factor") return value * conversion.factor;
  return conversion.factor * 10 ** (-0.4 * (value + AB_ZERO));
}

/** 1 sigma error of a converted value, to first order. */
export function convertError(conversion: Conversion, value: number, error: number): number {
  if (conversion.kind === "factor") return error * conversion.factor;
  return convertValue(conversion, value) * 0.4 * Math.LN10 * error;
}
