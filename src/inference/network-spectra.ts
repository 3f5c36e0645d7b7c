import { constantsOf } from "../model/parameters.ts";
import { cellSpec, decoderOf, decodeSpectrum } from "../model/spectrum-decoder.ts";
import type { Distribution } from "../model/distribution.ts";
import { heads } from "../model/heads.ts";
import { withoutLags } from "../model/lags.ts";
import type { SpectrumField } from "../survey/field.ts";
import { coarseCells } from "../survey/vocabulary.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { NetworkCoder } from "../train/config.ts";
import type { States } from "./network.ts";
import { batchOf, type Graphs, inBatches } from "./network-graphs.ts";

/** What is said of one spectrum of some galaxies. */
export interface RawSpectra {
  readonly cells: number;
  /** [rowCount * cells] Encoded cells, as `cellCode` of `tokens/cells.ts` says. */
  readonly encoded: Distribution;
}

/** What decoding takes of a network. */
interface Decoding {
  readonly checkpoint: Checkpoint;
  readonly coder: NetworkCoder;
  readonly size: number;
  readonly graphs: Graphs;
}

/** What a network says of the spectra in column `j`, for all states. @throws Error where it answers none. */
export async function decodeStates(
  { checkpoint, coder, size, graphs }: Decoding,
  { rowCount, state }: States,
  j: number,
): Promise<RawSpectra> {
  const { config, layout, state: weights } = checkpoint;
  const own = decoderOf(config.model, coder);
  if (own === undefined) throw new Error(`${coder.fields[j].name}: the network has no decoder of spectra`);
  const s = coder.groups.spectrum.indexOf(j);
  const cells = coarseCells(own.cells, (coder.fields[j] as SpectrumField).grid.pixels);
  const numbers = cells * heads.mixture.width(cellSpec(own));
  const batch = batchOf(rowCount);
  const signature = { state: { dtype: "float32", shape: [batch, size] } } as const;
  const compiled = await graphs.get(
    `${coder.fields[j].name} of ${batch} galaxies`,
    (inputs) => {
      const params = constantsOf(weights.average, layout);
      const given = withoutLags(coder, inputs.state as Parameters<typeof withoutLags>[1]);
      return { raw: decodeSpectrum(config.model, coder, params, given, s).raw };
    },
    signature,
  );
  const raw = new Float32Array(rowCount * numbers);
  await inBatches(rowCount, batch, signature, compiled, {
    fill: (arrays, start, rows) =>
      (arrays.state.data as Float32Array).set(state.subarray(start * size, (start + rows) * size)),
    take: (out, start, rows) => raw.set((out.raw.data as Float32Array).subarray(0, rows * numbers), start * numbers),
  });
  return { cells, encoded: heads.mixture.read(raw, rowCount * cells, cellSpec(own)) };
}
