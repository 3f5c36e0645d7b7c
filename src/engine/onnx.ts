/**
 * A writer of ONNX models: just the protobuf messages that a traced graph needs.
 * Field numbers are those of onnx.proto3 (github.com/onnx/onnx, onnx/onnx.proto3).
 */

export type OnnxType = "float32" | "int32" | "int64" | "bool";
export type Attribute = number | { readonly float: number } | string | readonly number[];

export interface OnnxNode {
  readonly op: string;
  readonly domain: string;
  /** Names; an empty name is an absent optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}
interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
}
export interface OnnxTensor extends OnnxValue {
  /** Little-endian elements. */
  readonly bytes: Uint8Array;
}
export interface OnnxModel {
  readonly name: string;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly constants: readonly OnnxTensor[];
  readonly nodes: readonly OnnxNode[];
}

const OPSET = 20;
const IR_VERSION = 9;
const typeCode = { float32: 1, int32: 6, int64: 7, bool: 9 } satisfies Record<OnnxType, number>;
const attributeCode = { float: 1, int: 2, string: 3, ints: 7 };
const utf8 = new TextEncoder();

type Field = Uint8Array;

const join = (parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

const varint = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
};

const integer = (field: number, value: number): Field => Uint8Array.from([...varint(field << 3), ...varint(value)]);
const message = (field: number, parts: readonly Uint8Array[]): Field => {
  const body = join(parts);
  return join([Uint8Array.from([...varint((field << 3) | 2), ...varint(body.length)]), body]);
};
const text = (field: number, value: string): Field => message(field, [utf8.encode(value)]);
const float = (field: number, value: number): Field => {
  const bytes = new Uint8Array(5);
  bytes[0] = (field << 3) | 5;
  new DataView(bytes.buffer).setFloat32(1, value, true);
  return bytes;
};

const encodeAttribute = (name: string, value: Attribute): Field[] => {
  if (typeof value === "number") return [text(1, name), integer(3, value), integer(20, attributeCode.int)];
  if (typeof value === "string") return [text(1, name), text(4, value), integer(20, attributeCode.string)];
  if ("float" in value) return [text(1, name), float(2, value.float), integer(20, attributeCode.float)];
  return [text(1, name), ...value.map((v) => integer(8, v)), integer(20, attributeCode.ints)];
};

const encodeNode = (node: OnnxNode, index: number): Field[] => [
  ...node.inputs.map((name) => text(1, name)),
  ...node.outputs.map((name) => text(2, name)),
  text(3, `${node.op}_${index}`),
  text(4, node.op),
  ...Object.entries(node.attributes).map(([name, value]) => message(5, encodeAttribute(name, value))),
  text(7, node.domain),
];

const encodeTensor = (tensor: OnnxTensor): Field[] => [
  ...tensor.shape.map((dim) => integer(1, dim)),
  integer(2, typeCode[tensor.type]),
  text(8, tensor.name),
  message(9, [tensor.bytes]),
];

const encodeValue = (value: OnnxValue): Field[] => {
  const shape = message(
    2,
    value.shape.map((dim) => message(1, [integer(1, dim)])),
  );
  return [text(1, value.name), message(2, [message(1, [integer(1, typeCode[value.type]), shape])])];
};

/** The model as the bytes of an `.onnx` file (opset 20 plus ONNX Runtime's own `com.microsoft`). */
export const encodeModel = (model: OnnxModel): Uint8Array =>
  join([
    integer(1, IR_VERSION),
    text(2, "caleido"),
    message(7, [
      ...model.nodes.map((node, index) => message(1, encodeNode(node, index))),
      text(2, model.name),
      ...model.constants.map((tensor) => message(5, encodeTensor(tensor))),
      ...model.inputs.map((value) => message(11, encodeValue(value))),
      ...model.outputs.map((value) => message(12, encodeValue(value))),
    ]),
    message(8, [text(1, ""), integer(2, OPSET)]),
    message(8, [text(1, "com.microsoft"), integer(2, 1)]),
  ]);
