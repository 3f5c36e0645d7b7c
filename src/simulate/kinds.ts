import { z } from "zod";
import { UserError } from "../errors.ts";
import type { Rng } from "../random.ts";

/** Kinds of object, as the classes of the category `CLASS` are called. */
export const KIND_NAMES = ["galaxy", "star", "quasar"] as const;
export type Kind = (typeof KIND_NAMES)[number];

const share = (what: string) => z.number().nonnegative().default(0).describe(what);

/** How many of each kind, relative to each other; none given: galaxies alone, whose class is then not told. */
export const kindShares = z
  .strictObject({
    galaxy: share("galaxies"),
    star: share("stars: two discs and the halo at Galactic latitude 60 degrees"),
    quasar: share("quasars and broad-line nuclei, z 0.1 - 5"),
  } satisfies Record<Kind, unknown>)
  .refine((shares) => KIND_NAMES.some((kind) => shares[kind] > 0), "expected a share above 0");
export type KindShares = z.output<typeof kindShares>;

/** @throws UserError for a text that is not `galaxy=1,star=0.3,quasar=0.05`. */
export function parseKinds(text: string): Partial<Record<Kind, number>> {
  const shares: Partial<Record<Kind, number>> = {};
  for (const part of text.split(",")) {
    const [name = "", value = ""] = part.split("=").map((one) => one.trim());
    const kind = KIND_NAMES.find((one) => one === name);
    if (kind === undefined || value === "" || !(Number(value) >= 0)) {
      throw new UserError(`--kinds ${text}: expected shares such as galaxy=1,star=0.3,quasar=0.05`);
    }
    shares[kind] = Number(value);
  }
  return shares;
}

export function drawKind(rng: Rng, shares: KindShares): Kind {
  const total = KIND_NAMES.reduce((sum, kind) => sum + shares[kind], 0);
  let rest = rng.uniform() * total;
  for (const kind of KIND_NAMES) {
    rest -= shares[kind];
    if (rest < 0) return kind;
  }
  return "galaxy";
}
