import type * as tf from "@tensorflow/tfjs-core";

/**
 * The kernels that can be traced, by table. Every table of rows is total over its names, so that a missing row does not
 * compile; a name that tfjs does not know does not either.
 */
type NameInTfjs = Extract<(typeof tf)[keyof typeof tf], string>;
type OfTfjs<Name extends NameInTfjs> = Name;

export type ElementwiseName = OfTfjs<
  | "Abs"
  | "Neg"
  | "Sign"
  | "Exp"
  | "Expm1"
  | "Log"
  | "Log1p"
  | "Sqrt"
  | "Rsqrt"
  | "Square"
  | "Reciprocal"
  | "Sin"
  | "Cos"
  | "Tan"
  | "Asin"
  | "Acos"
  | "Atan"
  | "Sinh"
  | "Cosh"
  | "Tanh"
  | "Asinh"
  | "Acosh"
  | "Atanh"
  | "Sigmoid"
  | "Softplus"
  | "Relu"
  | "Elu"
  | "LeakyRelu"
  | "Erf"
  | "Floor"
  | "Ceil"
  | "Round"
  | "Step"
  | "IsNan"
  | "IsInf"
  | "IsFinite"
  | "LogicalNot"
  | "Identity"
  | "Cast"
  | "ClipByValue"
  | "Add"
  | "Sub"
  | "Multiply"
  | "RealDiv"
  | "Maximum"
  | "Minimum"
  | "Pow"
  | "SquaredDifference"
  | "FloorDiv"
  | "Mod"
  | "AddN"
  | "Equal"
  | "NotEqual"
  | "Greater"
  | "GreaterEqual"
  | "Less"
  | "LessEqual"
  | "LogicalAnd"
  | "LogicalOr"
  | "Select"
>;

export type ShapeName = OfTfjs<
  | "Reshape"
  | "ExpandDims"
  | "Transpose"
  | "Concat"
  | "SplitV"
  | "Slice"
  | "Pack"
  | "Unpack"
  | "PadV2"
  | "Tile"
  | "GatherV2"
  | "OneHot"
  | "UnsortedSegmentSum"
  | "Reverse"
  | "Range"
  | "Fill"
  | "ZerosLike"
  | "OnesLike"
>;

export type ReduceName = OfTfjs<
  | "Sum"
  | "Mean"
  | "Max"
  | "Min"
  | "Prod"
  | "All"
  | "Any"
  | "ArgMax"
  | "ArgMin"
  | "TopK"
  | "Softmax"
  | "Cumsum"
  | "BatchMatMul"
>;

export type ConvolutionName = OfTfjs<
  "Conv2D" | "Conv2DBackpropInput" | "Conv2DBackpropFilter" | "MaxPool" | "MaxPoolGrad" | "AvgPool"
>;

/** Kernels that tfjs does not have. */
export type FusedName =
  | "FusedLayerNorm"
  | "FusedNormalise"
  | "FusedGelu"
  | "FusedGeluGrad"
  | "FusedLinear"
  | "ScaledMatMul"
  | "FusedLogSumExp"
  | "FusedLogSoftmax";

export type TfjsName = ElementwiseName | ShapeName | ReduceName | ConvolutionName;
export type KernelName = TfjsName | FusedName;

/** Kernels without a derivative: two have no tensor to differentiate by, the others are themselves parts of derivatives. */
export type WithoutGradient =
  | "Range"
  | "Fill"
  | "FusedGeluGrad"
  | "Conv2DBackpropInput"
  | "Conv2DBackpropFilter"
  | "MaxPoolGrad";
export type DifferentiableKernel = Exclude<KernelName, WithoutGradient>;
