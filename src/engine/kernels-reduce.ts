import { cast, matmul, reduce } from "./emit.ts";
import { axesOf, axisFromFront, integer, type Kernel, type KernelTable } from "./kernel.ts";
import type { ReduceName } from "./kernel-names.ts";
import type { Value } from "./graph.ts";

/** A reduction; tfjs names its axes `axis` in most kernels and `reductionIndices` in Max. */
const reduction =
  (op: string): Kernel =>
  ({ g, inputs, attrs }) => {
    const x = inputs["x"];
    const axes = axesOf(attrs["axis"] ?? attrs["reductionIndices"], x.shape.length);
    return reduce(g, op, x, { axes, keepDims: attrs["keepDims"] === true });
  };

/** Booleans reduced as integers: any = max, all = min. */
const logical =
  (op: string): Kernel =>
  (call) => {
    const x = cast(call.g, call.inputs["x"], "int32");
    return cast(call.g, reduction(op)({ ...call, inputs: { x } }) as Value, "bool");
  };

const arg =
  (op: string): Kernel =>
  ({ g, inputs, attrs }) => {
    const x = inputs["x"];
    const axis = axisFromFront(attrs["axis"], x.shape.length);
    const shape = x.shape.toSpliced(axis, 1);
    return cast(g, g.node(op, [x], { type: "int64", shape }, { axis, keepdims: 0 }), "int32");
  };

/** The largest along the last axis, in falling order, and where they are. */
const topK: Kernel = ({ g, inputs, attrs }) => {
  const x = inputs["x"];
  const k = integer(attrs["k"]);
  const shape = [...x.shape.slice(0, -1), k];
  const [values, places] = g.nodeMany(
    "TopK",
    [x, g.integers([k])],
    [
      { type: x.type, shape },
      { type: "int64", shape },
    ],
    {
      axis: x.shape.length - 1,
      sorted: Number(attrs["sorted"] !== false),
    },
  );
  return [values, cast(g, places, "int32")];
};

const softmax: Kernel = ({ g, inputs, attrs }) => {
  const x = cast(g, inputs["logits"], "float32");
  const rank = x.shape.length;
  return g.node("Softmax", [x], x, { axis: axisFromFront(attrs["dim"] ?? rank - 1, rank) });
};

const cumsum: Kernel = ({ g, inputs, attrs }) => {
  const x = inputs["x"];
  const axis = g.scalar("int64", axisFromFront(attrs["axis"], x.shape.length));
  const flags = { exclusive: Number(attrs["exclusive"] === true), reverse: Number(attrs["reverse"] === true) };
  return g.node("CumSum", [x, axis], x, flags);
};

export const reduceKernels: KernelTable<ReduceName> = {
  Sum: reduction("ReduceSum"),
  Mean: (call) => reduction("ReduceMean")({ ...call, inputs: { x: cast(call.g, call.inputs["x"], "float32") } }),
  Max: reduction("ReduceMax"),
  Min: reduction("ReduceMin"),
  Prod: reduction("ReduceProd"),
  All: logical("ReduceMin"),
  Any: logical("ReduceMax"),
  ArgMax: arg("ArgMax"),
  ArgMin: arg("ArgMin"),
  TopK: topK,
  Softmax: softmax,
  Cumsum: cumsum,
  BatchMatMul: ({ g, inputs, attrs }) =>
    matmul(g, inputs["a"], inputs["b"], attrs["transposeA"] === true, attrs["transposeB"] === true),
};
