/** Arithmetic on fields, as `--want` takes it: `log NII6584_EW/HALPHA_EW`, `LOGSFR - LOGM`, `-2.5 * log(gSDSS/rSDSS)`. */
import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import type { Field } from "../survey/field.ts";

/** A formula of fields. */
export interface Expression {
  /** Columns of the fields that it is of, each once. */
  readonly needs: readonly number[];
  /** Of the result; "" of a pure number. */
  readonly unit: string;
  /** Its value where `needs[i]` has the value `x[i]`; NaN or infinite where it has none. */
  readonly of: (x: ArrayLike<number>) => number;
}

/** Part of a formula; `x` holds the values of all fields met so far. */
interface Term {
  readonly unit: string;
  /** Of a part without fields. */
  readonly constant?: number;
  readonly of: (x: ArrayLike<number>) => number;
}

/** Functions by name: `log` is to base 10. A unit is that of what comes out. */
const functions: Readonly<Record<string, { of: (x: number) => number; unit: (unit: string) => string }>> = {
  log: { of: Math.log10, unit: () => "dex" },
  log10: { of: Math.log10, unit: () => "dex" },
  ln: { of: Math.log, unit: () => "" },
  exp: { of: Math.exp, unit: () => "" },
  sqrt: { of: Math.sqrt, unit: (unit) => powerOf(unit, 0.5) },
  abs: { of: Math.abs, unit: (unit) => unit },
};

const TOKEN = /\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|([-+*/^()]))/y;

type Token = { readonly kind: "number" | "name" | "sign" | "end"; readonly text: string };

const powerOf = (unit: string, power: number): string => (unit === "" ? "" : `(${unit})^${power}`);

function quotient(over: string, under: string): string {
  if (over === under) return "";
  if (under === "") return over;
  return `${over === "" ? "1" : over} / (${under})`;
}

/** 2.5 dex are a magnitude; another number leaves a unit as it is. */
const scaled = (unit: string, by: Term): string =>
  unit === "dex" && Math.abs(by.constant ?? 0) === 2.5 ? "mag" : unit;

function product(a: Term, b: Term): string {
  if (a.unit === "") return scaled(b.unit, a);
  return b.unit === "" ? scaled(a.unit, b) : `${a.unit} * ${b.unit}`;
}

/** A formula in a list: anything with a sign or a function, where names and ranges of fields have none. */
export const isFormula = (text: string): boolean => /[-+*/^()]/.test(text) || /^\s*[a-z]+\d*\s+\S/.test(text);

function tokensOf(text: string, refuse: (why: string) => never): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < end;) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) return refuse(`unexpected "${text.slice(at).trim()[0]}"`);
    const [, number, name, sign] = match;
    tokens.push(
      number !== undefined
        ? { kind: "number", text: number }
        : name !== undefined
          ? { kind: "name", text: name }
          : { kind: "sign", text: sign },
    );
  }
  return [...tokens, { kind: "end", text: "the end" }];
}

/** Reads one formula, token after token: sums of products of powers, as everywhere. */
class Reading {
  readonly needs: number[] = [];
  readonly #tokens: readonly Token[];
  readonly #fields: readonly Field[];
  readonly #refuse: (why: string) => never;
  #at = 0;

  constructor(text: string, fields: readonly Field[], refuse: (why: string) => never) {
    this.#fields = fields;
    this.#refuse = refuse;
    this.#tokens = tokensOf(text, refuse);
  }

  whole(): Term {
    const term = this.#sum();
    const rest = this.#tokens[this.#at];
    return rest.kind === "end" ? term : this.#refuse(`unexpected "${rest.text}"`);
  }

  /** Whether one of these signs is next; it is then behind. */
  #takes(signs: string): string | undefined {
    const { kind, text } = this.#tokens[this.#at];
    if (kind !== "sign" || !signs.includes(text)) return undefined;
    this.#at++;
    return text;
  }

  #sum(): Term {
    let term = this.#product();
    for (let sign = this.#takes("+-"); sign !== undefined; sign = this.#takes("+-")) {
      const [a, b, factor] = [term, this.#product(), sign === "+" ? 1 : -1];
      // a pure number is in the unit of what it is added to
      if (a.unit !== b.unit && a.unit !== "" && b.unit !== "") {
        this.#refuse(`${sign === "+" ? "adds" : "subtracts"} ${a.unit} and ${b.unit}`);
      }
      term = { unit: a.unit === "" ? b.unit : a.unit, of: (x) => a.of(x) + factor * b.of(x) };
    }
    return term;
  }

  #product(): Term {
    let term = this.#signed();
    for (let sign = this.#takes("*/"); sign !== undefined; sign = this.#takes("*/")) {
      const [a, b] = [term, this.#signed()];
      term =
        sign === "*"
          ? { unit: product(a, b), of: (x) => a.of(x) * b.of(x) }
          : { unit: quotient(a.unit, b.unit), of: (x) => a.of(x) / b.of(x) };
    }
    return term;
  }

  #signed(): Term {
    if (this.#takes("-") !== undefined) {
      const { unit, of, constant } = this.#signed();
      return { unit, of: (x) => -of(x), ...(constant === undefined ? {} : { constant: -constant }) };
    }
    const { kind, text } = this.#tokens[this.#at];
    if (kind !== "name" || !Object.hasOwn(functions, text) || this.#tokens[this.#at + 1].text === "(") {
      return this.#power();
    }
    this.#at++;
    return this.#call(text, this.#product()); // `log a/b` is log(a/b), as people write it
  }

  #call(name: string, { unit, of }: Term): Term {
    const f = functions[name];
    return { unit: f.unit(unit), of: (x) => f.of(of(x)) };
  }

  #power(): Term {
    const base = this.#atom();
    if (this.#takes("^") === undefined) return base;
    const exponent = this.#signed();
    if (base.unit !== "" && exponent.constant === undefined) this.#refuse(`raises ${base.unit} to what is no number`);
    return { unit: powerOf(base.unit, exponent.constant ?? 1), of: (x) => base.of(x) ** exponent.of(x) };
  }

  #bracket(): Term {
    const inner = this.#sum();
    if (this.#takes(")") === undefined) this.#refuse(`expected ) before ${this.#tokens[this.#at].text}`);
    return inner;
  }

  #atom(): Term {
    const { kind, text } = this.#tokens[this.#at++];
    if (kind === "number") return { unit: "", constant: Number(text), of: () => Number(text) };
    if (text === "(") return this.#bracket();
    if (kind !== "name") return this.#refuse(`expected a field or a number before ${text}`);
    if (Object.hasOwn(functions, text) && this.#takes("(") !== undefined) return this.#call(text, this.#bracket());
    return this.#field(text);
  }

  #field(name: string): Term {
    const column = this.#fields.findIndex((field) => field.name === name);
    if (column < 0) {
      const names = [...this.#fields.map((field) => field.name), ...Object.keys(functions)];
      return this.#refuse(`unknown field "${name}"${didYouMean(name, names)}`);
    }
    const { kind, unit } = this.#fields[column];
    if (kind === "category" || kind === "spectrum" || kind === "image") return this.#refuse(`${name} is no number`);
    if (!this.needs.includes(column)) this.needs.push(column);
    const place = this.needs.indexOf(column);
    return { unit, of: (x) => x[place] };
  }
}

/** @throws UserError for what can't be read, names no field, or adds what has different units. `option` is what it is of. */
export function parseExpression(text: string, fields: readonly Field[], option: string): Expression {
  const refuse = (why: string): never => {
    throw new UserError(`${option} "${text.trim()}": ${why}; expected a formula such as log NII6584_EW/HALPHA_EW`);
  };
  const reading = new Reading(text, fields, refuse);
  const { unit, of } = reading.whole();
  if (reading.needs.length === 0) refuse("names no field");
  return { needs: reading.needs, unit, of };
}
