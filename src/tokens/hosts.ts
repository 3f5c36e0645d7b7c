import type { Arrays, Signature } from "../engine/contract.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import {
  type ModalityName,
  modalitiesOf,
  N_SPECTRUM_SCALAR,
  spectrumInputs,
  type Vocabulary,
} from "../survey/vocabulary.ts";
import { fillSpectrum, type PixelWindow, spectrumAmplitude, WHOLE } from "./spectrum.ts";
import type { FieldCoder } from "./standardise.ts";

/** One galaxy as a batch takes it in: a row, what of it is given, and the scale of what is given. */
export interface Evidence {
  readonly catalog: Catalog;
  readonly row: number;
  /** [nField] One flag per field; flags of unobserved fields are ignored. */
  readonly isContext: Uint8Array;
  readonly scale: number;
  /** What of its spectra is given; absent: all of them. */
  readonly window?: PixelWindow;
}

/** What one modality brings into a batch: its arrays, all zero where nothing is given. */
export interface Host {
  signature(batch: number, vocabulary: Vocabulary): Signature;
  /** Writes what is given of one galaxy at place `b`. */
  fill(arrays: Arrays, b: number, coder: FieldCoder, evidence: Evidence): void;
}

/** Encoded values are kept within this many standard deviations: a wild pixel must not end a run. */
const WIDEST = 12;
export const withinReach = (v: number): number => Math.min(WIDEST, Math.max(-WIDEST, v));

/** An encoded error below this says no less. */
const SIGMA_FLOOR = 0.01;
/** Brings logarithms of usual errors near 0. */
const DOUBT_OFFSET = 1.5;
/** ln of an encoded error, as the network and its rivals read it. */
export const doubtOf = (sigma: number): number => Math.log(sigma + SIGMA_FLOOR) + DOUBT_OFFSET;

/**
 * Bands and properties, over the columns of all fields:
 * - value, sigma, state [B, N]: transformed and standardised; state 0 = not given. slope [B, N]: d(value) / d ln(flux)
 * - doubt [B, N]: the error as the network reads it, see `doubtOf`. Taken here and not in the graph, where a logarithm may
 *   depend in its last bit on where in the batch it stands: a larger vocabulary must not change old answers
 * - scale [B, 2]: encoded ln(scale), 1 if there is one
 */
const scalar: Host = {
  signature(batch, { fields }) {
    const f = { dtype: "float32", shape: [batch, fields.length] } as const;
    const state = { dtype: "int32", shape: [batch, fields.length] } as const;
    return { value: f, sigma: f, doubt: f, state, slope: f, scale: { dtype: "float32", shape: [batch, 2] } };
  },
  fill(arrays, b, coder, { catalog, row, isContext, scale }) {
    const { nField, groups } = coder;
    arrays.scale.data[2 * b] = coder.encodeScale(scale);
    arrays.scale.data[2 * b + 1] = scale > 0 ? 1 : 0;
    for (const group of [groups.band, groups.property]) {
      for (const j of group) {
        const at = row * nField + j;
        const state = catalog.state[at];
        if (isContext[j] === 0 || state === State.notObserved) continue;
        const to = b * nField + j;
        const x = catalog.value[at];
        arrays.state.data[to] = state;
        arrays.value.data[to] = withinReach(coder.encode(j, x, scale));
        const sigma = coder.encodeError(j, x, catalog.error[at], scale);
        arrays.sigma.data[to] = sigma;
        arrays.doubt.data[to] = doubtOf(sigma);
        if (group === groups.band) arrays.slope.data[to] = coder.zeroPointSlope(j, x, scale);
      }
    }
  },
};

/** class [B, nCategory]: 1 + the index of the class, 0 where it is not given. */
const category: Host = {
  signature: (batch, { groups }) => ({ class: { dtype: "int32", shape: [batch, groups.category.length] } }),
  fill(arrays, b, { nField, groups }, { catalog, row, isContext }) {
    groups.category.forEach((j, c) => {
      const at = row * nField + j;
      if (isContext[j] === 0 || catalog.state[at] === State.notObserved) return;
      arrays.class.data[b * groups.category.length + c] = 1 + catalog.value[at];
    });
  },
};

/**
 * Of spectrum s, P pixels each: spectrum<s> [B, P] flux over the spectrum's own amplitude, spectrum<s>Weight [B, P]
 * amplitude over error, both 0 where a pixel is not observed; and of all spectra, spectrumScalar [B, nSpectrum * 4]:
 * 1 where it is given, its encoded ln(amplitude), ln(amplitude / scale) about its mean, and 1 where there is a scale.
 */
const spectrum: Host = {
  signature(batch, { fields, groups }) {
    const pixels = Array.from(groups.spectrum, (j, s): [string, Signature[string]][] => {
      const field = fields[j];
      const shape = [batch, field.kind === "spectrum" ? field.grid.pixels : 0];
      const { flux, weight } = spectrumInputs(s);
      return [flux, weight].map((name) => [name, { dtype: "float32", shape }]);
    });
    const scalars = { dtype: "float32", shape: [batch, groups.spectrum.length * N_SPECTRUM_SCALAR] } as const;
    return { ...Object.fromEntries(pixels.flat()), spectrumScalar: scalars };
  },
  fill(arrays, b, coder, { catalog, row, isContext, scale, window = WHOLE }) {
    const { nField, groups, fields, standardisation } = coder;
    groups.spectrum.forEach((j, s) => {
      if (isContext[j] === 0 || catalog.state[row * nField + j] === State.notObserved) return;
      const column = catalog.arrays?.get(fields[j].name);
      const amplitude = column === undefined ? 0 : spectrumAmplitude(column, row, window);
      if (column === undefined || amplitude === 0) return;
      const names = spectrumInputs(s);
      const [flux, weight] = [arrays[names.flux].data, arrays[names.weight].data] as [Float32Array, Float32Array];
      fillSpectrum(column, row, window, amplitude, { flux, weight, at: b * column.width });
      const brightness = Math.log(amplitude);
      const usual = standardisation.fields[j].mean - standardisation.scale.mean;
      const relation = scale > 0 ? brightness - Math.log(scale) - usual : 0;
      const to = (b * groups.spectrum.length + s) * N_SPECTRUM_SCALAR;
      const said = [1, withinReach(coder.encode(j, brightness, 0)), withinReach(relation), Number(scale > 0)];
      said.forEach((number, k) => (arrays.spectrumScalar.data[to + k] = number));
    });
  },
};

const hosts: { readonly [M in ModalityName]: Host } = { scalar, category, spectrum };

/** Inputs of the network that say what is given of B galaxies. isCalibrated [B]: 1 = its zero-points are being learned. */
export function contextSignature(batch: number, vocabulary: Vocabulary): Signature {
  const parts = modalitiesOf(vocabulary).map((name) => hosts[name].signature(batch, vocabulary));
  return { ...(Object.assign({}, ...parts) as Signature), isCalibrated: { dtype: "float32", shape: [batch] } };
}

/** Writes the context of one galaxy at place `b`; returns its scale. */
export function fillContext(arrays: Arrays, b: number, coder: FieldCoder, given: Omit<Evidence, "scale">): number {
  const scale = coder.scaleOf(given.catalog, given.row, given.isContext);
  for (const name of modalitiesOf(coder)) hosts[name].fill(arrays, b, coder, { ...given, scale });
  return scale;
}
