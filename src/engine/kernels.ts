import { customKernels } from "./custom.ts";
import { convolutionKernels } from "./kernels-convolution.ts";
import { elementwiseKernels } from "./kernels-elementwise.ts";
import { reduceKernels } from "./kernels-reduce.ts";
import { shapeKernels } from "./kernels-shape.ts";
import type { KernelTable } from "./kernel.ts";
import type { FusedName, KernelName } from "./kernel-names.ts";

const fused = Object.fromEntries(
  Object.entries(customKernels).map(([name, row]) => [name, row.emit]),
) as KernelTable<FusedName>;

/** Every kernel that can be traced: tfjs's own and the fused ones. A new row is tested the moment it is here. */
export const kernels: KernelTable<KernelName> = {
  ...elementwiseKernels,
  ...shapeKernels,
  ...reduceKernels,
  ...convolutionKernels,
  ...fused,
};
