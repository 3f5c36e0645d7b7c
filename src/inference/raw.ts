import type { Distribution } from "../model/distribution.ts";
import { headOf } from "../model/heads.ts";
import type { Family } from "../model/readouts.ts";

/** The distributions that a family's raw numbers [rowCount, width] stand for, in encoded space. */
export function readRaw({ spec }: Family, raw: Float32Array): Distribution {
  const head = headOf(spec);
  return head.read(raw, raw.length / head.width(spec), spec);
}
