/** Catalogues of one survey as catalogues of another's fields. */
import { type ArrayColumn, type Catalog, emptyCatalog } from "./catalog.ts";
import { type Field, State } from "./field.ts";
import { type ImfName, imfShift } from "./imf.ts";
import { largestError, saysNothing } from "./information.ts";
import type { FieldPair } from "./match.ts";
import type { CatalogBatch } from "./read.ts";
import { countReason, type ReadReport } from "./report.ts";
import { createResampler, wavelengthsOf } from "./spectrum-grid.ts";
import type { Survey } from "./survey.ts";
import { convertError, convertValue } from "./units.ts";

/** How the values of one field become another's. */
interface Column {
  readonly from: number;
  readonly to: number;
  /** Value and error in the other's unit; a class by its number there. */
  convert(this: void, value: number, error: number): readonly [number, number];
}

function columnOf({ own, known, conversion }: FieldPair, from: Field, to: Field, imfs: readonly ImfName[]): Column {
  if (from.kind === "category" && to.kind === "category") {
    const places = from.classes.map((name) => to.classes.indexOf(name));
    return { from: own, to: known, convert: (value) => [places[value], 0] };
  }
  const of = to.kind === "log" ? to.counts : undefined;
  const shift = of === undefined ? 0 : imfShift(imfs[0], imfs[1], of);
  const convert: Column["convert"] = (value, error) => [
    convertValue(conversion, value) + shift,
    error > 0 ? convertError(conversion, value, error) : error,
  ];
  return { from: own, to: known, convert };
}

/** How the spectra of one field become another's. */
interface PixelColumn {
  readonly from: Field;
  readonly to: Field;
  /** Puts those of a catalogue into `into`; `reject` is told of those that have nothing there. */
  convert(this: void, catalog: Catalog, into: ArrayColumn, reject: (row: number) => void): void;
}

function pixelColumnOf({ own, conversion }: FieldPair, from: Field, to: Field): PixelColumn[] {
  if (from.kind !== "spectrum" || to.kind !== "spectrum") return [];
  const put = createResampler(to.grid);
  const wave = wavelengthsOf(from.grid);
  const { factor } = conversion;
  const convert: PixelColumn["convert"] = (catalog, into, reject) => {
    const source = catalog.arrays?.get(from.name);
    for (let row = 0; row < catalog.rowCount; row++) {
      if (source === undefined || catalog.state[row * catalog.fields.length + own] === State.notObserved) continue;
      const of = (some: Float32Array, width: number): Float32Array => some.subarray(row * width, (row + 1) * width);
      const flux = of(source.value, source.width).map((x) => x * factor);
      const ivar = of(source.ivar, source.width).map((x) => x / factor ** 2);
      const pixels = { value: of(into.value, into.width), ivar: of(into.ivar, into.width) };
      if (!put(wave, flux, ivar, pixels)) reject(row);
    }
  };
  return [{ from, to, convert }];
}

/**
 * What turns rows of `own` into rows of `known`'s fields: paired values in its units, everything else not observed. What
 * is outside the possible values there, or says nothing there, is not observed and counted.
 */
export function createTranslator(
  own: Survey,
  known: Survey,
  pairs: readonly FieldPair[],
): (batch: CatalogBatch) => CatalogBatch {
  const imfs = [own.file.imf, known.file.imf];
  const columns = pairs.map((pair) => columnOf(pair, own.fields[pair.own], known.fields[pair.known], imfs));
  const spectra = pairs.flatMap((pair) => pixelColumnOf(pair, own.fields[pair.own], known.fields[pair.known]));
  const largest = known.fields.map(largestError);
  const [n, m] = [own.fields.length, known.fields.length];
  return ({ catalog, report, ...rest }) => {
    const pixels = spectra.flatMap(({ from, to }) => (catalog.arrays?.has(from.name) === true ? [to.name] : []));
    const { value, error, state, arrays } = emptyCatalog(known.fields, catalog.rowCount, { pixels });
    const told: ReadReport = { ...report, reasons: new Map(report.reasons), usedCount: 0 };
    for (const { from, to, convert } of columns) {
      const field = known.fields[to];
      const [low, high] = field.range;
      for (let row = 0; row < catalog.rowCount; row++) {
        const [at, there] = [row * n + from, row * m + to];
        const of = catalog.state[at] as State;
        if (of === State.notObserved) continue;
        const [x, sigma] = convert(catalog.value[at], catalog.error[at]);
        const isPossible = x >= low && x <= high;
        if (!isPossible || saysNothing(field, largest[to], x, sigma, of)) {
          const reason = isPossible
            ? "error too large for the network"
            : `outside the network's range of ${field.name}`;
          countReason(told, reason, () => `${catalog.objectId[row]}, ${field.name}: ${Number(x.toPrecision(7))}`);
          continue;
        }
        [value[there], error[there], state[there]] = [x, sigma, of];
        told.usedCount++;
      }
    }
    for (const { to, convert } of spectra) {
      const into = arrays?.get(to.name);
      if (into === undefined) continue;
      convert(catalog, into, (row) => {
        state[row * m + known.fields.indexOf(to)] = State.notObserved;
        told.usedCount--;
        countReason(told, `outside the network's wavelengths of ${to.name}`, () => catalog.objectId[row]);
      });
    }
    const { arrays: _, ...texts } = catalog;
    const matrices = { value, error, state, ...(arrays === undefined ? {} : { arrays }) };
    return { ...rest, catalog: { ...texts, fields: known.fields, ...matrices }, report: told };
  };
}
