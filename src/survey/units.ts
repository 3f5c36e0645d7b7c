/** Units as tables spell them: parsed, and converted to the unit of a field. */
import { readQuantity, signatureOf } from "./unit-grammar.ts";

/** Speed of light [Angstrom/s]. */
const LIGHT = 2.99792458e18;
/** Zero point of AB magnitudes, Oke & Gunn 1983: m = -2.5 log10(fnu / (erg/s/cm2/Hz)) - 48.60. */
const AB_ZERO = 48.6;

/** Zero point of ST magnitudes: m = -2.5 log10(flambda / (erg/s/cm2/Angstrom)) - 21.10 (Koornneef et al. 1986). */
const ST_ZERO = 21.1;

/** What zero of magnitudes of sources is. */
type MagnitudeSystem = "AB" | "ST" | "Vega" | "asinh";

interface Linear {
  readonly dimension: "linear";
  /** Base units and their powers, `cm-1 g1 s-3`; "" for a pure number. */
  readonly signature: string;
  /** The value of one such unit in base units (cgs). */
  readonly factor: number;
}

export type Unit =
  | Linear
  /** Magnitudes: of a source, in a system where one is named, or of an attenuation; `factor` 0.001 for millimagnitudes. */
  | { readonly dimension: "mag"; readonly system?: MagnitudeSystem; readonly factor: number }
  /** Decimal logarithm of something, of a quantity in known units where they are said: `log10(yr)`. */
  | { readonly dimension: "dex"; readonly of?: Linear };

const FLUX_LAMBDA = "cm-1 g1 s-3";
const FLUX_NU = "g1 s-2";
/** Dimensions that fields have: of two readings of a unit the one among them is meant. */
const COMMON = [FLUX_LAMBDA, FLUX_NU, "cm1", "s1", "g1", ""];

const PURE = ["1", "dimensionless", "dimensionless_unscaled", "unitless"];
const SYSTEMS: Readonly<Record<string, MagnitudeSystem>> = {
  ab: "AB",
  st: "ST",
  vega: "Vega",
  asinh: "asinh",
};
/**
 * `ABmag`, `mag(AB)`, `Vega magnitudes`, `mag_ST`, `asinh mag`, without brackets and blanks. A lone AB is a flux of 3631 Jy
 * to some.
 */
const MAGNITUDE = /^(?:(ab|st|vega|asinh)mag(?:s|nitudes?)?|mag(?:s|nitudes?)?(ab|st|vega|asinh)?|(luptitudes?))$/;
const LOGARITHM = /^\[?\s*(?:dex|log(?:10)?)(?:\s*\((.*)\)|\s+(.*)|)\s*\]?$/i;
/** The CDS writes logarithms in brackets: `[Msun]`, `[-]`. */
const BRACKETS = /^\[(.*)\]$/;

/** Whether a table states a unit at all: the CDS writes --- where there is none. */
export const isStated = (text: string | undefined): text is string =>
  text !== undefined && !["", "-", "--", "---", "none"].includes(text.trim().toLowerCase());

/**
 * Parses a unit; undefined for what is not understood. The FITS Standard 4.0 (section 4.3), OGIP 93-001, VOUnits 1.0, the
 * CDS and LaTeX are, names in full, and factors: `10**-17 erg s-1 cm-2 Angstrom-1`, `1E-17 erg/cm^2/s/Ang`, `10-17W/m2/nm`,
 * `$10^{-17}$ ergs s$^{-1}$ cm$^{-2}$ \\AA$^{-1}$`, `nanomaggies`.
 */
export function parseUnit(text: string): Unit | undefined {
  const plain = text.trim();
  const lower = plain.toLowerCase();
  if (!isStated(plain) || PURE.includes(lower)) return { dimension: "linear", signature: "", factor: 1 };
  const magnitude = MAGNITUDE.exec(lower.replace(/[\s()[\]_-]/g, ""));
  if (magnitude && !lower.startsWith("[")) {
    const name = magnitude[1] ?? magnitude[2] ?? (magnitude[3] && "asinh");
    return { dimension: "mag", ...(name === undefined ? {} : { system: SYSTEMS[name] }), factor: 1 };
  }
  const logarithm = LOGARITHM.exec(plain) ?? BRACKETS.exec(plain);
  if (logarithm) {
    const inner = (logarithm[1] ?? logarithm[2] ?? "").trim();
    if (!isStated(inner)) return { dimension: "dex" };
    const of = parseLinear(inner);
    return of && { dimension: "dex", of };
  }
  const linear = parseLinear(plain);
  if (linear?.signature === "mag1") return { dimension: "mag", factor: linear.factor };
  return linear?.signature === "dex1" ? { dimension: "dex" } : linear;
}

function parseLinear(text: string): Linear | undefined {
  const units = readQuantity(text).map((read): Linear => {
    return { dimension: "linear", signature: signatureOf(read), factor: read.factor };
  });
  return units.find(({ signature }) => COMMON.includes(signature)) ?? units[0];
}

/** The unit of 1 sigma, of inverse variances in `text`. */
export const unitOfSigma = (text: string): string => `(${text})**(-0.5)`;

/** A pure number, or the logarithm of one: no unit is missed where none is stated. */
export function isUnitless(text: string): boolean {
  const unit = parseUnit(text);
  return unit?.dimension === "dex" || (unit?.dimension === "linear" && unit.signature === "");
}

/**
 * How a column's numbers become a field's. factor: x factor + offset. magAB: AB magnitudes, factor 10^(-0.4 (x + offset
 * + 48.6)), where factor multiplies fnu in cgs. asinh: 2 b factor sinh(-0.4 ln(10) (x + offset) - ln b), factor the flux of
 * AB 0, b the softening. pow10: factor 10^(x + offset). log10: log10(x factor) + offset.
 */
export interface Conversion {
  readonly kind: "factor" | "magAB" | "asinh" | "pow10" | "log10";
  readonly factor: number;
  readonly offset: number;
  /** Of asinh magnitudes: b, a flux relative to that of magnitude 0 (Lupton, Gunn & Szalay 1999, AJ 118, 1406). */
  readonly softening?: number;
}

const times = (factor: number): Conversion => ({ kind: "factor", factor, offset: 0 });

/** What fluxes need to know of their band. */
export interface BandSystem {
  /** Pivot wavelength [Angstrom]. */
  readonly pivot: number;
  /** AB magnitude of Vega in the band: AB = Vega + this. */
  readonly vegaAB?: number | undefined;
  /** Softening b of the table's asinh magnitudes in the band. */
  readonly softening?: number | undefined;
}

/** Logarithms of quantities in the Sun's units are what a field in plain `dex` is; of others the field has to say. */
const SOLAR = ["solMass", "solLum", "solMass/yr", "Sun", "yr", "1"];

function convertDex(of: Linear | undefined, target: Unit): Conversion | undefined {
  if (target.dimension === "linear") {
    // A flux in brackets is a unit in brackets to as many as it is a logarithm.
    const isOpen = target.signature !== "" && target.signature !== FLUX_LAMBDA;
    const isLike = isOpen && of?.signature === target.signature;
    return isLike ? { kind: "pow10", factor: of.factor / target.factor, offset: 0 } : undefined;
  }
  if (target.dimension !== "dex") return undefined;
  if (of === undefined) return times(1);
  if (target.of !== undefined) {
    const isLike = of.signature === target.of.signature;
    return isLike ? { kind: "factor", factor: 1, offset: Math.log10(of.factor / target.of.factor) } : undefined;
  }
  const isSolar = SOLAR.some((name) => {
    const sun = parseLinear(name);
    return sun?.signature === of.signature && Math.abs(of.factor / sun.factor - 1) < 1e-9;
  });
  return isSolar ? times(1) : undefined;
}

function convertToFlux(source: Unit, target: Linear, band: BandSystem | undefined): Conversion | undefined {
  if (source.dimension === "linear" && source.signature === FLUX_LAMBDA) return times(source.factor / target.factor);
  if (band === undefined) return undefined;
  // erg/s/cm2/Hz to erg/s/cm2/Angstrom, then to the target (whose factor is per centimetre).
  const perFrequency = (LIGHT / band.pivot ** 2) * (1e8 / target.factor);
  if (source.dimension === "linear" && source.signature === FLUX_NU) return times(source.factor * perFrequency);
  if (source.dimension !== "mag" || source.factor !== 1) return undefined;
  if (source.system === "ST") return { kind: "magAB", factor: 1e8 / target.factor, offset: ST_ZERO - AB_ZERO };
  if (source.system === "asinh") {
    const { softening } = band;
    const zero = perFrequency * 10 ** (-0.4 * AB_ZERO);
    return softening === undefined ? undefined : { kind: "asinh", factor: zero, offset: 0, softening };
  }
  const offset = source.system === "Vega" ? band.vegaAB : 0;
  return offset === undefined ? undefined : { kind: "magAB", factor: perFrequency, offset };
}

/**
 * Conversion from unit `from` to unit `to`; fluxes per frequency and magnitudes go through the band's pivot wavelength:
 * flambda = fnu c / pivot^2 (Tokunaga & Vacca 2005, eq. A11). Magnitudes of no named system are AB. Undefined when there
 * is none, or a unit is not understood.
 */
export function convertUnit(from: string, to: string, band?: BandSystem): Conversion | undefined {
  if (from === to) return times(1);
  const source = parseUnit(from);
  const target = parseUnit(to);
  if (!source || !target) return undefined;
  if (source.dimension === "dex") return convertDex(source.of, target);
  if (target.dimension === "linear" && target.signature === FLUX_LAMBDA) return convertToFlux(source, target, band);
  if (target.dimension === "mag") {
    const isPlain = source.dimension === "mag" && source.system === undefined;
    return isPlain ? times(source.factor / target.factor) : undefined;
  }
  if (source.dimension !== "linear") return undefined;
  // Logarithms often come without a unit.
  if (target.dimension === "dex") return source.signature === "" && source.factor === 1 ? times(1) : undefined;
  return source.signature === target.signature ? times(source.factor / target.factor) : undefined;
}

/** -ln(10) / 2.5 (m + offset) - ln b: the argument of an asinh magnitude's sinh (ibid., eq. 3 solved for the flux). */
function asinhArgument({ offset, softening = 1 }: Conversion, magnitude: number): number {
  return -0.4 * Math.LN10 * (magnitude + offset) - Math.log(softening);
}

export function convertValue(conversion: Conversion, value: number): number {
  const { kind, factor, offset, softening = 1 } = conversion;
  if (kind === "factor") return value * factor + offset;
  if (kind === "asinh") return 2 * softening * factor * Math.sinh(asinhArgument(conversion, value));
  if (kind === "log10") return Math.log10(value * factor) + offset;
  return factor * 10 ** (kind === "pow10" ? value + offset : -0.4 * (value + offset + AB_ZERO));
}

/** 1 sigma error of a converted value, to first order. */
export function convertError(conversion: Conversion, value: number, error: number): number {
  const { kind, factor, softening = 1 } = conversion;
  if (kind === "factor") return error * Math.abs(factor);
  if (kind === "asinh") {
    return 2 * softening * factor * Math.cosh(asinhArgument(conversion, value)) * 0.4 * Math.LN10 * error;
  }
  if (kind === "log10") return error / (value * Math.LN10);
  return Math.abs(convertValue(conversion, value)) * (kind === "pow10" ? 1 : 0.4) * Math.LN10 * error;
}

/** AB magnitudes of fluxes in a band's unit, which is parsed once; NaN where they are not positive. */
export function magnitudesAB({
  unit,
  band,
}: {
  readonly unit: string;
  readonly band?: BandSystem | undefined;
}): (flux: number) => number {
  const conversion = convertUnit("mag", unit, band);
  if (conversion === undefined) return () => Number.NaN;
  const zero = convertValue(conversion, 0);
  return (flux) => -2.5 * Math.log10(flux / zero);
}
