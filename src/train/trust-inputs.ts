import { covariateNames, type Covariates } from "../model/recalibration.ts";
import { logitOf, trustInputNames } from "../model/trust-rule.ts";

/** Added to mean square residuals, so that their logarithm tells apart what is worth it. */
const RESIDUAL_FLOOR = 0.1;

/** Inputs of an answer, in the order of `trustInputNames`; NaN where something is not known. */
export function trustInputs(
  { odds, belonging, residual }: { readonly odds: number; readonly belonging: number; readonly residual: number },
  covariates: Covariates,
): Float64Array {
  const own = { odds: logitOf(odds), belonging: logitOf(belonging), residual: Math.log(residual + RESIDUAL_FLOOR) };
  return Float64Array.from(trustInputNames, (name) =>
    name === "odds" || name === "belonging" || name === "residual"
      ? own[name]
      : covariates[covariateNames.indexOf(name)],
  );
}
