/** Spectra of a survey's objects beside their bands: rendered without noise, and observed. */
import { quickRng, type Rng } from "../random.ts";
import type { Survey } from "../survey/survey.ts";
import { createSpectrumRenderer, isTaken, type SpectrumRenderer, type TakenField } from "./clean-spectrum.ts";
import type { CleanRow } from "./observer.ts";
import type { SimulationOptions } from "./options.ts";
import { createSpectrograph, type Spectrograph } from "./spectrograph.ts";
import {
  createScratch,
  fibreFraction,
  observeSpectrum,
  type SpectrumPair,
  type SpectrumScratch,
} from "./spectrum-observer.ts";

/** How spectra are observed. */
type Observing = Pick<SimulationOptions, "noiseScale" | "systematics" | "spectrum">;

/** What takes one spectrum of each object, for one way to observe. */
export interface SpectrumTaker {
  readonly field: TakenField;
  readonly renderer: SpectrumRenderer;
  readonly spectrograph: Spectrograph;
  readonly scratch: SpectrumScratch;
}

/** Takers of the spectra whose arms the survey describes, in the order of the fields. */
export function createTakers({ fields }: Survey, options: Observing): SpectrumTaker[] {
  return fields.filter(isTaken).map((field) => {
    const spectrograph = createSpectrograph(field);
    return {
      field,
      renderer: createSpectrumRenderer(field),
      spectrograph,
      scratch: createScratch(spectrograph, options),
    };
  });
}

/** An object as spectrographs see it. */
type Seen = Pick<CleanRow, "redshift" | "logMass" | "logSfr" | "isPoint">;

/** Observes a clean spectrum into `into`. `ebv`: dust in front [mag]; NaN where there is none, or it is corrected. */
export function takeSpectrum(
  { spectrograph, scratch }: SpectrumTaker,
  clean: ArrayLike<number>,
  row: Seen,
  ebv: number,
  { noiseScale, systematics, spectrum }: Observing,
  rng: Rng,
  into: SpectrumPair,
): void {
  const quick = quickRng(rng);
  const settings = { ebv: Number.isNaN(ebv) ? 0 : ebv, noiseScale, systematics, spectrum };
  const fraction = fibreFraction(spectrograph, row, quick);
  observeSpectrum(spectrograph, clean, fraction, settings, quick, scratch, into);
}

/** Room for the spectrum of one row. */
export function emptyPair({ field }: SpectrumTaker): SpectrumPair {
  const room = (): Float32Array => new Float32Array(field.grid.pixels);
  return { value: room(), ivar: room() };
}
