import type { Arm } from "../survey/field.ts";
import { enclosedFlux } from "./aperture.ts";
import { resolutionAt, type TakenField, unitOf } from "./clean-spectrum.ts";
import { cardelli, MILKY_WAY_RV } from "./dust.ts";
import { addLine, FWHM_TO_SIGMA, pixelsOf, type SpectrumPixels } from "./line-spread.ts";
import { fluxOfMagnitude } from "./passband.ts";
import { skyLines } from "./sky-lines.ts";
import { interpolate } from "./special.ts";
import { telluricDepth } from "./telluric.ts";

const PLANCK_LIGHT = 1.98644586e-8; // erg Angstrom

/** What an arm has that its survey file says nothing of: an 8 m telescope's fibre spectrograph in a dark night. */
const USUAL = {
  area: 500_000,
  throughput: 0.25,
  exposure: 3600,
  reads: 1,
  readNoise: 3,
  dark: 0.003,
  pixelsPerFwhm: 3,
  pixelsAcross: 4,
  fibre: 1.2,
  seeing: 0.8,
  sky: 21,
  skyLines: 1,
  telluric: 1,
} as const;
type WholeArm = Arm & Required<Omit<Arm, "name" | "from" | "to" | "resolution">>;

/** Pixels through which less than this part of the light comes are not used. */
const OPAQUE = 0.1;
/** Pixels between two nodes of what is smooth along a spectrum. */
export const NODE_PIXELS = 128;

/** A spectrograph, pixel by pixel: what one needs to observe clean spectra with it. */
export interface Spectrograph {
  readonly field: TakenField;
  readonly pixels: SpectrumPixels;
  /** Photo-electrons per unit of a point source's total light, in the field's unit; 0 = not observed. [n] */
  readonly gain: Float32Array;
  /** 1 / gain; 0 = not observed. [n] */
  readonly inverse: Float32Array;
  /** Variance of the electrons of sky, dark current and read-out. [n] */
  readonly background: Float32Array;
  /** Electrons of the sky's lines, and their change from a shift by one pixel. [n] */
  readonly lines: Float32Array;
  readonly slopes: Float32Array;
  /** Optical depth of the air. [n] */
  readonly depth: Float32Array;
  /** Which arm a node lies in, for errors that an arm's pixels share. [nNode] */
  readonly armOfNode: Uint8Array;
  readonly armCount: number;
  /** A(lambda) / E(B-V) of Milky Way dust at the nodes. [nNode] */
  readonly extinction: Float64Array;
  /** Diameter of the fibre and seeing [arcsec], those of the first arm, and the part of a point source's light inside. */
  readonly fibre: number;
  readonly seeing: number;
  readonly pointFraction: number;
}

/** A number, or [wavelength [Angstrom], value] at several, linear between. */
type Curve = NonNullable<Arm["throughput"]>;

function valueAt(curve: Curve, wavelength: number): number {
  if (typeof curve === "number") return curve;
  const [places, values] = [0, 1].map((k) => curve.map((point) => point[k]));
  return interpolate(wavelength, places, values);
}

/** Part of a point source's light within a fibre. */
const pointFractionOf = ({ fibre, seeing }: WholeArm): number =>
  enclosedFlux(fibre / 2, { halfLight: 0, sersic: 1 }, seeing);

/** Flux densities of the sky's lines at a resolution [erg/s/cm2/A/arcsec2]. [n] */
function lineSky(pixels: SpectrumPixels, arms: readonly Arm[]): Float64Array {
  const flux = new Float64Array(pixels.wavelength.length);
  for (const { wavelength, flux: strength } of skyLines()) {
    const sigma = (wavelength * FWHM_TO_SIGMA) / resolutionAt(arms, wavelength);
    addLine(flux, pixels, strength, wavelength, sigma);
  }
  return flux;
}

type PixelTables = Pick<Spectrograph, "gain" | "background" | "lines" | "depth">;

/** Adds what an arm sees to the pixels that it covers; arms that overlap add up. */
function addArm(into: PixelTables, arm: WholeArm, pixels: SpectrumPixels, sky: Float64Array, unit: number): void {
  const area = (Math.PI / 4) * arm.fibre ** 2;
  const point = pointFractionOf(arm);
  pixels.wavelength.forEach((wavelength, i) => {
    if (wavelength < arm.from || wavelength > arm.to) return;
    const width = pixels.edges[i + 1] - pixels.edges[i];
    const photons = ((wavelength * width) / PLANCK_LIGHT) * arm.area * arm.exposure;
    const electrons = photons * valueAt(arm.throughput, wavelength);
    const transmission = Math.exp(-arm.telluric * into.depth[i]);
    const lines = electrons * area * arm.skyLines * sky[i];
    const continuum = electrons * area * fluxOfMagnitude(valueAt(arm.sky, wavelength), wavelength);
    // of the detector's pixels that the grid's is made of
    const detector = ((width * arm.resolution * arm.pixelsPerFwhm) / wavelength) * arm.pixelsAcross;
    const read = detector * (arm.readNoise ** 2 * arm.reads + arm.dark * arm.exposure);
    if (transmission > OPAQUE) into.gain[i] += electrons * transmission * point * unit;
    into.background[i] += lines + continuum + read;
    into.lines[i] += lines;
  });
}

/** The tables of a spectrum field's instrument. */
export function createSpectrograph(field: TakenField): Spectrograph {
  const arms = field.arms.map((arm): WholeArm => ({ ...USUAL, ...arm }));
  const pixels = pixelsOf(field.grid);
  const n = pixels.wavelength.length;
  const table = (): Float32Array => new Float32Array(n);
  const sigmaAt = (wavelength: number): number => (wavelength * FWHM_TO_SIGMA) / resolutionAt(arms, wavelength);
  const depth = Float32Array.from(telluricDepth(pixels, sigmaAt));
  const tables = { gain: table(), background: table(), lines: table(), depth };
  const sky = lineSky(pixels, arms);
  for (const arm of arms) addArm(tables, arm, pixels, sky, unitOf(field));
  const { lines } = tables;
  const nodes = Float64Array.from({ length: Math.ceil((n - 1) / NODE_PIXELS) + 1 }, (_, k) =>
    Math.exp(pixels.first + k * NODE_PIXELS * pixels.step),
  );
  return {
    field,
    pixels,
    ...tables,
    inverse: tables.gain.map((gain) => (gain > 0 ? 1 / gain : 0)),
    slopes: lines.map((_, i) => 0.5 * (lines[Math.min(n - 1, i + 1)] - lines[Math.max(0, i - 1)])),
    armOfNode: Uint8Array.from(nodes, (at) =>
      Math.max(
        0,
        arms.findLastIndex(({ from }) => from <= at),
      ),
    ),
    armCount: arms.length,
    extinction: nodes.map((at) => MILKY_WAY_RV * cardelli(at)),
    fibre: arms[0].fibre,
    seeing: arms[0].seeing,
    pointFraction: pointFractionOf(arms[0]),
  };
}
