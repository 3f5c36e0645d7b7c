/** A unit of the kind `1e-19 erg/s/cm2/A` or `mag`: a factor, and units with powers, no brackets. */
const FACTOR = /^\s*(?:10(?:\*\*|\^)\(?([+-]?\d+)\)?|1[eE]([+-]?\d+))[\s*.]*/;
const TERM = /^([*./\s]*)([a-zA-Z]+)(?:(?:\*\*|\^)?(?:([+-]?\d+)|\(([+-]?\d+)\)))?/;

/** Angstrom as tables have it. In the standards a lone A is the ampere, which no table of galaxies measures. */
const ANGSTROM = /^(A|AA|Ang|[aA]ngstroms?)$/;

interface Unit {
  /** Power of ten; 0 for none. */
  readonly decade: number;
  readonly terms: readonly (readonly [name: string, power: number])[];
}

/** `1 / (unit)`: the unit of a density. */
const RECIPROCAL = /^1 \/ \((.+)\)$/;

function parse(text: string): Unit | undefined {
  const inner = RECIPROCAL.exec(text)?.[1];
  if (inner !== undefined) {
    const unit = parse(inner);
    return unit && { decade: -unit.decade, terms: unit.terms.map(([name, power]) => [name, -power] as const) };
  }
  const factor = FACTOR.exec(text);
  const decade = Number(factor?.[1] ?? factor?.[2] ?? 0);
  const terms: [string, number][] = [];
  let rest = text.slice(factor?.[0].length ?? 0);
  while (rest.trim() !== "") {
    const term = TERM.exec(rest);
    if (!term) return undefined;
    const [whole, before, name, plain, bracketed] = term;
    const sign = before.includes("/") ? -1 : 1;
    terms.push([ANGSTROM.test(name) ? "Angstrom" : name, sign * Number(plain ?? bracketed ?? 1)]);
    rest = rest.slice(whole.length);
  }
  return terms.length === 0 ? undefined : { decade, terms };
}

/**
 * The unit as the FITS Standard spells it (section 4.3): `10**-19 erg s-1 cm-2 Angstrom-1`; others stay as they are. It
 * has no word for decades of an unnamed quantity: empty.
 */
export function fitsUnit(text: string): string {
  const unit = parse(text);
  if (!unit) return text;
  if (unit.terms.some(([name]) => name === "dex")) return "";
  const terms = unit.terms.map(([name, power]) => (power === 1 ? name : `${name}${power}`));
  return [...(unit.decade === 0 ? [] : [`10**${unit.decade}`]), ...terms].join(" ");
}

/** What VOUnits deprecates, as [decade, name] of what it has instead. */
const INSTEAD: Readonly<Record<string, readonly [decade: number, name: string]>> = {
  Angstrom: [-1, "nm"],
  erg: [-7, "J"],
};

/**
 * The unit as VOUnits 1.1 spells it, which VOTable asks for, without what it deprecates:
 * `1e-25J.s**-1.cm**-2.nm**-1` is 1e-19 erg/s/cm2/Angstrom. It has no word for decades of an unnamed quantity: empty.
 */
export function voUnit(text: string): string {
  const unit = parse(text);
  if (!unit) return text;
  if (unit.terms.some(([name]) => name === "dex")) return "";
  let { decade } = unit;
  const terms = unit.terms.map(([name, power]) => {
    const [step, word] = INSTEAD[name] ?? [0, name];
    decade += step * power;
    return power === 1 ? word : `${word}**${power}`;
  });
  const factor = decade === 0 ? "" : Math.abs(decade) === 1 ? String(10 ** decade) : `1e${decade}`;
  return `${factor}${terms.join(".")}`;
}
