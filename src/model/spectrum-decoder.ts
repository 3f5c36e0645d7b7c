import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { Tensors } from "../engine/contract.ts";
import { gelu, linear, logSoftmax } from "../engine/ops.ts";
import { coarseCells, cellInputs, N_CELL_NUMBER, type Vocabulary } from "../survey/vocabulary.ts";
import { heads, type HeadSpec } from "./heads.ts";
import { matrix, type ParameterSpec, table, vector } from "./parameters.ts";

const size = (most: number): z.ZodInt => z.int().positive().max(most);

/** A recipe's `model.spectrum.out` section: the decoder that answers spectra on a coarse grid. */
export const spectrumOutSchema = z.strictObject({
  cells: z.int().min(2).max(4096).default(192).describe("cells of the answered spectrum, even in ln(wavelength)"),
  rank: size(1024).default(32).describe("numbers that a whole spectrum is made from: the bottleneck"),
  hidden: size(16384).default(128).describe("width of the layer before them"),
  components: size(64).default(2).describe("Gaussians of a cell's answer"),
  templates: size(256).default(8).describe("rest-frame spectra that are shifted and added up"),
  redshift: z.number().positive().max(20).default(4).describe("highest redshift that they are shifted to"),
  weight: z.number().min(0).max(1e6).default(0.5).describe("a spectrum weighs as much as this many galaxies' answers"),
});
export type SpectrumOutConfig = z.output<typeof spectrumOutSchema>;

/** What a network has to say of its spectra; `out` absent: nothing. */
interface WithDecoder {
  readonly spectrum?: { readonly out?: SpectrumOutConfig | undefined } | undefined;
  readonly nLatent: number;
}

/** What decodes spectra; undefined where a network doesn't answer them. */
export const decoderOf = ({ spectrum }: WithDecoder, { groups }: Vocabulary): SpectrumOutConfig | undefined =>
  groups.spectrum.length === 0 ? undefined : spectrum?.out;

/** The distribution of a cell. */
export const cellSpec = ({ components }: SpectrumOutConfig): Extract<HeadSpec, { head: "mixture" }> => ({
  head: "mixture",
  components,
});

const nameOf = (s: number): string => `decoder.spectrum${s}`;

/** Cells of the spectrum in place `s`, how far apart they are in ln(wavelength), and the number of shifts by as much. */
function shapeOf({ cells, redshift }: SpectrumOutConfig, { fields, groups }: Vocabulary, s: number) {
  const field = fields[groups.spectrum[s]];
  const { from, to, pixels } = field.kind === "spectrum" ? field.grid : { from: 1, to: 2, pixels: 1 };
  const n = coarseCells(cells, pixels);
  const step = (Math.log(to / from) * pixels) / ((pixels - 1) * n);
  return { cells: n, step, shifts: Math.max(2, Math.ceil(Math.log1p(redshift) / step) + 1) };
}

/** Parameters of the decoders of all spectra; `state`: numbers of a state of knowledge without its lags. */
export function decoderSpecs(config: WithDecoder, vocabulary: Vocabulary, state: number): ParameterSpec[] {
  const own = decoderOf(config, vocabulary);
  if (own === undefined) return [];
  const { rank, hidden, templates, components } = own;
  const width = heads.mixture.width(cellSpec(own));
  // all components begin near the usual brightness, a little apart
  const means = Array.from({ length: components }, (_, k) =>
    components === 1 ? 0 : -0.3 + (0.6 * k) / (components - 1),
  );
  const start = [...means.map(() => 0), ...means, ...means.map(() => -1)];
  return Array.from(vocabulary.groups.spectrum, (_, s): ParameterSpec[] => {
    const { cells, shifts } = shapeOf(own, vocabulary, s);
    const name = nameOf(s);
    return [
      matrix(`${name}.up`, state, hidden, Math.SQRT2),
      table(`${name}.upBias`, [hidden]),
      matrix(`${name}.code`, hidden, rank),
      table(`${name}.codeBias`, [rank]),
      matrix(`${name}.smooth`, rank, cells * width, 0.05),
      vector(`${name}.smoothBias`, cells * width, start),
      matrix(`${name}.shift`, rank, shifts, 0.3),
      table(`${name}.shiftBias`, [shifts]),
      table(`${name}.template`, [cells + shifts - 1, templates], 0.1),
      matrix(`${name}.height`, rank, templates * width, 0.3),
      table(`${name}.heightBias`, [templates * width], 0.3),
    ].map((spec) => ({ ...spec, isHidden: true }));
  }).flat();
}

/** Rest-frame templates [C + Z - 1, M] at each of Z shifts to the red: [Z, C, M]. Row c - k of them, modulo their number, is at cell c after shift k. */
function shifted(templates: tf.Tensor, cells: number, shifts: number): tf.Tensor3D {
  const [rows, m] = templates.shape as [number, number];
  const copies = tf.add(tf.expandDims(templates, 0), tf.zeros([shifts, 1, 1])); // [Z, W, M]
  // read on with one row less in each copy, every copy begins one row earlier than the one before
  const skewed = tf.slice(tf.reshape(copies, [shifts * rows, m]), [0, 0], [shifts * (rows - 1), m]);
  return tf.slice(tf.reshape<tf.Rank.R3>(skewed, [shifts, rows - 1, m]), [0, 0, 0], [shifts, cells, m]);
}

export interface DecodedSpectrum {
  /** [B, cells, width] Raw numbers of the cells' distributions, as `cellSpec` has them. */
  readonly raw: tf.Tensor3D;
  /** [B, shifts] ln of the weights of the redshifts, up to a constant. */
  readonly shift: tf.Tensor2D;
}

/**
 * Spectra [B, cells] of states of knowledge [B, S] without their lags, through a bottleneck of `rank` numbers: what these say of each cell by
 * itself, and rest-frame templates that are shifted by a distribution of redshifts, both made from the same numbers, so that
 * a line is learned once and not once for every place (as SPENDER does for one redshift: Melchior et al. 2023, AJ 166, 74).
 */
export function decodeSpectrum(
  config: WithDecoder,
  vocabulary: Vocabulary,
  params: Tensors,
  state: tf.Tensor2D,
  s: number,
): DecodedSpectrum {
  const own = decoderOf(config, vocabulary)!;
  const { cells, shifts } = shapeOf(own, vocabulary, s);
  const width = heads.mixture.width(cellSpec(own));
  const m = own.templates;
  const [b] = state.shape;
  const of = (part: string): tf.Tensor => params[`${nameOf(s)}.${part}`];
  const layer = (x: tf.Tensor, part: string): tf.Tensor => linear(x, of(part), of(`${part}Bias`));
  const code = layer(gelu(layer(state, "up")), "code"); // [B, rank]
  const shift = layer(code, "shift") as tf.Tensor2D; // [B, Z]
  const places = tf.reshape<tf.Rank.R2>(shifted(of("template"), cells, shifts), [shifts, cells * m]);
  const rest = tf.reshape(tf.matMul(tf.softmax(shift), places), [b, cells, m]); // [B, C, M]
  const heights = tf.reshape(layer(code, "height"), [b, m, width]);
  const smooth = tf.reshape(layer(code, "smooth"), [b, cells, width]);
  return { raw: tf.add(smooth, tf.matMul(rest, heights)), shift }; // [B, C, width]
}

/** How much the place of a known redshift counts beside the mean of the cells [nats per nat]. */
const LOCATED = 0.1;

/**
 * Sum over galaxies of the mean -ln p of the cells that are asked [nats], the cells' noise convolved into it, and of what
 * the shift says of redshifts that are known. Inputs are those of `cellInputs`; where a cell's error is 0 it is not asked,
 * and its value changes nothing.
 */
export function spectrumLoss(
  config: WithDecoder,
  vocabulary: Vocabulary,
  params: Tensors,
  state: tf.Tensor2D,
  batch: Tensors,
): tf.Scalar {
  const own = decoderOf(config, vocabulary)!;
  const spec = cellSpec(own);
  const terms = Array.from(vocabulary.groups.spectrum, (_, s): tf.Scalar => {
    const { raw, shift } = decodeSpectrum(config, vocabulary, params, state, s);
    const [b, cells, width] = raw.shape;
    const [value, sigma, bend] = tf.split(batch[cellInputs(s).truth], N_CELL_NUMBER, 2); // [B, C, 1] each
    const isAsked = tf.cast(tf.greater(tf.reshape(sigma, [b, cells]), 0), "float32"); // [B, C]
    const flat = (x: tf.Tensor): tf.Tensor1D => tf.reshape(x, [b * cells]);
    const targets = {
      value: flat(value),
      sigma: flat(sigma),
      isUpperLimit: tf.zeros([b * cells], "bool"),
      curve: { bend: flat(bend), rate: tf.ones([b * cells]) },
    };
    const loss = heads.mixture.negLogLik(tf.reshape(raw, [b * cells, width]), targets, spec); // [B C]
    const known = tf.mul(tf.reshape(loss, [b, cells]), isAsked);
    const mean = tf.div(tf.sum(known, 1), tf.maximum(tf.sum(isAsked, 1), 1)); // [B]
    // between two shifts a redshift counts for either by how near it is; of -1, an unknown one, nothing is left
    const at = tf.expandDims(batch[cellInputs(s).shift], 1); // [B, 1]
    const near = tf.relu(tf.sub(1, tf.abs(tf.sub(tf.expandDims(tf.range(0, shift.shape[1]), 0), at)))); // [B, Z]
    const located = tf.neg(tf.sum(tf.mul(logSoftmax(shift), near)));
    return tf.add(tf.sum(mean), tf.mul(located, LOCATED));
  });
  return tf.mul(tf.addN(terms), own.weight);
}
