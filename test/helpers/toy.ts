import { createRng } from "../../src/random.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { type Field, type ScalarKind, State } from "../../src/survey/field.ts";
import { type Survey, surveyOf } from "../../src/survey/survey.ts";
import { surveySchema } from "../../src/survey/survey-schema.ts";
import { catalogStore, labelledRows, type RowSource } from "../../src/tokens/batch.ts";

const DEPTH = 23;

function band(id: number, name: string, group: string, pivot: number): Field {
  return {
    id,
    name,
    kind: "flux",
    unit: "1e-19 erg/s/cm2/A",
    description: name,
    range: [-1e9, 1e9],
    band: {
      group,
      pivot,
      edges: [pivot - 70, pivot + 70],
      rise: [20, 20],
      depth: [DEPTH - 0.2, DEPTH, DEPTH + 0.2],
      zeroPointError: [0.02],
    },
  };
}

function property(id: number, name: string, kind: ScalarKind, unit: string, range: readonly [number, number]): Field {
  return { id, name, kind, unit, description: name, range };
}

/** Six bands of three groups, out of order in wavelength, and a property of every kind. */
export const toyFields: readonly Field[] = [
  band(0, "N1", "narrow", 4000),
  band(1, "N2", "narrow", 4100),
  band(2, "N3", "narrow", 6000),
  band(3, "G", "broad", 4750),
  band(4, "R", "broad", 6300),
  band(5, "UV", "uv", 2300),
  property(6, "z", "redshift", "", [0, 5]),
  property(7, "MASS", "log", "dex", [5, 13]),
  property(8, "DUST", "linear", "mag", [0, 5]),
  property(9, "LINE", "ew", "Angstrom", [-100, 3000]),
];
export const toyBands = 6;

/** Galaxies with every state among their bands and with missing labels: nothing of physics, everything of shape. */
export function toyCatalog(rowCount: number, seed = "toy"): Catalog {
  const rng = createRng(seed);
  const n = toyFields.length;
  const value = new Float32Array(rowCount * n);
  const error = new Float32Array(rowCount * n);
  const state = new Uint8Array(rowCount * n);
  for (let row = 0; row < rowCount; row++) {
    const bright = Math.exp(4 + rng.normal());
    const slope = rng.normal();
    const hidden = [0.3 * Math.exp(0.5 * rng.normal()), 10 + slope, Math.abs(slope), 20 * Math.exp(rng.normal())];
    toyFields.forEach(({ band }, j) => {
      const at = row * n + j;
      const u = rng.uniform();
      if (band === undefined) {
        value[at] = hidden[j - toyBands];
        error[at] = u < 0.3 ? 0 : 0.05;
        state[at] = u < 0.8 ? State.measured : State.notObserved;
        return;
      }
      error[at] = 5 + 0.02 * bright;
      value[at] = bright * (band.pivot / 5000) ** slope + error[at] * rng.normal();
      state[at] =
        u < 0.8 ? State.measured : u < 0.87 ? State.upperLimit : u < 0.94 ? State.nonDetection : State.notObserved;
    });
    for (let j = 0; j < n; j++)
      if (state[row * n + j] === State.notObserved) value[row * n + j] = error[row * n + j] = 0;
  }
  const objectId = Array.from({ length: rowCount }, (_, i) => `t${i}`);
  return { fields: toyFields, rowCount, objectId, parentId: objectId, value, error, state };
}

/** The whole catalogue as a source of training rows. */
export function sourceOf(catalog: Catalog, changes: Partial<RowSource> = {}): RowSource {
  const rows = changes.rows ?? allRows(catalog);
  const labelled = labelledRows(catalog, rows);
  return { store: catalogStore(catalog), rows, labelled, weight: 1, isCalibrated: false, ...changes };
}

/** A survey of nothing but these fields. */
export function surveyOfFields(fields: readonly Field[], name = "toy"): Survey {
  const first = fields.find((field) => field.band !== undefined);
  const file = {
    name,
    title: name,
    fluxUnit: first?.unit ?? "uJy",
    fluxRange: first?.range ?? [-1e9, 1e9],
    tiles: ["a", "b", "c"],
    zeroPointError: 0.02,
    bands: fields.flatMap(({ id, name: own, band: row }) => (row === undefined ? [] : [{ id, name: own, ...row }])),
    spectra: fields.flatMap((field) => {
      if (field.kind !== "spectrum") return [];
      const { id, name: own, unit, description, grid } = field;
      return [{ id, name: own, unit, description, grid }];
    }),
    properties: fields.flatMap((field) => {
      if (field.band !== undefined || field.kind === "spectrum") return [];
      const { id, name: own, kind, unit, description, range } = field;
      return [
        {
          id,
          name: own,
          kind,
          description,
          ...(field.kind === "category" ? { classes: field.classes } : { unit, range }),
        },
      ];
    }),
  };
  return surveyOf(surveySchema.parse(file), name);
}

/** Largest difference relative to the largest element of `b`. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < b.length; i++) {
    scale = Math.max(scale, Math.abs(b[i]));
    worst = Math.max(worst, Number.isFinite(a[i]) ? Math.abs(a[i] - b[i]) : Infinity);
  }
  return worst / scale;
}
