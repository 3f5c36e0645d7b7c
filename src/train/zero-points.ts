/**
 * What a survey's photometry says of its zero-points, and of the models' spectra: those under which the galaxies that a
 * network carries make the photometry most likely.
 */
import { sizesOf, type Templates } from "../model/template-fit.ts";
import type { RowStore } from "../tokens/batch.ts";
import type { NetworkCoder } from "./config.ts";
import { minimise } from "./minimise.ts";
import { fitRow, gatherRows, type Row, type Shelf, shelve, weighed } from "./carried-fit.ts";
import {
  INDEPENDENT,
  lossOf,
  measuredFluxes,
  type Part,
  type Prior,
  type Scene,
  shiftsFrom,
} from "./carried-likelihood.ts";
import { lnNoisesOf, type Scatter, scatterAt } from "./faint-scatter.ts";
import { bandsOf, type Correction, CORRECTION_SIZE, KINDS, KNOTS } from "./spectral-correction.ts";
import { shiftError } from "./passband-shift.ts";
import { errorsAt, metricAt } from "./zero-point-errors.ts";

/** A zero-point that was learned, and how well. */
export interface ZeroPoint {
  /** ln of what the band's fluxes are to be multiplied by. */
  readonly lnFlux: number;
  /** Its 1 sigma error, and its parts: what other rows would give otherwise, and what photometry doesn't tell. */
  readonly error: number;
  readonly statistical: number;
  readonly model: number;
  /** Rows that it rests on. */
  readonly count: number;
  /** Scatter of its faint fluxes about what is expected of them, in errors as given; NaN where few are faint. */
  readonly noise: number;
  /** ln of what errors are to be multiplied by: of the scatter where that is larger than the errors for sure. */
  readonly lnNoise: number;
  /** What is to be added to the wavelength of its passband [Angstrom], and its 1 sigma error. */
  readonly shift: number;
  readonly shiftError: number;
}

/** What a survey's photometry teaches before any network is trained. */
export interface Instrument {
  /** [band of the templates] */
  readonly zeroPoints: readonly ZeroPoint[];
  /** What the models' spectra are to be multiplied by. */
  readonly correction: Correction;
}

/** Zero-points that are right, and galaxies that are like their models. */
export const noInstrument = (nBand: number): Instrument => ({
  zeroPoints: Array.from({ length: nBand }, () => ({
    lnFlux: 0,
    error: 0,
    statistical: 0,
    model: 0,
    count: 0,
    noise: Number.NaN,
    lnNoise: 0,
    shift: 0,
    shiftError: 0,
  })),
  correction: { spectra: new Array<number>(CORRECTION_SIZE).fill(0), shifts: new Array<number>(nBand).fill(0) },
});

/** What is assumed of a band: relative errors, 1 sigma. */
interface Assumed {
  /** Of the carried galaxies' fluxes. */
  readonly model: number;
  /** Of the zero-point, before anything is learned. */
  readonly prior: number;
  /** Of the zero-point, however many rows tell it: what is left on simulated skies. */
  readonly floor: number;
}

/** Optical and infrared bands, and ultraviolet ones: dust and young stars make those of any model poor, and detections alone are too bright. */
const [USUAL, ULTRAVIOLET]: readonly Assumed[] = [
  { model: 0.05, prior: 0.1, floor: 0.004 },
  { model: 0.25, prior: 0.2, floor: 0.1 },
];
const REDDEST_ULTRAVIOLET = 3000; // Angstrom

/** What is assumed of bands, and which of them are usual: their mean zero-point is grey. */
export function assumedOf(bands: ReturnType<typeof bandsOf>): Pick<Assumptions, "assumed" | "usual"> {
  const assumed = bands.map(({ pivot }) => (pivot < REDDEST_ULTRAVIOLET ? ULTRAVIOLET : USUAL));
  return { assumed, usual: assumed.flatMap((one, j) => (one === USUAL ? [j] : [])) };
}

/** 1 sigma of the correction [ln]: of a knot, of a bend (second difference), and of how much kinds side by side differ. */
const [CORRECTION, BEND, DIFFERENCE] = [0.1, 0.05, 0.06];
/** Times that all carried galaxies are looked at, not only the likely ones of before. */
const ROUNDS = 4;
/** A round ends where a step gains less than this in ln. */
const GAIN = 1e-2;

/** Sums of parameters that are small beforehand, each with its 1 sigma: zero-points first, then the correction. */
function priorsOf(assumed: readonly Assumed[]): readonly Prior[] {
  const n = assumed.length;
  const knots = KINDS.flatMap((_, kind) =>
    KNOTS.map((_wavelength, knot) => ({ kind, knot, at: n + kind * KNOTS.length + knot })),
  );
  const bends = knots.filter(({ knot }) => knot > 0 && knot < KNOTS.length - 1);
  const correction: readonly (readonly [Part, number])[] = [
    ...knots.map(({ at }) => [[[at, 1]], CORRECTION] as const),
    ...bends.map(({ at }) => [[[at - 1, 1], [at, -2], [at + 1, 1]], BEND] as const), // prettier-ignore
    ...knots.flatMap(({ kind, at }) => (kind === 0 ? [] : [[[[at, 1], [at - KNOTS.length, -1]], DIFFERENCE] as const])), // prettier-ignore
  ];
  return [
    ...assumed.map(({ prior }, j): Prior => ({ of: [[j, 1]], sigma: prior })),
    ...correction.map(([of, sigma]): Prior => ({ of, sigma })),
    ...assumed.map((_, j): Prior => ({ of: [[shiftsFrom(n) + j, 1]], sigma: 1 })),
  ];
}

/** What a row of each kind counts: galaxies share what models err by. */
function tempersOf(rows: readonly Row[]): Scene["tempers"] {
  const known = rows.filter(({ stretch }) => stretch !== undefined).length;
  const temper = (independent: number, count: number): number => Math.min(1, independent / Math.max(1, count));
  return {
    known: temper(INDEPENDENT.known, known),
    unknown: temper(INDEPENDENT.unknown, rows.length - known),
  };
}

/** What is assumed of a survey's bands. */
interface Assumptions {
  readonly assumed: readonly Assumed[];
  /** Bands whose mean zero-point is grey. */
  readonly usual: readonly number[];
  /** 1 sigma of the passbands' wavelengths [Angstrom]. */
  readonly shiftErrors: readonly number[];
}

/** Where a search ended. */
interface Found {
  readonly scene: Scene;
  readonly at: Float64Array;
  readonly scatter: readonly Scatter[];
  /** Rows that each band's zero-point rests on. */
  readonly counts: readonly number[];
}

/** The most probable zero-points, correction and shifts: likely galaxies are looked for anew some times, errors as they scatter. */
function search(shelf: Shelf, seen: readonly Row[], { assumed, usual }: Assumptions): Found {
  const { nBand } = shelf;
  const modelErrors = assumed.map(({ model }) => model);
  const counts = assumed.map((_, j) => seen.filter(({ weight }) => weight[j] > 0).length);
  const at = new Float64Array(shiftsFrom(nBand) + nBand);
  let scene: Scene = { shelf, rows: seen, near: [], priors: priorsOf(assumed), tempers: tempersOf(seen) };
  let scatter: Scatter[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const noise = lnNoisesOf(scatter).map(Math.exp);
    const weighted = round === 0 ? seen : seen.map((row) => weighed(row, noise, modelErrors));
    const models = measuredFluxes(shelf, at);
    scene = { ...scene, rows: weighted, near: weighted.map((row) => fitRow(shelf, models, row).which) };
    minimise(lossOf(scene), at, GAIN, metricAt(scene, at));
    const grey = usual.reduce((sum, j) => sum + at[j], 0) / Math.max(1, usual.length);
    for (let j = 0; j < nBand; j++) at[j] = counts[j] === 0 ? 0 : at[j] - grey;
    scatter = scatterAt(scene, at, modelErrors);
  }
  return { scene, at, scatter, counts };
}

/** What is told of each band. */
function zeroPointsOf(
  { scene, at, scatter, counts }: Found,
  { assumed, usual, shiftErrors }: Assumptions,
): ZeroPoint[] {
  const errors = errorsAt(scene, at, usual);
  const shifts = shiftsFrom(assumed.length);
  const lnNoises = lnNoisesOf(scatter);
  return assumed.map(({ prior, floor }, j): ZeroPoint => {
    const [own, shift] = [errors[j], errors[shifts + j]];
    const statistical = counts[j] === 0 ? 0 : own.statistical;
    const model = counts[j] === 0 ? prior : Math.hypot(own.model, floor);
    return {
      lnFlux: at[j],
      error: Math.hypot(statistical, model),
      statistical,
      model,
      count: counts[j],
      noise: scatter[j].noise,
      lnNoise: lnNoises[j],
      shift: shiftErrors[j] * at[shifts + j],
      shiftError: shiftErrors[j] * Math.hypot(shift.statistical, shift.model),
    };
  });
}

/**
 * Zero-points of `rows` of a store, and a correction of the models' spectra by kind of galaxy in their rest frame: the most
 * probable ones under Gaussian priors, whatever galaxy of those carried each row is, with whatever amplitude (the mode of the
 * marginal posterior; Ilbert et al. 2006, A&A 457, 841, find zero-points at the best fits, Crenshaw & Connolly 2020, AJ 160, 191,
 * spectra). Redshifts that are measured are held to. Grey offsets are amplitudes: none is learned, the mean of
 * the usual bands stays 0. With `passbands`, passbands are learned to lie elsewhere, too: 1 for usual errors of their wavelengths
 * (5 Angstrom of narrow ones, 1 % of wide ones), more for rough curves, 0 for none. A function of its arguments alone.
 */
export function fitInstrument(
  coder: NetworkCoder,
  templates: Templates,
  store: RowStore,
  rows: ArrayLike<number>,
  passbands = 0,
): Instrument {
  const { nBand } = sizesOf(templates);
  const bands = bandsOf(coder, nBand);
  const assumptions = { ...assumedOf(bands), shiftErrors: bands.map((band) => passbands * shiftError(band)) };
  const shelf = shelve(coder, templates, bands, assumptions.shiftErrors);
  const modelErrors = assumptions.assumed.map(({ model }) => model);
  const found = search(shelf, gatherRows(coder, shelf, store, rows, modelErrors), assumptions);
  const zeroPoints = zeroPointsOf(found, assumptions);
  const spectra = Array.from(found.at.subarray(nBand, shiftsFrom(nBand)));
  return { zeroPoints, correction: { spectra, shifts: zeroPoints.map(({ shift }) => shift) } };
}
