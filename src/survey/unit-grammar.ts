/** The grammar of units: products, quotients and powers of named units, in the spellings of standards and of LaTeX. */
import { type Quantity, unitNamed } from "./unit-names.ts";

const ONE: Quantity = { factor: 1, powers: {} };
/** Longer texts are no units. */
const LONGEST = 200;

/** What letters and signs stand for that mean the same. */
const SIGNS: readonly (readonly [RegExp, string])[] = [
  [/[‐‑‒–—−]/g, "-"],
  [/[×·∙•⋅∗]/g, "*"],
  [/μ/g, "u"],
  [/[⊙☉]/g, "sun"],
  [/\bper\b/gi, "/"],
];

/** LaTeX, in the order in which it is undone. */
const LATEX: readonly (readonly [RegExp, string])[] = [
  [/\\(?:left|right)(?=[()[\]])/g, ""],
  [/\\[,;:! ]|~/g, " "],
  [/\^\s*\{\s*([^{}]*?)\s*\}/g, "^($1)"],
  [/\\mathring\s*\{\s*A\s*\}|\\AA(?![a-zA-Z])|\\[aA]ngstrom(?![a-zA-Z])/g, "Angstrom "],
  [/\{\s*\\(?:rm|it|sf)(?![a-zA-Z])\s*([^{}]*)\}/g, "$1"],
  [/\\(?:odot|sun)(?![a-zA-Z])/g, "sun"],
  [/\\(?:times|cdot|ast)(?![a-zA-Z])/g, "*"],
  // Stays a letter of its own until what follows it is known.
  [/\\mu(?![a-zA-Z])\s*(?:\{\s*\})?/g, "μ"],
  [/_\{\s*(\w+)\s*\}/g, "_$1"],
  [/\\%/g, "%"],
  [/\$/g, ""],
];
const WRAPPER = /\\(?:mathrm|mathit|mathsf|text|textrm|rm|unit|ensuremath|operatorname)\s*\{([^{}]*)\}/g;
const FRACTION = /\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}/g;

/** The text without LaTeX, typography and other ways to say the same. */
function plainText(text: string): string {
  // Compatibility forms: both Angstrom signs, both micro signs, superscript digits.
  let plain = text.normalize("NFKC");
  for (const [sign, meaning] of SIGNS) plain = plain.replace(sign, meaning);
  if (/[\\${}]/.test(plain)) {
    for (const [command, meaning] of LATEX) plain = plain.replace(command, meaning);
    for (let before = ""; before !== plain;) {
      before = plain;
      plain = plain.replace(WRAPPER, " $1 ").replace(FRACTION, "($1)/($2)");
    }
    plain = plain.replace(/[{}]/g, "").replace(/μ\s*/g, "u");
  }
  return plain
    .replace(/\b([MLZ])_?sun\b/gi, "$1sun")
    .replace(/(\d)\s*x\s*(?=10)/g, "$1*")
    .trim();
}

interface Cursor {
  readonly text: string;
  at: number;
}

/** What a pattern matches at the cursor, which then stands behind it. */
function take(cursor: Cursor, pattern: RegExp): RegExpExecArray | undefined {
  const match = pattern.exec(cursor.text.slice(cursor.at)) ?? undefined;
  if (match) cursor.at += match[0].length;
  return match;
}

function power({ factor, powers }: Quantity, exponent: number): Quantity {
  const raised = Object.entries(powers).map(([base, n]): [string, number] => [base, n * exponent]);
  return { factor: factor ** exponent, powers: Object.fromEntries(raised) };
}

function product(a: Quantity, b: Quantity): Quantity {
  const powers: Record<string, number> = { ...a.powers };
  for (const [base, n] of Object.entries(b.powers)) powers[base] = (powers[base] ?? 0) + n;
  return { factor: a.factor * b.factor, powers };
}

/** `**-2`, `^(1/2)`, `(3/2)` */
const MARKED = /^\s*(?:\*\*|\^)\s*(?:([+-]?\d+(?:\.\d+)?)|\(\s*([+-]?\d+(?:\.\d+)?)\s*(?:\/\s*(\d+)\s*)?\))/;
const BRACKETED = /^()\(\s*([+-]?\d+(?:\.\d+)?)\s*(?:\/\s*(\d+)\s*)?\)/;
/** `cm2`, `s-1`: nothing between. */
const BARE = /^([+-]?\d+)(?!\d|\.\d)/;

/** The exponent at the cursor; 1 where there is none. Of bare ones a ten has those with a sign, other numbers none. */
function readExponent(cursor: Cursor, kind: "unit" | "ten" | "number"): number {
  const bare = kind === "ten" ? /^([+-]\d+)/ : BARE;
  const match =
    take(cursor, MARKED) ??
    (kind === "number" ? undefined : (take(cursor, bare) ?? (kind === "unit" ? take(cursor, BRACKETED) : undefined)));
  if (!match) return 1;
  return Number(match[1] || match[2]) / Number(match[3] ?? 1);
}

/** A number, a name or a bracket, to its power. */
function readTerm(cursor: Cursor, isGreedy: boolean): Quantity | undefined {
  const isInName = /[\p{L}_%)]$/u.test(cursor.text.slice(0, cursor.at));
  const number = take(cursor, /^(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/);
  if (number && isInName) return undefined;
  if (number) {
    const value = Number(number[0]);
    return { factor: value ** readExponent(cursor, number[0] === "10" ? "ten" : "number"), powers: {} };
  }
  const root = take(cursor, /^sqrt\s*(?=\()/i);
  let base: Quantity | undefined;
  if (take(cursor, /^\(/)) {
    base = readProduct(cursor, isGreedy);
    if (!take(cursor, /^\)/)) return undefined;
  } else {
    const name = take(cursor, /^(?:[\p{L}_]+|%)/u);
    base = name && unitNamed(name[0]);
  }
  return base && power(base, readExponent(cursor, "unit") * (root ? 0.5 : 1));
}

/**
 * A product up to a closing bracket or the end. A slash divides by the one term that follows it; `isGreedy`: by all
 * that follow.
 */
function readProduct(cursor: Cursor, isGreedy: boolean): Quantity | undefined {
  let whole = ONE;
  let isDivided = false;
  for (let count = 0; ; count++) {
    const sign = take(cursor, /^\s*(?:([*./])\s*)?/)?.[1];
    if (/^(?:\)|$)/.test(cursor.text.slice(cursor.at))) return count > 0 && sign === undefined ? whole : undefined;
    if (count === 0 && sign !== undefined && sign !== "/") return undefined;
    isDivided = sign === "/" || (isGreedy && isDivided);
    const term = readTerm(cursor, isGreedy);
    if (!term) return undefined;
    whole = product(whole, isDivided ? power(term, -1) : term);
  }
}

/** Base units and their powers as one text; "" for a pure number. */
export function signatureOf({ powers }: Quantity): string {
  return Object.entries(powers)
    .map(([base, n]): [string, number] => [base, Math.round(n * 1e6) / 1e6])
    .filter(([, n]) => n !== 0)
    .map(([base, n]) => `${base}${n}`)
    .sort()
    .join(" ");
}

/**
 * What a unit can mean; none: it is not understood. `erg/s cm2 A` has two readings, for the standards differ in how far
 * a slash reaches.
 */
export function readQuantity(text: string): Quantity[] {
  if (text.length > LONGEST) return [];
  const plain = plainText(text);
  return [false, true].flatMap((isGreedy) => {
    const cursor = { text: plain, at: 0 };
    const read = readProduct(cursor, isGreedy);
    return read && cursor.at === plain.length && Number.isFinite(read.factor) && read.factor > 0 ? [read] : [];
  });
}
