/** What is said of a target before a network is adapted to it. */
import { sortFinite, quantile } from "../report/statistics.ts";
import { counted } from "../text.ts";
import type { BandOffset, DomainView } from "./domain.ts";

/** Refused: training would waste its time, or do harm. */
export type FindingLevel = "refused" | "warning" | "note";

export interface Finding {
  readonly level: FindingLevel;
  readonly text: string;
}

/**
 * Where a target differs: nowhere; in its galaxies alone, so that zero-points explain nothing; in its instrument (and its
 * galaxies, maybe: nobody can tell before the zero-points are known).
 */
export type DomainVerdict = "same" | "population" | "instrument";

/** What is known of a target beside what a network sees. */
export interface TargetFacts {
  readonly path: string;
  readonly sourcePath: string;
  /** Rows with photometry, of those that were read; more where not all were. */
  readonly rows: number;
  /** Unit of the network's fluxes. */
  readonly fluxUnit: string;
  /** Bands of the network that no row of the target has, and all of the network's. */
  readonly missing: readonly string[];
  readonly bandCount: number;
  /** Bands of the target that the network doesn't know. */
  readonly unknown: readonly string[];
}

/** Fewer rows with photometry are refused; fewer than so many leave zero-points with errors worth a word. */
const [FEWEST_ROWS, FEW_ROWS] = [50, 500] as const;
/** A target most of whose galaxies are further than this beyond the simulations' brightness is in other units [mag]. */
const BEYOND = 0.5;
/** Errors apart by a factor of two units, to the first [dex], whose fluxes are too, to the second, may be in the other one. */
const [UNIT_TOLERANCE, SHARED] = [0.03, 0.15] as const;
/** [dex] A nanomaggy in microjanskys. */
const NANOMAGGY = Math.log10(3.631);
/** A band further than this from what the others expect is no zero-point's; one further than that is worth a word [mag]. */
const [WILD_BAND, ODD_BAND] = [1, 0.3] as const;
/** A band whose fluxes and errors are this much further from the simulations' than the other bands' is in another unit [dex]. */
const ALIEN = 1;
/** Offsets are there beyond so many errors. */
const SIGMAS = 5;
/** Bands that scatter by more than this beyond their errors, or one that is off by so much, are an instrument's [mag]. */
const [INSTRUMENT_RMS, INSTRUMENT_BAND] = [0.018, 0.05] as const;
/** A classifier tells where its area is beyond this and three errors. */
const TELLING = 0.55;

const isOff = ({ offset: { value, error } }: BandOffset, limit: number): boolean =>
  Math.abs(value) > limit && Math.abs(value) > SIGMAS * error;

const signed = (magnitudes: number): string => `${magnitudes > 0 ? "+" : ""}${magnitudes.toFixed(2)}`;
const named = (bands: readonly BandOffset[]): string => {
  const sorted = bands.toSorted((a, b) => Math.abs(b.offset.value) - Math.abs(a.offset.value));
  const shown = sorted.slice(0, 6).map(({ name, offset }) => `${name} ${signed(offset.value)}`);
  return `${shown.join(", ")}${bands.length > shown.length ? `, ... (${bands.length})` : ""}`;
};
const listed = (names: readonly string[]): string =>
  names.length > 8 ? `${names.slice(0, 8).join(", ")}, ...` : names.join(", ");

const medianOf = (values: readonly number[]): number => quantile(sortFinite(values), 0.5);

/** How bright the target is beside the simulations. */
export interface Brightness {
  /** Medians over bands of the ratios of fluxes and of errors, target over simulations. */
  readonly fluxRatio: number;
  readonly errorRatio: number;
  /** Share of the target's rows that are half a magnitude beyond the range of 99 % of the simulations. */
  readonly beyond: number;
}

export function brightnessOf({ bands, brightness, rows }: DomainView): Brightness {
  const ours = sortFinite(brightness.subarray(0, rows));
  const aside = (BEYOND * Math.LN10) / 2.5;
  const [low, high] = [quantile(ours, 0.005) - aside, quantile(ours, 0.995) + aside];
  const outside = brightness.subarray(rows).filter((x) => x < low || x > high).length;
  return {
    fluxRatio: medianOf(bands.map((one) => one.fluxRatio)),
    errorRatio: medianOf(bands.map((one) => one.errorRatio)),
    beyond: outside / rows,
  };
}

/** Whether a factor is one of two units: a power of ten, or one times the 3.631 of nanomaggies. */
function isUnitRatio(ratio: number): boolean {
  const dex = Math.log10(ratio);
  const isNear = (x: number): boolean => Math.abs(x - Math.round(x)) < UNIT_TOLERANCE;
  return Math.abs(dex) > 0.5 && [0, NANOMAGGY, -NANOMAGGY].some((aside) => isNear(dex + aside));
}

const times = (ratio: number): string => {
  const rounded = (x: number): string => Number(x.toPrecision(2)).toLocaleString("en-US");
  return ratio >= 1 ? `${rounded(ratio)} times` : `1/${rounded(1 / ratio)} of`;
};

function unitFindings(facts: TargetFacts, { fluxRatio, errorRatio, beyond }: Brightness): Finding[] {
  const { path, sourcePath, fluxUnit } = facts;
  const found =
    `${path}: fluxes are ${times(fluxRatio)} those of ${sourcePath}, errors ${times(errorRatio)} theirs (medians over bands), ` +
    `${Math.round(100 * beyond)} % of its galaxies beyond the simulated range of brightness`;
  const expected = `expected ${fluxUnit}: --unit "*=..." says what they are in`;
  if (beyond > 0.5) return [{ level: "refused", text: `${found}; ${expected}` }];
  const isShared = Math.abs(Math.log10(fluxRatio / errorRatio)) < SHARED;
  if (!isShared || !isUnitRatio(errorRatio)) return [];
  return [{ level: "warning", text: `${found}: a deeper or shallower survey, or other units? ${expected}` }];
}

/** Bands whose fluxes and errors are both so many times those of the simulations, as no other bands' are. */
function alienBands(bands: readonly BandOffset[]): BandOffset[] {
  const [flux, error] = [medianOf(bands.map((one) => one.fluxRatio)), medianOf(bands.map((one) => one.errorRatio))];
  return bands.filter(({ fluxRatio, errorRatio }) => {
    const dex = [Math.log10(fluxRatio / flux), Math.log10(errorRatio / error)];
    return dex.every((x) => x > ALIEN) || dex.every((x) => x < -ALIEN);
  });
}

function bandFindings({ path }: TargetFacts, bands: readonly BandOffset[]): Finding[] {
  const alien = alienBands(bands);
  const others = bands.filter((one) => !alien.includes(one));
  const wild = others.filter((one) => isOff(one, WILD_BAND));
  const odd = others.filter((one) => !wild.includes(one) && isOff(one, ODD_BAND));
  const cause = "another unit, Vega magnitudes or another filter? --unit COLUMN=UNIT says the unit";
  const refused: Finding[] = [];
  if (alien.length > 0) {
    const shown = alien.map(({ name, fluxRatio }) => `${name} ${times(fluxRatio)}`);
    const text = `${path}: fluxes and errors are not on the scale of the other bands': ${listed(shown)} the simulated; ${cause}`;
    refused.push({ level: "refused", text });
  }
  if (wild.length > 0) {
    const text = `${path}: not what its other bands expect [mag]: ${named(wild)}; no zero-point is off by so much: ${cause}`;
    refused.push({ level: "refused", text });
  }
  if (odd.length === 0) return refused;
  return [...refused, { level: "warning", text: `far from what the other bands expect [mag]: ${named(odd)}` }];
}

/** Where the two differ. */
export function verdictOf({ photometry, state, bands, offsetRms }: DomainView): DomainVerdict {
  if (offsetRms > INSTRUMENT_RMS || bands.some((one) => isOff(one, INSTRUMENT_BAND))) return "instrument";
  const isTold = [photometry, state].some(({ auc, error }) => auc > Math.max(TELLING, 0.5 + 3 * error));
  return isTold ? "population" : "same";
}

const VERDICTS: Readonly<Record<DomainVerdict, (view: DomainView) => string>> = {
  same: () => "nothing tells the target from the simulations: there is little to adapt to",
  population: ({ offsetRms }) =>
    `another population, not another instrument: bands are as the others expect (to ${offsetRms.toFixed(3)} mag rms), zero-points would explain nothing and stay 0; --prior of query and evaluate, or simulations like the target, mend a population`,
  instrument: ({ offsetRms }) =>
    `another instrument: bands are ${offsetRms.toFixed(3)} mag (rms) from what the others expect, zero-points are worth learning`,
};

function coverageFindings({ missing, bandCount, unknown }: TargetFacts): Finding[] {
  const of = counted(bandCount, "band");
  const lost: Finding[] =
    missing.length === 0
      ? []
      : [
          {
            level: "warning",
            text: `not in the target: ${listed(missing)} (${missing.length} of ${of}); it is answered without them, which no training mends`,
          },
        ];
  if (unknown.length === 0) return lost;
  return [
    ...lost,
    {
      level: "warning",
      text: `bands that the network doesn't know, not used: ${listed(unknown)}; caleido finetune --survey teaches it new ones`,
    },
  ];
}

function rowFindings({ path, rows }: TargetFacts, bands: readonly BandOffset[] = []): Finding[] {
  if (rows < FEWEST_ROWS) {
    const what = `${path}: ${counted(rows, "row")} with photometry, expected ${FEWEST_ROWS} or more to adapt to`;
    return [{ level: "refused", text: what }];
  }
  if (rows >= FEW_ROWS) return [];
  const error = medianOf(bands.map(({ offset }) => offset.error));
  const off = Number.isFinite(error) ? `err by ${error.toFixed(3)} mag or more` : "can't be learned";
  return [{ level: "warning", text: `only ${counted(rows, "row")} with photometry: zero-points ${off}` }];
}

/** `photometry .98 +- .01`, for a person. */
export const tellingLine = ({ photometry, residuals, state }: DomainView): string =>
  `simulations and target are told apart (area under the curve; .5: not at all) by photometry ${photometry.auc.toFixed(3)} +- ${photometry.error.toFixed(3)}, ` +
  `by residuals ${residuals.auc.toFixed(3)}, by the network's state ${state.auc.toFixed(3)}`;

/** Everything that is to be said before training; `view` is undefined where there is no photometry to look at. */
export function findingsOf(facts: TargetFacts, view: DomainView | undefined): Finding[] {
  if (view === undefined) return [...rowFindings(facts), ...coverageFindings(facts)];
  const rows = rowFindings(facts, view.bands);
  const units = unitFindings(facts, brightnessOf(view));
  // what colours say is not heard where units are wrong, or rows too few
  const isHeard = [...rows, ...units].every(({ level }) => level !== "refused");
  const said: Finding[] = isHeard
    ? [
        ...bandFindings(facts, view.bands),
        { level: "note", text: tellingLine(view) },
        { level: verdictOf(view) === "population" ? "warning" : "note", text: VERDICTS[verdictOf(view)](view) },
      ]
    : [];
  return [...rows, ...units, ...coverageFindings(facts), ...said];
}
