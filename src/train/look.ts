/** What a network makes of rows, all of their bands given. */
import type { Arrays, Engine } from "../engine/contract.ts";
import { headOf } from "../model/heads.ts";
import { readoutsOf } from "../model/transformer.ts";
import { createRng } from "../random.ts";
import { emptyArrays, type RowSource } from "../tokens/batch.ts";
import { contextSignature, fillContext } from "../tokens/hosts.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { compileAnswers } from "./compiled-answers.ts";
import { coderOf } from "./config.ts";

/** Galaxies per run of the network. */
const BATCH = 128;

/** Numbers of each row. */
export interface Features {
  /** [rows, count] */
  readonly values: Float64Array;
  readonly count: number;
}

/**
 * What says of which population galaxies are: their brightness, and what is expected of the property in column `column` - its mean in
 * encoded space, of a class the probability of each but the first. An observation of each row, from the stream `seed`.
 */
export async function populationFeatures(
  engine: Engine,
  network: Checkpoint,
  { store, rows, isCalibrated }: Pick<RowSource, "store" | "rows" | "isCalibrated">,
  column: number,
  seed: string,
): Promise<Features> {
  const coder = coderOf(network.config, network.templates);
  const readout = readoutsOf(network.config.model, coder)
    .flatMap((family) => family.readouts)
    .find(({ members }) => members.includes(column))!;
  const field = coder.fields[column];
  const classes = field.kind === "category" ? field.classes.length : 0;
  const count = classes === 0 ? 2 : classes;
  const isContext = Uint8Array.from(coder.fields, ({ band }) => Number(band !== undefined));
  const values = new Float64Array(rows.length * count);
  const compiled = await compileAnswers(engine, network, coder, [readout], BATCH);
  const place = readout.members.indexOf(column);
  const take = (out: Arrays, start: number, many: number): void => {
    const raw = out[readout.name].data as Float32Array;
    const answers = headOf(readout.spec).read(raw, BATCH * readout.members.length, readout.spec);
    for (let b = 0; b < many; b++) {
      const at = b * readout.members.length + place;
      const into = (start + b) * count + 1;
      if (classes === 0) values[into] = answers.moments(at).mean;
      for (let k = 1; k < classes; k++) values[into + k - 1] = Math.exp(answers.logDensity(at, k));
    }
  };
  try {
    for (let start = 0; start < rows.length; start += BATCH) {
      const arrays = emptyArrays(contextSignature(BATCH, coder));
      const many = Math.min(BATCH, rows.length - start);
      for (let b = 0; b < many; b++) {
        const found = store.at(rows[start + b], createRng(`${seed}:${start + b}`));
        const scale = fillContext(arrays, b, coder, { catalog: found.catalog, row: found.row, isContext });
        values[(start + b) * count] = coder.encodeScale(scale);
        arrays.isCalibrated.data[b] = isCalibrated ? 1 : 0;
      }
      take(await compiled.run(arrays), start, many);
    }
  } finally {
    await compiled.dispose();
  }
  return { values, count };
}
