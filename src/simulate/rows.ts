import type { Column, Table } from "../io/table.ts";
import type { Survey } from "../survey/survey.ts";
import { apertureKind } from "./aperture.ts";
import { isTaken } from "./clean-spectrum.ts";
import { MECHANISMS } from "./missing.ts";
import { filtersName } from "./observation.ts";
import type { Observer, Observation } from "./observer.ts";
import type { SpectrumPair } from "./spectrum-observer.ts";

/** Rows of a simulated table, before they become columns. */
export interface Row {
  readonly objectId: string;
  readonly parentId: string;
  /** Either every row of a table has one, or none. */
  readonly observation?: Observation;
  /** Total fluxes without noise, where they are wanted. [nBand] */
  readonly clean?: Float64Array;
  /** Observed spectra of the survey's fields, and those without noise, where they are wanted. [nSpectrum] */
  readonly spectra?: readonly SpectrumPair[];
  readonly cleanSpectra?: readonly Float32Array[];
  /** In the order of the label names; NaN = unknown. */
  readonly labels: readonly number[];
  /** How many of nature's galaxies it stands for, relative to the others; undefined where all are nature's. */
  readonly weight?: number | undefined;
  /** Its class; empty or absent = not told. */
  readonly category?: string;
}

const textColumn = (name: string, data: string[]): Column => ({ name, type: "string", width: 1, data });

function floatColumn(name: string, data: Float32Array, unit: string, description: string): Column {
  const known = { ...(unit === "" ? {} : { unit }), ...(description === "" ? {} : { description }) };
  return { name, type: "float32", width: 1, data, ...known };
}

const countColumn = (name: string, data: Uint8Array, description: string): Column => ({
  name,
  type: "uint8",
  width: 1,
  data,
  description,
});

/** Columns of what was observed: fluxes, errors and states of each band. */
function bandColumns(observations: readonly Observation[], { bands }: Observer, survey: Survey): Column[] {
  return bands.flatMap(({ name, hasState }, j) => {
    const about = survey.fields.find((field) => field.name === name)?.description ?? "";
    const of = (pick: (one: Observation) => Float32Array): Float32Array =>
      Float32Array.from(observations, (one) => pick(one)[j]);
    const [flux, error] = [of((one) => one.flux), of((one) => one.error)];
    const state = Uint8Array.from(observations, (one) => one.state[j]);
    const states = "0 not observed, 1 measured, 2 upper limit, 3 not detected, with its flux";
    return [
      floatColumn(name, flux, survey.fluxUnit, about),
      floatColumn(`${name}_err`, error, survey.fluxUnit, `1 sigma: ${about}`),
      ...(hasState ? [countColumn(`${name}_state`, state, states)] : []),
    ];
  });
}

/** Columns of spectra: a vector of pixels a row. */
function spectrumColumns(rows: readonly Row[], { fields }: Survey): Column[] {
  return fields.filter(isTaken).flatMap((field, s): Column[] => {
    const vector = (name: string, unit: string, description: string, of: (row: Row) => Float32Array | undefined) => {
      const width = field.grid.pixels;
      const data = new Float32Array(rows.length * width).fill(Number.NaN);
      rows.forEach((row, i) => data.set(of(row) ?? [], i * width));
      return { name, type: "float32" as const, width, data, unit, description };
    };
    const { name, unit, description } = field;
    return [
      ...(rows.some(({ spectra }) => spectra?.[s] !== undefined)
        ? [
            vector(name, unit, description, ({ spectra }) => spectra?.[s].value),
            vector(
              `${name}_ivar`,
              `(${unit})-2`,
              `inverse variance, 0 = not observed: ${description}`,
              (row) => row.spectra?.[s].ivar,
            ),
          ]
        : []),
      ...(rows.some(({ cleanSpectra }) => cleanSpectra?.[s] !== undefined)
        ? [vector(`true_${name}`, unit, `without noise: ${description}`, ({ cleanSpectra }) => cleanSpectra?.[s])]
        : []),
    ];
  });
}

/** E(B-V) in front, where the survey has it as a field. */
function dustColumns(observations: readonly Observation[], { fields }: Survey): Column[] {
  const field = fields.find(({ name }) => name === "EBV");
  if (field === undefined || observations.length === 0) return [];
  const [ebv, error] = [(one: Observation) => one.ebv, (one: Observation) => one.ebvError].map((of) =>
    Float32Array.from(observations, of),
  );
  return [
    floatColumn("EBV", ebv, field.unit, field.description),
    floatColumn("EBV_err", error, field.unit, `1 sigma: ${field.description}`),
  ];
}

/** How many bands of a row each mechanism cost. */
function lossColumns(observations: readonly Observation[]): Column[] {
  if (observations.length === 0) return [];
  return MECHANISMS.map(([mechanism, meaning], m) => {
    const data = Uint8Array.from(observations, ({ cause }) => cause.reduce((n, one) => n + Number(one === m + 1), 0));
    return countColumn(`missing_${mechanism}`, data, `bands of the row without flux: ${meaning}`);
  });
}

/**
 * Columns as the public tables have them: object_id, parent_id, tile, `<BAND>`, `<BAND>_err`, `<BAND>_state` for bands
 * with detections and non-detections, `true_<BAND>` where fluxes without noise are wanted, the labels, `prior_weight` of a
 * wide population, CLASS, and how many bands of the row each mechanism cost: `missing_edge`, ... What is missing is NaN.
 * `metadata.aperture` says of what light the fluxes are, where it was the whole galaxy's (`isWhole`) that was observed.
 */
export function tableOf(
  rows: readonly Row[],
  observer: Observer,
  survey: Survey,
  labelNames: readonly string[],
  isWhole = true,
): Table {
  const columns = [
    textColumn(
      "object_id",
      rows.map((row) => row.objectId),
    ),
    textColumn(
      "parent_id",
      rows.map((row) => row.parentId),
    ),
  ];
  const observations = rows.flatMap(({ observation }) => observation ?? []);
  const cleans = rows.flatMap(({ clean }) => (clean === undefined ? [] : [clean]));
  if (observations.length > 0) {
    columns.push(
      textColumn(
        "tile",
        observations.map(({ tile }) => tile),
      ),
      ...bandColumns(observations, observer, survey),
    );
  }
  if (cleans.length > 0) {
    observer.bands.forEach(({ name }, j) => {
      const data = Float32Array.from(cleans, (fluxes) => fluxes[j]);
      columns.push(floatColumn(`true_${name}`, data, survey.fluxUnit, `${name}: total flux without noise`));
    });
  }
  if (!labelNames.includes("EBV")) columns.push(...dustColumns(observations, survey));
  labelNames.forEach((name, j) => {
    const field = survey.fields.find((one) => one.name === name.replace(/_err$/, ""));
    const about = field?.description ?? "";
    const data = Float32Array.from(rows, (row) => row.labels[j]);
    columns.push(floatColumn(name, data, field?.unit ?? "", name.endsWith("_err") ? `1 sigma: ${about}` : about));
  });
  if (rows.some(({ weight }) => weight !== undefined)) {
    const about = "density of the natural population over the one drawn from, about 1 in the mean";
    const data = Float32Array.from(rows, ({ weight }) => weight ?? 1);
    columns.push(floatColumn("prior_weight", data, "", about));
  }
  const kinds = rows.map((row) => row.category ?? "");
  columns.push(textColumn("CLASS", kinds), ...lossColumns(observations), ...spectrumColumns(rows, survey));
  const light = observations.length > 0 ? apertureKind(observer.options.aperture) : "total";
  const metadata = {
    survey: survey.name,
    ...(isWhole ? { aperture: light } : {}),
    ...(cleans.length > 0 ? { filters: filtersName(observer.options) } : {}),
  };
  return { rowCount: rows.length, columns, metadata };
}
