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

const totalOf = (shares: KindShares): number => KIND_NAMES.reduce((sum, kind) => sum + shares[kind], 0);

export function drawKind(rng: Rng, shares: KindShares): Kind {
  let rest = rng.uniform() * totalOf(shares);
  for (const kind of KIND_NAMES) {
    rest -= shares[kind];
    if (rest < 0) return kind;
  }
  return "galaxy";
}

/** A kind of the wide population: half of the objects in the shares told, half the kinds alike; and what weighs it back. */
export function drawWideKind(rng: Rng, shares: KindShares): { readonly kind: Kind; readonly weight: number } {
  const present = KIND_NAMES.filter((kind) => shares[kind] > 0);
  const equal = totalOf(shares) / present.length;
  const kind = rng.uniform() < 0.5 ? drawKind(rng, shares) : present[rng.integer(present.length)];
  return { kind, weight: (2 * shares[kind]) / (shares[kind] + equal) };
}
