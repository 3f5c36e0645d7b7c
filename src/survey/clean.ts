/** Simulated fluxes without noise, `true_<BAND>`: whether a table has them, and what it says of them. */
import type { BindOptions } from "./bind-fields.ts";
import { cleanLayout, namesFor } from "./layout.ts";
import type { Made } from "./made.ts";
import { readManifest } from "./prepared.ts";
import { openFor, outlineTable } from "./read.ts";
import type { Survey } from "./survey.ts";

/** Whether a table has fluxes without noise, perhaps beside others: of the survey's bands, or all of foreign ones. */
export async function cleanFluxes(path: string, survey: Survey): Promise<"own" | "foreign" | undefined> {
  const source = await openFor(path, survey);
  const names = source.schema.map(({ name }) => name);
  await source.close();
  const values = cleanLayout.bands.map(({ value }) => value);
  const isNamed = (field: string): boolean =>
    values.some((value) => namesFor(value, field).some((one) => names.includes(one)));
  if (survey.fields.some(({ band, name }) => band !== undefined && isNamed(name))) return "own";
  const prefixes = values.flatMap((value) => namesFor(value, ""));
  return names.some((name) => prefixes.some((prefix) => name.startsWith(prefix))) ? "foreign" : undefined;
}

/** What is said of the fluxes that are read of a table, or of a prepared folder's tables; undefined where they have noise. */
export async function cleanSources(
  path: string,
  survey: Survey,
  reading: BindOptions = {},
): Promise<readonly Made[] | undefined> {
  const manifest = readManifest(path);
  if (manifest !== undefined) {
    const isClean = manifest.sources.some(({ layout }) => layout === cleanLayout.name);
    return isClean ? manifest.sources.map(({ made }) => made) : undefined;
  }
  const { binding, made } = await outlineTable(path, survey, reading);
  return binding.layout.name === cleanLayout.name ? [made] : undefined;
}
