/** Which rows of a run's tables it draws from. */
import type { RowSource } from "../tokens/batch.ts";
import type { CheckpointConfig } from "./config.ts";
import type { TrainingTable } from "./tables.ts";

/** Rows of one part of a run's tables, weighted by their roles: a pure function of the configuration and the tables. */
export function sourcesOf(
  config: CheckpointConfig,
  tables: readonly TrainingTable[],
  part: "train" | "validation",
): RowSource[] {
  const { adapt, isCalibrated } = config;
  const sources = tables.flatMap(({ record: { role }, parts }): RowSource[] => {
    const of = { ...parts[part], weight: parts[part].rows.length, isCalibrated };
    if (adapt === undefined) return [of];
    const isTraining = part === "train";
    if (role === "source") return isTraining ? [{ ...of, weight: adapt.replay, isCalibrated: false }] : [];
    return [{ ...of, weight: isTraining ? (role === "labelled" ? adapt.labelled : adapt.unlabelled) : 1 }];
  });
  return adapt === undefined ? sources : sources.filter(({ rows, weight }) => rows.length > 0 && weight > 0);
}

/** Rows with labels that a network was not trained on: what its answers are recalibrated by. */
export function heldOutOf({ isCalibrated }: CheckpointConfig, tables: readonly TrainingTable[]): RowSource[] {
  return tables
    .filter(({ record: { role } }) => role !== "unlabelled")
    .flatMap(({ record: { role }, parts }) =>
      [parts.validation, parts.calibration]
        .filter(({ rows }) => rows.length > 0)
        .map((part) => ({ ...part, weight: part.rows.length, isCalibrated: isCalibrated && role !== "source" })),
    );
}
