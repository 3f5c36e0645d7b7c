import { addScalar, binary, cast, expand, mulScalar, unary, where } from "./emit.ts";
import { sameShape, sizeOf, type Graph, type Value } from "./graph.ts";
import type { Kernel, KernelTable } from "./kernel.ts";
import type { ElementwiseName } from "./kernel-names.ts";
import { hasOperator } from "./lacking.ts";
import type { OnnxType } from "./onnx.ts";

/** tfjs kernels of one operand that are one ONNX operator on floats. */
const plain =
  (op: string): Kernel =>
  ({ g, inputs }) =>
    unary(g, op, inputs["x"]);
/** ONNX defines most of them on floats alone; tfjs lets integers through. */
const float =
  (op: string): Kernel =>
  ({ g, inputs }) =>
    unary(g, op, cast(g, inputs["x"], "float32"));
const pair =
  (op: string): Kernel =>
  ({ g, inputs }) =>
    binary(g, op, inputs["a"], inputs["b"]);

/** Comparisons; booleans are compared as integers. */
const comparison =
  (op: string): Kernel =>
  ({ g, inputs }) => {
    const type: OnnxType = inputs["a"].type === "bool" ? "int32" : inputs["a"].type;
    return binary(g, op, cast(g, inputs["a"], type), cast(g, inputs["b"], type), "bool");
  };

const scalarLike = (g: Graph, x: Value, value: number): Value => g.scalar(x.type, value);

/** log(1 + x) without cancellation: log(u) x / (u - 1) with u = 1 + x rounded (Kahan; Higham 2002, section 1.14.1). */
const log1p: Kernel = ({ g, inputs }) => {
  const x = inputs["x"];
  const u = addScalar(g, x, 1);
  const d = addScalar(g, u, -1);
  const log = unary(g, "Log", u);
  const corrected = binary(g, "Div", binary(g, "Mul", log, x), d);
  const isTiny = binary(g, "Equal", d, g.scalar("float32", 0), "bool");
  const isExact = binary(g, "Equal", d, x, "bool");
  return where(g, isExact, log, where(g, isTiny, x, corrected));
};

/** exp(x) - 1 = tanh(x/2) (exp(x) + 1), which keeps its relative precision near zero. */
const expm1: Kernel = ({ g, inputs }) => {
  const x = inputs["x"];
  const half = unary(g, "Tanh", mulScalar(g, x, 0.5));
  return binary(g, "Mul", half, addScalar(g, unary(g, "Exp", x), 1));
};

/** Floor of a quotient, int32 as in tfjs. Integer division in ONNX truncates, so integers go through floats. */
const floorDiv: Kernel = ({ g, inputs }) => {
  const [a, b] = [cast(g, inputs["a"], "float32"), cast(g, inputs["b"], "float32")];
  return cast(g, unary(g, "Floor", binary(g, "Div", a, b)), "int32");
};

/** Remainder with the sign of the divisor. */
const mod: Kernel = ({ g, inputs }) => {
  const [a, b] = [inputs["a"], inputs["b"]];
  if (a.type !== "float32") return binary(g, "Mod", a, b);
  return binary(g, "Sub", a, binary(g, "Mul", b, unary(g, "Floor", binary(g, "Div", a, b))));
};

const isFinite: Kernel = ({ g, inputs }) => {
  const x = cast(g, inputs["x"], "float32");
  return unary(g, "Not", binary(g, "Or", unary(g, "IsNaN", x, "bool"), unary(g, "IsInf", x, "bool")));
};

const clip: Kernel = ({ g, inputs, attrs }) => {
  const x = inputs["x"];
  const limits = [attrs["clipValueMin"], attrs["clipValueMax"]].map((v) => scalarLike(g, x, v as number));
  return g.node("Clip", [x, ...limits], { type: x.type, shape: x.shape });
};

const pow: Kernel = ({ g, inputs }) => {
  const [a, b] = [inputs["a"], inputs["b"]];
  if (b.uniform === 1) return a;
  if (b.uniform === 2) return binary(g, "Mul", a, a);
  const power = binary(g, "Pow", a, b);
  const areAlike = sameShape(a.shape, b.shape) || sizeOf(a.shape) === 1 || sizeOf(b.shape) === 1;
  if (g.device !== "webgpu" || areAlike) return power;
  // its Pow fails (ONNX Runtime 1.30) where both operands are repeated or one has fewer axes
  return g.node("Pow", [expand(g, a, power.shape), expand(g, b, power.shape)], power);
};

/** To the nearest whole number, halves to the even one. */
const round: Kernel = ({ g, inputs }) => {
  const x = cast(g, inputs["x"], "float32");
  if (hasOperator(g.device, "Round")) return unary(g, "Round", x);
  const low = unary(g, "Floor", x);
  const high = addScalar(g, low, 1);
  const even = mulScalar(g, unary(g, "Floor", mulScalar(g, high, 0.5)), 2);
  const rest = binary(g, "Sub", x, low);
  const half = g.scalar("float32", 0.5);
  const upper = where(g, binary(g, "Greater", rest, half, "bool"), high, even);
  return where(g, binary(g, "Less", rest, half, "bool"), low, upper);
};

const step: Kernel = ({ g, inputs, attrs }) => {
  const x = inputs["x"];
  const isPositive = binary(g, "Greater", x, scalarLike(g, x, 0), "bool");
  return g.node(
    "Where",
    [isPositive, scalarLike(g, x, 1), scalarLike(g, x, (attrs["alpha"] as number | undefined) ?? 0)],
    x,
  );
};

export const elementwiseKernels: KernelTable<ElementwiseName> = {
  Abs: plain("Abs"),
  Neg: plain("Neg"),
  Sign: plain("Sign"),
  Exp: float("Exp"),
  Expm1: expm1,
  Log: float("Log"),
  Log1p: log1p,
  Sqrt: float("Sqrt"),
  Rsqrt: ({ g, inputs }) => unary(g, "Reciprocal", unary(g, "Sqrt", cast(g, inputs["x"], "float32"))),
  Square: ({ g, inputs }) => binary(g, "Mul", inputs["x"], inputs["x"]),
  Reciprocal: float("Reciprocal"),
  Sin: float("Sin"),
  Cos: float("Cos"),
  Tan: float("Tan"),
  Asin: float("Asin"),
  Acos: float("Acos"),
  Atan: float("Atan"),
  Sinh: float("Sinh"),
  Cosh: float("Cosh"),
  Tanh: float("Tanh"),
  Asinh: float("Asinh"),
  Acosh: float("Acosh"),
  Atanh: float("Atanh"),
  Sigmoid: float("Sigmoid"),
  Softplus: float("Softplus"),
  Relu: plain("Relu"),
  Elu: float("Elu"),
  LeakyRelu: ({ g, inputs, attrs }) => {
    const x = cast(g, inputs["x"], "float32");
    return g.node("LeakyRelu", [x], x, { alpha: { float: attrs["alpha"] as number } });
  },
  Erf: float("Erf"),
  Floor: float("Floor"),
  Ceil: float("Ceil"),
  Round: round,
  Step: step,
  IsNan: ({ g, inputs }) => unary(g, "IsNaN", cast(g, inputs["x"], "float32"), "bool"),
  IsInf: ({ g, inputs }) => unary(g, "IsInf", cast(g, inputs["x"], "float32"), "bool"),
  IsFinite: isFinite,
  LogicalNot: plain("Not"),
  Identity: ({ inputs }) => inputs["x"],
  Cast: ({ g, inputs, attrs }) => cast(g, inputs["x"], attrs["dtype"] as OnnxType),
  ClipByValue: clip,

  Add: pair("Add"),
  Sub: pair("Sub"),
  Multiply: pair("Mul"),
  RealDiv: pair("Div"),
  Maximum: pair("Max"),
  Minimum: pair("Min"),
  Pow: pow,
  SquaredDifference: ({ g, inputs }) => {
    const difference = binary(g, "Sub", inputs["a"], inputs["b"]);
    return binary(g, "Mul", difference, difference);
  },
  FloorDiv: floorDiv,
  Mod: mod,
  AddN: ({ g, inputs }) => Object.values(inputs).reduce((a, b) => binary(g, "Add", a, b)),
  Equal: comparison("Equal"),
  NotEqual: (call) => unary(call.g, "Not", comparison("Equal")(call) as Value),
  Greater: comparison("Greater"),
  GreaterEqual: comparison("GreaterOrEqual"),
  Less: comparison("Less"),
  LessEqual: comparison("LessOrEqual"),
  LogicalAnd: pair("And"),
  LogicalOr: pair("Or"),
  Select: ({ g, inputs }) => where(g, inputs["condition"], inputs["t"], inputs["e"]),
};
