/** Catalogues of one survey as catalogues of another's fields. */
import { emptyCatalog } from "./catalog.ts";
import { type Field, State } from "./field.ts";
import { type ImfName, imfShift } from "./imf.ts";
import { largestError, saysNothing } from "./information.ts";
import type { FieldPair } from "./match.ts";
import type { CatalogBatch } from "./read.ts";
import { countReason, type ReadReport } from "./report.ts";
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
  const largest = known.fields.map(largestError);
  const [n, m] = [own.fields.length, known.fields.length];
  return ({ catalog, report, ...rest }) => {
    const { value, error, state } = emptyCatalog(known.fields, catalog.rowCount);
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
    const { arrays: _, ...texts } = catalog;
    return { ...rest, catalog: { ...texts, fields: known.fields, value, error, state }, report: told };
  };
}
