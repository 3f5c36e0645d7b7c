export interface CategoryScore {
  readonly bias: number;
  readonly sigmaNmad: number;
  readonly outliers: number;
  readonly negLogLik: number;
  readonly loss: number;
}
export type Category = "GALAXY_ID" | "GALAXY_MISSING_BANDS" | "GALAXY_OFFSET" | "GALAXY_HIGH_Z" | "QSO";
export const WEIGHTS: Readonly<Record<Category, number>>;
export function scoreCategory(
  answers: readonly { readonly z: number; readonly best: number; readonly sigma: number }[],
): CategoryScore;
export function totalLoss(scores: Readonly<Record<Category, Pick<CategoryScore, "loss">>>): number;
