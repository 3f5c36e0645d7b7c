/** What can stand in a survey file, made from its schema: a JSON Schema for editors, and a page for people. */
import { z } from "zod";
import { heirSchema, surveySchema } from "./survey-schema.ts";

/** The parts of a JSON Schema that ours consist of. */
interface Node {
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly prefixItems?: readonly Node[];
  readonly additionalProperties?: Node | boolean;
  readonly anyOf?: readonly Node[];
}

/** What a file needs that extends no other. */
const requiredOf = (schema: z.ZodType): readonly string[] =>
  (z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Node).required ?? [];

/**
 * JSON Schema (draft 2020-12) of survey files, as editors check and complete YAML by: that of a file which extends
 * others, and what one needs besides that extends none.
 */
export function surveyJsonSchema(): Record<string, unknown> {
  const heir = z.toJSONSchema(heirSchema, { io: "input", unrepresentable: "any" });
  const rows = ["bands", "properties"] as const;
  const spectrum = surveySchema.shape.spectra.unwrap().element;
  const elements = [
    ...rows.map((list) => [list, surveySchema.shape[list].element] as const),
    ["spectra", spectrum] as const,
  ];
  const required = Object.fromEntries(
    elements.map(([list, element]) => [list, { items: { required: requiredOf(element) } }]),
  );
  return {
    ...heir,
    title: "Caleido survey",
    if: { not: { required: ["extends"] } },
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    then: { required: requiredOf(surveySchema), properties: required },
  };
}

/** A type in a few words: `number`, `list of text`, `absolute, relative or ivar`. */
function typeOf(node: Node): string {
  if (node.enum) return node.enum.map(String).join(", ");
  if (node.anyOf) return [...new Set(node.anyOf.map(typeOf))].join(" or ");
  if (node.prefixItems) return `[${node.prefixItems.map(typeOf).join(", ")}]`;
  if (node.items) return `list of ${typeOf(node.items)}`;
  if (typeof node.additionalProperties === "object") return `{ name: ${typeOf(node.additionalProperties)} }`;
  if (node.properties) return "keys below";
  return { string: "text", integer: "whole number", boolean: "true, false" }[node.type ?? ""] ?? node.type ?? "any";
}

/** The objects of keys within a node, and how they are got to: `[]` for an element of a list, `.NAME` for any key. */
function objectsIn(node: Node, path: string): { readonly path: string; readonly node: Node }[] {
  if (node.properties) return [{ path, node }];
  const list = node.items ? objectsIn(node.items, `${path}[]`) : [];
  const record =
    typeof node.additionalProperties === "object" ? objectsIn(node.additionalProperties, `${path}.NAME`) : [];
  return [...(node.anyOf ?? []).flatMap((one) => objectsIn(one, path)), ...list, ...record];
}

const cell = (text: string): string => text.replaceAll("|", String.raw`\|`).replaceAll(/\s+/g, " ");

/** A section for an object of keys and each of those within it; one that was told already is not told again. */
function sections(node: Node, path: string, told: Map<string, string>): string[] {
  const known = told.get(JSON.stringify(node.properties));
  if (known !== undefined) return path === known || path === `${known}[]` ? [] : [`\n## ${path}\n\nAs ${known}.`];
  told.set(JSON.stringify(node.properties), path);
  const keys = Object.entries(node.properties ?? {});
  const rows = keys.map(([key, one]) => {
    const isNeeded = node.required?.includes(key) === true && one.default === undefined;
    const standard = one.default === undefined ? "" : `; default ${JSON.stringify(one.default)}`;
    return `| \`${key}\`${isNeeded ? " (needed)" : ""} | ${cell(one.description ?? "")} | ${cell(typeOf(one) + standard)} |`;
  });
  const own = [
    `\n## ${path === "" ? "A survey file" : path}\n`,
    "| key | what it says | type |",
    "|---|---|---|",
    ...rows,
  ];
  const inner = keys.flatMap(([key, one]) => objectsIn(one, path === "" ? key : `${path}.${key}`));
  return [...own, ...inner.flatMap((object) => sections(object.node, object.path, told))];
}

const INTRODUCTION = `# Survey files

A survey is a YAML file: its bands, its properties, and layouts that say how tables name and write them. \`caleido datasets\`
lists those that come with the package, \`caleido datasets NAME\` shows one, \`caleido datasets --new table.fits > mine.yaml\`
drafts one from a table. This page is made from the schema (\`caleido datasets --grammar\`), as is
\`datasets/survey.schema.json\`, by which editors check and complete these files where they begin with
\`# yaml-language-server: $schema=\` and its place.

\`\`\`yaml
name: mine
title: miniJPAS with 2MASS, my own columns
extends: [minijpas, infrared]   # all their bands, properties and layouts ...
omit: [uv]                      # ... but these
bands:
  - { name: J0378, depth: [22.9] } # what differs of an inherited band
properties:
  - { name: SERSIC, kind: linear, description: "Sersic index", range: [0.1, 10] } # a new one
layouts:
  - name: mine
    title: my table
    objectId: "{ID}"
    bands:
      - { only: [narrow], value: "flux_{FIELD}", error: "fluxerr_{FIELD}", unit: 1e-17 erg/s/cm2/A }
      - { only: [infrared], value: "{FIELD}mag", error: "e_{FIELD}mag", aliases: { Ks: K }, unit: mag(Vega), floor: 0.02 }
    properties:
      z: { value: [z_spec, Z_BEST] }
      LOGM: { value: mstar, unit: Msun, transform: log10 }
    extinction: { column: EBV, scale: 0.86 }
    magic: [-99]
\`\`\`

**Columns.** \`{FIELD}\` stands for the band's name, or for its alias. A list of columns is whichever of them the table has. Case
matters only where it tells two columns apart. Of several layouts that fit a table the one is taken with most bands, then most
errors and flags; a survey's own before an inherited one; \`--layout\` chooses.

**Units** are the user's (\`--unit\`), else the file's, else the layout's; a column without any is an error. \`mag\` names no system and is
read in the layout's. Asinh magnitudes (\`asinh mag\`) become fluxes by f = 2 b f0 sinh(-0.4 ln(10) m - ln b) and keep negative ones.

**Extinction.** Where a layout has \`extinction\`, or the user gives \`--extinction\`, fluxes and errors are divided by the transmission of the
Milky Way's dust, through each band. A property named \`EBV\` is the E(B-V) that fluxes *still suffer from*: that of the table where nothing
is corrected, and not observed where reading corrects, so that what a network learns of it is never the dust of other fluxes. It is not set to
0 there: networks that were trained on dusty galaxies alone have met no such value. Fluxes that
are corrected in the file already are read without \`extinction\`, and \`EBV\` is then best left out (\`omit: [EBV]\`).

**Spectra.** A row of \`spectra\` says on which pixels a network reads a spectrum: even in the logarithm of the wavelength, in vacuum. Columns
\`NAME\` and \`NAME_ivar\` are vectors on these pixels, or at the wavelengths of \`NAME_wavelength\`; columns FLUX, IVAR and WAVE (or LOGLAM), of
equal or unequal length, need no layout where the file says air or vacuum (AIRORVAC) or \`--wavelengths\` does; \`spectra\` of a layout describes others:

\`\`\`yaml
spectra:
  - { name: spectrum, description: my spectrograph, unit: 1e-17 erg/s/cm2/A, grid: { from: 3700, to: 9200, pixels: 4096 } }
layouts:
  - name: mine
    title: my spectra
    objectId: "{ID}"
    spectra:
      spectrum: { value: flux, error: err, errorKind: absolute, wavelength: lambda, wavelengthUnit: nm, medium: air, unit: 1e-17 erg/s/cm2/A }
\`\`\`

SDSS \`spec-*.fits\`, DESI coadds and FITS spectra of one dimension, folders of them and patterns in quotes, are read as tables where a survey has a
spectrum: as its first. Spectra at other wavelengths are put on the grid so that the integral of the flux stays. Pixels without a finite flux or a
positive weight are not observed; nor is a spectrum without any pixel on the grid, which is counted. Flags of rows are not about spectra.

**Error floors** (\`floor\`, \`--error-floor\`) are fractions of the flux, added in quadrature; upper limits have none.`;

/** The page on survey files, as Markdown. */
export function surveyGrammar(): string {
  const root = z.toJSONSchema(surveySchema, { io: "input", unrepresentable: "any" }) as Node;
  return `${[INTRODUCTION, ...sections(root, "", new Map())].join("\n")}\n`;
}
