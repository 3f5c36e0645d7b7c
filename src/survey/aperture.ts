import { UserError } from "../errors.ts";
import { readManifest } from "./prepared.ts";
import type { BindOptions } from "./bind-fields.ts";
import type { ApertureKind } from "./layout.ts";
import { outlineTable } from "./read.ts";
import type { Survey } from "./survey.ts";

/** Of what light the fluxes of a table, or of a prepared folder, are; undefined where nothing says. */
export async function apertureOf(
  path: string,
  survey: Survey,
  reading: BindOptions = {},
): Promise<ApertureKind | undefined> {
  const manifest = readManifest(path);
  return (manifest ?? (await outlineTable(path, survey, reading))).aperture;
}

/**
 * `whose`: what says what is expected, e.g. "as the network was trained on".
 * @throws UserError for fluxes of other light than those of `tables`, where both are known.
 */
export function checkAperture(
  asked: ApertureKind | undefined,
  tables: readonly { readonly aperture?: ApertureKind | undefined }[],
  path: string,
  whose = "as the network was trained on",
): void {
  const known = tables.flatMap(({ aperture }) => aperture ?? []);
  if (asked === undefined || known.length < tables.length || known.length === 0 || known.includes(asked)) return;
  throw new UserError(
    `${path}: ${asked} fluxes, expected ${[...new Set(known)].join(" or ")} ones ${whose}; ` +
      `--any-aperture asks all the same`,
  );
}
