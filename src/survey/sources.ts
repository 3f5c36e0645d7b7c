/** Who measured the labels: what tables say of it, and what is said where several did. */

/** Metadata key of Caleido's own tables: `simulation`, or `LOGM=MPA-JHU; z=SDSS` where properties differ. */
export const SOURCES = "labels";

/** Sources as a table's metadata have them. */
export function formatSources(sources: Readonly<Record<string, string>>): string {
  const each = Object.entries(sources);
  const [first, ...rest] = new Set(each.map(([, source]) => source));
  if (first === undefined || rest.length === 0) return first ?? "";
  return each.map(([field, source]) => `${field}=${source}`).join("; ");
}

/** The source of a property; undefined where the text does not say. */
export function parseSources(text: string): (field: string) => string | undefined {
  const parts = text.split(";").map((part) => part.trim());
  if (!text.includes("=")) return () => (parts[0] === "" ? undefined : parts[0]);
  const said = new Map(parts.map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]));
  return (field) => said.get(field);
}

/** By property, all sources that tables have it of. */
export function sourcesIn(tables: readonly Readonly<Record<string, string>>[]): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const labels of tables) {
    for (const [field, source] of Object.entries(labels)) {
      const known = all.get(field) ?? [];
      if (!known.includes(source)) all.set(field, [...known, source]);
    }
  }
  return all;
}

/** A line for every property that several sources measured: their conventions differ, and a network learns the mean. */
export function mixedLines(sources: ReadonlyMap<string, readonly string[]>): string[] {
  return [...sources].flatMap(([field, names]) =>
    names.length < 2
      ? []
      : [`${field} is of ${names.length} sources, whose conventions may differ: ${names.join(", ")}`],
  );
}
