/** Tables and prepared folders as catalogues of one vocabulary, whichever survey describes them. */
import { UserError } from "../errors.ts";
import type { BindOptions } from "./bind-fields.ts";
import type { Catalog } from "./catalog.ts";
import type { Field } from "./field.ts";
import { type Match, matchFields, matchLines } from "./match.ts";
import type { ApertureKind } from "./layout.ts";
import { type Manifest, manifestPath, readManifest, readPart } from "./prepared.ts";
import { type CatalogBatch, type CatalogOptions, gatherRows, outlineTable, readCatalog } from "./read.ts";
import type { ReadReport } from "./report.ts";
import { type SplitName, splitNames } from "./split.ts";
import type { Survey } from "./survey.ts";
import { createTranslator } from "./translate.ts";

/** How the tables of a network are read. */
export interface Reader {
  /** The catalogues have its fields. */
  readonly survey: Survey;
  /** What describes the tables, where that is another survey: its fields are matched to those of `survey`. */
  readonly own?: Survey | undefined;
  readonly options?: BindOptions | undefined;
}

/** What reading a table, or a prepared folder, will take from it. */
interface RowOutline {
  /** Undefined where the format does not say without reading to the end. */
  readonly rowCount: number | undefined;
  /** Places of its fields in the survey that describes it. */
  readonly there: readonly number[];
  /** Of what light its fluxes are; undefined where nothing says. */
  readonly aperture: ApertureKind | undefined;
  /** Pairs with the network's fields, where another survey describes it. */
  readonly match: Match | undefined;
  /** What was matched to what, for a person. */
  readonly lines: readonly string[];
}

/** What a folder was prepared with and the survey doesn't know. */
function strangersIn(path: string, { name, fields }: Survey): string[] {
  const manifest = readManifest(path);
  const strange = manifest?.fields.filter((each) => fields.every((field) => field.name !== each)) ?? [];
  if (manifest === undefined || strange.length === 0) return [];
  return [`no field of ${name}, left out: ${strange.join(", ")}; --survey ${manifest.survey} has them`];
}

const rowsOf = ({ parts }: Manifest): number => splitNames.reduce((sum, part) => sum + parts[part].rows, 0);

/** Fields of a table or a prepared folder. @throws UserError for one that can't be read by the survey. */
export async function fieldsIn(
  path: string,
  survey: Survey,
  options: BindOptions = {},
): Promise<Pick<RowOutline, "rowCount" | "there" | "aperture">> {
  const manifest = readManifest(path);
  if (manifest === undefined) {
    const { binding, rowCount, aperture } = await outlineTable(path, survey, options);
    return { rowCount, aperture, there: [...binding.fields, ...binding.spectra].map(({ field }) => field) };
  }
  const there = survey.fields.flatMap(({ name }, i) => (manifest.fields.includes(name) ? [i] : []));
  if (there.length > 0) return { rowCount: rowsOf(manifest), aperture: manifest.aperture, there };
  throw new UserError(
    `${manifestPath(path)}: prepared for ${manifest.survey}, none of whose fields is in ${survey.name}; ` +
      `expected --survey ${manifest.survey}`,
  );
}

const MOST_NAMED = 6;
const named = (names: readonly string[]): string =>
  `${names.slice(0, MOST_NAMED).join(", ")}${names.length > MOST_NAMED ? ", ..." : ""}`;

/** @throws UserError where nothing matches, or no band (or spectrum) of a table that has bands. */
function matchTable(path: string, own: Survey, known: Survey, there: readonly number[]): Match {
  const match = matchFields(own, known, (i) => there.includes(i));
  const isEvidence = ({ band, kind }: Field): boolean => band !== undefined || kind === "spectrum";
  const bands = there.filter((i) => isEvidence(own.fields[i]));
  const isAnswered = (some: readonly number[]): boolean => match.pairs.some((pair) => some.includes(pair.own));
  if (isAnswered(bands.length > 0 ? bands : there)) return match;
  const [what, some, others] =
    bands.length > 0 ? ["bands", bands, known.fields.filter(isEvidence)] : ["fields", there, known.fields];
  throw new UserError(
    `${path}: none of its ${what} (${named(some.map((i) => own.fields[i].name))}) is one of the network's ` +
      `(${named(others.map(({ name }) => name))}); "sameAs: <name>" in a row of ${own.path} would say which`,
  );
}

/**
 * Looks at a table or a prepared folder without reading rows.
 * @throws UserError for one that can't be read, or none of whose bands is the network's.
 */
export async function outlineRows(path: string, { survey, own, options = {} }: Reader): Promise<RowOutline> {
  const outline = await fieldsIn(path, own ?? survey, options);
  const { there } = outline;
  const strange = strangersIn(path, own ?? survey);
  if (own === undefined) return { ...outline, match: undefined, lines: strange };
  const match = matchTable(path, own, survey, there);
  return { ...outline, match, lines: [...strange, ...matchLines(own, survey, there, match)] };
}

interface RowOptions {
  /** Rows per batch at most. */
  readonly batchRows?: number;
  /** Of a prepared folder; default: all. */
  readonly parts?: readonly SplitName[];
  /** Columns of a table that come along as they are. */
  readonly keep?: CatalogOptions["keep"];
}

async function* readParts(
  folder: string,
  manifest: Manifest,
  survey: Survey,
  { parts = splitNames, batchRows }: RowOptions,
): AsyncGenerator<CatalogBatch, void, undefined> {
  for (const part of parts) yield* readPart(folder, manifest, survey, part, batchRows);
}

/**
 * Streams a table, or the shards of a prepared folder, in bounded memory as catalogues of the reader's survey.
 * @throws UserError as {@link outlineRows}, and for what is damaged.
 */
export async function* readRows(
  path: string,
  reader: Reader,
  wanted: RowOptions = {},
): AsyncGenerator<CatalogBatch, void, undefined> {
  const { survey, own, options = {} } = reader;
  const match = own === undefined ? undefined : (await outlineRows(path, reader)).match;
  const translate = own === undefined || match === undefined ? undefined : createTranslator(own, survey, match.pairs);
  const manifest = readManifest(path);
  const { batchRows, keep } = wanted;
  if (manifest !== undefined && keep !== undefined) {
    throw new UserError(`${path}: a prepared folder has no columns to keep, expected the table itself`);
  }
  const batches =
    manifest === undefined
      ? readCatalog(path, own ?? survey, {
          ...options,
          ...(batchRows === undefined ? {} : { batchRows }),
          ...(keep === undefined ? {} : { keep }),
        })
      : readParts(path, manifest, own ?? survey, wanted);
  for await (const batch of batches) yield translate === undefined ? batch : translate(batch);
}

/** A whole table, or prepared folder, as one catalogue; `report` is what was left out, as lines for a person. */
export async function readAllRows(
  path: string,
  reader: Reader,
): Promise<{ readonly catalog: Catalog; readonly report: readonly string[]; readonly counts: ReadReport }> {
  const { lines } = await outlineRows(path, reader);
  const { report, ...rest } = await gatherRows(path, readRows(path, reader));
  return { ...rest, report: [...lines, ...report] };
}
