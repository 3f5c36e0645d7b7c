/** Filters as the columns of other people's tables name them. */
import type { Survey } from "./survey.ts";
import type { SurveyFile } from "./survey-schema.ts";

type BandRow = SurveyFile["bands"][number];

/** What is known of a filter. */
export interface KnownFilter {
  readonly row: Pick<BandRow, "group" | "pivot" | "edges" | "rise" | "vegaAB">;
  /** Name in the survey that it is of. */
  readonly name: string;
  /** Undefined: guessed from the digits of the name. */
  readonly survey?: string;
}

/** Surveys whose names for filters come first. */
const FIRST = ["minijpas", "infrared", "broad"];

/** Spellings of filters, in lower case but for those that the case tells apart. */
const ALIASES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["u", "g", "r", "i", "z"].flatMap((x) => [x, `${x}p`, `${x}_prime`].map((name) => [name, `${x}_sdss`])),
  ),
  y: "y_lsst",
  Y: "Y",
  Z: "Z",
  U: "u_sdss",
  G: "g_sdss",
  R: "r_sdss",
  I: "i_sdss",
  b: "B",
  v: "V",
  r_c: "Rc",
  i_c: "Ic",
  j: "J",
  h: "H",
  k: "Ks",
};

/** Filters of every survey that comes with the package, found by the name of a column's part. */
export function filterIndex(surveys: ReadonlyMap<string, Survey>): (token: string) => KnownFilter | undefined {
  const names = [...FIRST, ...[...surveys.keys()].filter((name) => !FIRST.includes(name))];
  const known = new Map<string, KnownFilter>();
  for (const survey of names) {
    for (const row of surveys.get(survey)?.file.bands ?? []) {
      for (const key of [row.name, row.name.toLowerCase()]) {
        if (!known.has(key)) known.set(key, { row, name: row.name, survey });
      }
    }
  }
  return (token) => {
    const lower = token.toLowerCase();
    const splus = /^f(\d{3})$/.exec(lower);
    // One letter is a common spelling of a filter before it is a survey's own name: minijpas has a band u.
    const alias = ALIASES[token] ?? ALIASES[lower];
    const own = alias === undefined ? undefined : known.get(alias);
    return own ?? known.get(token) ?? known.get(lower) ?? (splus && known.get(`j0${splus[1]}`)) ?? fromDigits(token);
  };
}

/** Filters that say their wavelength: J0395 in nm, F606W in nm, F160W of the infrared in 10 nm. */
function fromDigits(token: string): KnownFilter | undefined {
  const [, digits, width] = /^[JF](\d{3,4})([WMN]?)$/i.exec(token) ?? [];
  const isNarrow = token.length === 5 && /^j/i.test(token);
  if (digits === undefined || !(isNarrow || (digits.length === 3 && width !== ""))) return undefined;
  const pivot = Number(digits) * (!isNarrow && Number(digits) < 200 ? 100 : 10);
  const full = isNarrow ? 145 : pivot * ({ W: 0.2, M: 0.1, N: 0.02 }[width.toUpperCase()] ?? 0.2);
  const rise = Math.round(full / 10);
  const edges: [number, number] = [Math.round(pivot - full / 2), Math.round(pivot + full / 2)];
  const group = isNarrow || full < 0.05 * pivot ? "narrow" : pivot > 10_000 ? "infrared" : "broad";
  return { row: { group, pivot, edges, rise: [rise, rise] }, name: token };
}
