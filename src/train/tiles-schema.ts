/** What a checkpoint keeps of single tiles' zero-points: `tiles.json`. */
import { z } from "zod";

/** The form of `tiles.json` of a checkpoint. */
export const tileOffsetsSchema = z.array(
  z.strictObject({
    tile: z.string().min(1),
    /** [band] ln of what the tile's fluxes are to be multiplied by, besides what all rows' are. */
    lnFlux: z.array(z.number()),
    /** [band] Its 1 sigma error. */
    error: z.array(z.number().min(0)),
    /** Rows that it rests on. */
    rows: z.int().min(0),
  }),
);

/** What tiles differ by. */
export type TileOffsets = z.output<typeof tileOffsetsSchema>;
