import { customKernels } from "./custom.ts";
import { elementwiseKernels } from "./kernels-elementwise.ts";
import { reduceKernels } from "./kernels-reduce.ts";
import { shapeKernels } from "./kernels-shape.ts";
import type { Kernel, KernelTable } from "./kernel.ts";

const fused: Readonly<Record<string, Kernel>> = Object.fromEntries(
  Object.entries(customKernels).map(([name, row]) => [name, row.emit]),
);

/** Every kernel that can be traced: tfjs's own and the fused ones. A new row is tested the moment it is here. */
export const kernels: KernelTable = { ...elementwiseKernels, ...shapeKernels, ...reduceKernels, ...fused };
