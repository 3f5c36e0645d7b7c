/** Names of units, as the FITS Standard 4.0 (section 4.3), VOUnits 1.0, the CDS and people in a hurry write them. */

/** A product of powers of base units, and the value of one such unit in them. */
export interface Quantity {
  readonly factor: number;
  /** By base unit: g, cm, s, rad, K, and things that are counted. */
  readonly powers: Readonly<Record<string, number>>;
}

interface NamedUnit {
  /** As the standards write it: case matters, and prefixes of one letter go before it. */
  readonly symbols: readonly string[];
  /** Spelled out: in any case, in the plural, with prefixes spelled out. */
  readonly words: readonly string[];
  /** Letters of `PREFIXES`. */
  readonly prefixes: string;
  readonly quantity: Quantity;
}

const PREFIXES: Readonly<Record<string, readonly [word: string, factor: number]>> = {
  Y: ["yotta", 1e24],
  Z: ["zetta", 1e21],
  E: ["exa", 1e18],
  P: ["peta", 1e15],
  T: ["tera", 1e12],
  G: ["giga", 1e9],
  M: ["mega", 1e6],
  k: ["kilo", 1e3],
  h: ["hecto", 1e2],
  da: ["deca", 10],
  d: ["deci", 0.1],
  c: ["centi", 1e-2],
  m: ["milli", 1e-3],
  u: ["micro", 1e-6],
  n: ["nano", 1e-9],
  p: ["pico", 1e-12],
  f: ["femto", 1e-15],
  a: ["atto", 1e-18],
  z: ["zepto", 1e-21],
  y: ["yocto", 1e-24],
};
const ALL = "YZEPTGMkhdacmunpfzy";
/** Nobody measures in milliyears: `myr` would be one, or the megayear of who writes in lower case. */
const LARGE = "TGMk";

const JANSKY = 1e-23;
/** AB 0 to the four digits that define the maggy [Jy]. */
const MAGGY = 3631 * JANSKY;
/** Julian year [s]. */
const YEAR = 3.15576e7;
/** IAU 2015 resolution B3 [erg/s]; mass by GM / G of CODATA 2018 [g]. */
const SOLAR_LUMINOSITY = 3.828e33;
const SOLAR_MASS = 1.98841e33;
/** [cm] */
const PARSEC = 3.08567758149e18;
const DEGREE = Math.PI / 180;

/** A row of the table: symbols and words apart by blanks. */
function unit(symbols: string, words: string, prefixes: string, factor: number, powers: Quantity["powers"]): NamedUnit {
  const split = (text: string): string[] => text.split(" ").filter((name) => name !== "");
  return { symbols: split(symbols), words: split(words), prefixes, quantity: { factor, powers } };
}

const FNU = { g: 1, s: -2 };
const units: readonly NamedUnit[] = [
  unit("erg", "erg", ALL, 1, { g: 1, cm: 2, s: -2 }),
  unit("J", "joule", ALL, 1e7, { g: 1, cm: 2, s: -2 }),
  unit("eV", "electronvolt", ALL, 1.602176634e-12, { g: 1, cm: 2, s: -2 }),
  unit("W", "watt", ALL, 1e7, { g: 1, cm: 2, s: -3 }),
  unit("g", "gram", ALL, 1, { g: 1 }),
  unit("s", "sec second", ALL, 1, { s: 1 }),
  unit("min", "minute", "", 60, { s: 1 }),
  unit("h hr", "hour", "", 3600, { s: 1 }),
  unit("d", "day", "", 86_400, { s: 1 }),
  unit("yr a", "year", LARGE, YEAR, { s: 1 }),
  unit("Hz", "hertz", ALL, 1, { s: -1 }),
  unit("m", "meter metre", ALL, 1e2, { cm: 1 }),
  unit("", "micron", "", 1e-4, { cm: 1 }),
  // In the standards a lone A is the ampere, which no table of galaxies measures.
  unit("A AA Å", "ang angst angstr angstrom angstroem ångström", "", 1e-8, { cm: 1 }),
  unit("pc", "parsec", ALL, PARSEC, { cm: 1 }),
  unit("AU au", "", "", 1.495978707e13, { cm: 1 }),
  unit("lyr", "lightyear", LARGE, 9.4607304725808e17, { cm: 1 }),
  unit("Jy", "jansky", ALL, JANSKY, FNU),
  unit("mgy", "maggy", ALL, MAGGY, FNU),
  unit("fnu", "", "", 1, FNU),
  unit("flam", "", "", 1e8, { g: 1, cm: -1, s: -3 }),
  unit("solMass Msun Msol", "solarmass", "", SOLAR_MASS, { g: 1 }),
  unit("solLum Lsun Lsol", "solarluminosity", "", SOLAR_LUMINOSITY, { g: 1, cm: 2, s: -3 }),
  unit("Zsun Zsol Sun", "solar", "", 1, { Sun: 1 }),
  unit("rad", "radian", "mun", 1, { rad: 1 }),
  unit("deg", "degree", "", DEGREE, { rad: 1 }),
  unit("arcmin", "", "", DEGREE / 60, { rad: 1 }),
  unit("arcsec as", "arcsecond", "mun", DEGREE / 3600, { rad: 1 }),
  unit("sr", "steradian", "", 1, { rad: 2 }),
  unit("K", "kelvin", ALL, 1, { K: 1 }),
  unit("mag", "magnitude", "m", 1, { mag: 1 }),
  unit("dex", "", "", 1, { dex: 1 }),
  unit("ct cts", "count", ALL, 1, { count: 1 }),
  unit("ph", "photon", "", 1, { photon: 1 }),
  unit("", "electron", "", 1, { electron: 1 }),
  unit("adu DN", "", "", 1, { adu: 1 }),
  unit("pix", "pixel", "", 1, { pixel: 1 }),
  unit("bin beam", "", "", 1, { cell: 1 }),
  unit("%", "percent", "", 0.01, {}),
];

const times = ({ factor, powers }: Quantity, prefix: number): Quantity => ({ factor: factor * prefix, powers });

/** A letter stands in the list of those that a unit takes; `da` is open to units that take all. */
const isOpen = (prefix: string, prefixes: string): boolean =>
  prefix.length > 1 ? prefixes === ALL : prefixes.includes(prefix);

/** Every symbol as the standards write it. A name is its own unit before it is another's with a prefix: `min`, `as`. */
const bySymbol: ReadonlyMap<string, Quantity> = new Map(
  [
    ...units.flatMap(({ symbols, quantity }) => symbols.map((symbol) => [symbol, quantity] as const)),
    ...units.flatMap(({ symbols, prefixes, quantity }) =>
      Object.entries(PREFIXES)
        .filter(([prefix]) => isOpen(prefix, prefixes))
        .flatMap(([prefix, [, factor]]) =>
          symbols.map((symbol) => [prefix + symbol, times(quantity, factor)] as const),
        ),
    ),
  ].reverse(), // of two of one name the first counts
);

type Comparison = (a: string, b: string) => boolean;

/** Units with a prefix that a name can be. */
function prefixed(name: string, isPrefix: Comparison, isSymbol: Comparison): Quantity[] {
  return units.flatMap(({ symbols, prefixes, quantity }) =>
    Object.entries(PREFIXES).flatMap(([prefix, [, factor]]) => {
      const rest = name.slice(prefix.length);
      if (!isOpen(prefix, prefixes) || rest === "" || !isPrefix(prefix, name.slice(0, prefix.length))) return [];
      return symbols.some((symbol) => isSymbol(symbol, rest)) ? [times(quantity, factor)] : [];
    }),
  );
}

function readWord(name: string): Quantity | undefined {
  const lower = name.toLowerCase();
  for (const prefix of [undefined, ...Object.values(PREFIXES)]) {
    const [letters, factor] = prefix ?? ["", 1];
    if (!lower.startsWith(letters)) continue;
    const rest = lower.slice(letters.length);
    const found = units.find(({ words, prefixes }) => {
      return (
        (letters === "" || prefixes !== "") &&
        words.some((word) => [word, `${word}s`, word.replace(/y$/, "ies")].includes(rest))
      );
    });
    if (found) return times(found.quantity, factor);
  }
  return undefined;
}

/**
 * The unit of a name: as the standards write it, else spelled out, else in another case where that can mean only one
 * thing: `MJy` is a megajansky, `mjy` a millijansky, `MJY` and `myr` nobody knows. Undefined for other names.
 */
export function unitNamed(name: string): Quantity | undefined {
  const exact: Comparison = (a, b) => a === b;
  const folded: Comparison = (a, b) => a.toLowerCase() === b.toLowerCase();
  const lower: Comparison = (symbol, rest) => symbol.toLowerCase() === rest;
  const written = bySymbol.get(name) ?? readWord(name);
  if (written) return written;
  const whole = units.find(({ symbols }) => symbols.some((symbol) => folded(symbol, name)))?.quantity;
  const near = whole ?? prefixed(name, exact, lower)[0];
  if (near) return near;
  const isOther: Comparison = (prefix, letters) => folded(prefix, letters) && prefix !== letters && letters in PREFIXES;
  return prefixed(name, isOther, folded).length > 0 ? undefined : prefixed(name, folded, folded)[0];
}
