import type { Arrays, Engine, EngineOptions, TensorFunction } from "../../src/engine/contract.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { forward, gradient, inputsOf, isSmooth, specs } from "./case-functions.ts";
import type { Case } from "./case.ts";
import { cases } from "./cases.ts";

/** How far a device is from plain JavaScript in one case of the kernel table. */
interface Parity {
  readonly kernel: string;
  /** Place in the kernel's list of cases. */
  readonly entry: number;
  readonly what: "value" | "gradient";
  /** Largest difference over the largest finite element; NaN where one of the two is not finite and the other is. */
  readonly error?: number;
  /** Why there is no error to tell. */
  readonly failure?: string;
}

/** Largest difference over the largest finite element; NaN where one of the two is not finite and the other is. */
export const relativeError = (got: Arrays, wanted: Arrays): number => {
  let worst = 0;
  for (const [name, { data }] of Object.entries(wanted)) {
    const scale = Math.max(1e-3, ...Array.from(data, Math.abs).filter(Number.isFinite));
    for (const [i, value] of data.entries()) {
      const other = got[name].data[i];
      if (Object.is(other, value) || other === value) continue;
      const error = Math.abs(other - value) / scale;
      if (!(error <= worst)) worst = error;
      if (!Number.isFinite(worst)) return Number.NaN;
    }
  }
  return worst;
};

const runOnce = async (engine: Engine, fn: TensorFunction, inputs: Arrays): Promise<Arrays> => {
  const compiled = await engine.compile(fn, specs(inputs), "case");
  try {
    return await compiled.run(inputs);
  } finally {
    await compiled.dispose();
  }
};

export const hasGradient = (entry: Case): boolean =>
  entry.isFlat !== true && entry.inputs.some((_, i) => isSmooth(entry, i));

/**
 * Every case of the kernel table and its derivative on a device, against plain JavaScript.
 * @throws UserError when the device does not start.
 */
export const compareKernels = async (device: NonNullable<EngineOptions["device"]>): Promise<Parity[]> => {
  const engine = await createEngine({ device });
  const oracle = await createEngine({ backend: "cpu" });
  const rows: Parity[] = [];
  for (const [kernel, list] of Object.entries(cases)) {
    for (const [i, entry] of list.entries()) {
      for (const what of ["value", "gradient"] as const) {
        if (what === "gradient" && !hasGradient(entry)) continue;
        const fn = what === "value" ? forward(entry) : gradient(entry);
        const inputs = inputsOf(entry);
        const outcome = await runOnce(engine, fn, inputs).then(
          async (got) => ({ error: relativeError(got, await runOnce(oracle, fn, inputs)) }),
          (reason: unknown) => ({ failure: (reason as Error).message }),
        );
        rows.push({ kernel, entry: i, what, ...outcome });
      }
    }
  }
  await engine.dispose();
  return rows;
};
