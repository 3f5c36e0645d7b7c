/** Simulated fluxes without noise, `true_<BAND>`: whether a table has them, and what it says of them. */
import type { BindOptions } from "./bind-fields.ts";
import { cleanLayout, namesFor } from "./layout.ts";
import type { Made } from "./made.ts";
import { readManifest } from "./prepared.ts";
import { openFor, outlineTable } from "./read.ts";
import type { Survey } from "./survey.ts";

/** Whether fluxes without noise are among columns: of the survey's bands, or all of foreign ones. */
function cleanAmong(columns: readonly string[], { fields }: Survey): "own" | "foreign" | undefined {
  const names = new Set(columns);
  const values = cleanLayout.bands.map(({ value }) => value);
  const isNamed = (field: string): boolean =>
    values.some((value) => namesFor(value, field).some((one) => names.has(one)));
  if (fields.some(({ band, kind, name }) => (band !== undefined || kind === "spectrum") && isNamed(name))) return "own";
  const prefixes = values.flatMap((value) => namesFor(value, ""));
  return columns.some((name) => prefixes.some((prefix) => name.startsWith(prefix))) ? "foreign" : undefined;
}

/** Whether a table has fluxes without noise, perhaps beside others: of the survey's bands, or all of foreign ones. */
export async function cleanFluxes(path: string, survey: Survey): Promise<"own" | "foreign" | undefined> {
  const source = await openFor(path, survey);
  await source.close();
  const names = source.schema.map(({ name }) => name);
  return cleanAmong(names, survey);
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
  const isBeside = !isClean && cleanAmong([...binding.unused, ...binding.ignored], survey) === "own";
  return { isClean, isBeside, made: [made] };
}
