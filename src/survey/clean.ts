/** Simulated fluxes without noise, `true_<BAND>`: whether a table has them, and what it says of them. */
import type { BindOptions } from "./bind-fields.ts";
import { cleanLayout, namesFor } from "./layout.ts";
import type { Made } from "./made.ts";
import { readManifest } from "./prepared.ts";
import { openFor, outlineTable } from "./read.ts";
import type { Survey } from "./survey.ts";

/** Whether fluxes without noise are among the columns of a table. */
function isAmong(columns: readonly string[], { fields }: Survey): boolean {
  const names = new Set(columns);
  const values = cleanLayout.bands.map(({ value }) => value);
  return fields.some(
    ({ band, name }) =>
      band !== undefined && values.some((value) => namesFor(value, name).some((one) => names.has(one))),
  );
}

/** Whether a table has fluxes without noise, perhaps beside others. */
export async function hasClean(path: string, survey: Survey): Promise<boolean> {
  const source = await openFor(path, survey);
  await source.close();
  return isAmong(
    source.schema.map(({ name }) => name),
    survey,
  );
}

/** Fluxes without noise in a table, or in a prepared folder. */
export interface CleanOutline {
  /** All that are read are such; `isBeside`: they are there, but others are read. */
  readonly isClean: boolean;
  readonly isBeside: boolean;
  /** What the tables say of them. */
  readonly made: readonly Made[];
}

/** Looks for fluxes without noise, without reading rows. @throws UserError as `outlineTable`. */
export async function outlineClean(path: string, survey: Survey, reading: BindOptions = {}): Promise<CleanOutline> {
  const manifest = readManifest(path);
  if (manifest !== undefined) {
    const isClean = manifest.sources.some(({ layout }) => layout === cleanLayout.name);
    return { isClean, isBeside: false, made: manifest.sources.map(({ made }) => made) };
  }
  const { binding, made } = await outlineTable(path, survey, reading);
  const isClean = binding.layout.name === cleanLayout.name;
  const isBeside = !isClean && isAmong([...binding.unused, ...binding.ignored], survey);
  return { isClean, isBeside, made: [made] };
}
