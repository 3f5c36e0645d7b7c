import { absorbFactors, draftOf, type Draft } from "./rewrite.ts";
import type { Device } from "./session-host.ts";
import { encodeModel, type Attribute, type OnnxNode, type OnnxTensor, type OnnxType } from "./onnx.ts";

/** A symbolic array: what a tensor is while a function is being traced. */
export interface Value {
  readonly id: number;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** The node that computes it; undefined for inputs and constants. */
  readonly producer: Node | undefined;
  /** Elements of a constant, one element when all are equal; undefined for what only a run can know. */
  readonly data: Elements | undefined;
  /** Set when every element of a constant is this number. */
  readonly uniform: number | undefined;
}

export interface Node {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** `other` equals `value` and is cheaper once `ifNeeded` is computed anyway. */
interface Alternative {
  readonly value: Value;
  readonly other: Value;
  readonly ifNeeded: Value;
}

export interface ValueSpec {
  readonly type: OnnxType;
  readonly shape: readonly number[];
}
export type Elements = Float32Array | Int32Array | BigInt64Array | Uint8Array;

export const sizeOf = (shape: readonly number[]): number => shape.reduce((n, dim) => n * dim, 1);
export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

const elementsOf = {
  float32: (values) => new Float32Array(values),
  int32: (values) => new Int32Array(values),
  int64: (values) => BigInt64Array.from(values, BigInt),
  bool: (values) => Uint8Array.from(values, (v) => (v === 0 ? 0 : 1)),
} satisfies Record<OnnxType, (values: ArrayLike<number>) => Elements>;

const asBytes = (data: Elements): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** FNV-1a, 32 bits at a time where the data allow it: finds candidates for equality, decides nothing. */
const hashOf = (bytes: Uint8Array): number => {
  const areWords = bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0;
  const parts = areWords ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) : bytes;
  let hash = 0x811c9dc5;
  for (let i = 0; i < parts.length; i++) {
    hash = Math.imul(hash ^ parts[i], 0x01000193);
    hash ^= hash >>> 15; // or the high bits of a word would stay where they are
  }
  return hash >>> 0;
};
const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Beyond this many equal elements a constant is written as one element and an Expand node. */
const LARGEST_REPEATED = 64;

/**
 * A graph under construction. Equal nodes and equal constants are made once (the functions traced are pure), and only
 * what the outputs need is written.
 */
export class Graph {
  private readonly inputs: { readonly name: string; readonly value: Value }[] = [];
  private readonly nodes: Node[] = [];
  private readonly nodeByKey = new Map<string, Node>();
  /** Constants of one element by that element. */
  private readonly uniformByKey = new Map<string, Value>();
  /** Other constants by type, shape and hash: several where hashes meet. */
  private readonly constantsByKey = new Map<string, Value[]>();
  private readonly alternatives: Alternative[] = [];
  private nextId = 0;

  /** Where the graph is to run, which decides what its nodes may be. */
  readonly device: Device;

  constructor(device: Device = "cpu") {
    this.device = device;
  }

  input(name: string, spec: ValueSpec): Value {
    const value = this.makeValue(spec, undefined);
    this.inputs.push({ name, value });
    return value;
  }

  /** A constant of the given elements (row-major). */
  constant(type: OnnxType, shape: readonly number[], values: ArrayLike<number>): Value {
    const first = values[0];
    if (first !== undefined && values.length > 1) {
      let i = 1;
      while (i < values.length && Object.is(values[i], first)) i += 1;
      if (i === values.length) return this.uniform(type, shape, first);
    } else if (first !== undefined) {
      return this.uniform(type, shape, first);
    }
    const data = elementsOf[type](values);
    const bytes = asBytes(data);
    const key = `${type}[${shape.join()}]${hashOf(bytes)}`;
    const alike = this.constantsByKey.get(key) ?? [];
    const known = alike.find((other) => sameBytes(asBytes(other.data!), bytes));
    if (known !== undefined) return known;
    const value: Value = { id: this.nextId++, type, shape, producer: undefined, data, uniform: undefined };
    this.constantsByKey.set(key, [...alike, value]);
    return value;
  }

  /** A constant whose elements are all `fill`. */
  uniform(type: OnnxType, shape: readonly number[], fill: number): Value {
    const data = elementsOf[type]([fill]);
    const element = Number(data[0]);
    const key = `${type}[${shape.join()}]${Object.is(element, -0) ? "-0" : element}`;
    const known = this.uniformByKey.get(key);
    if (known !== undefined) return known;
    const value: Value = { id: this.nextId++, type, shape, producer: undefined, data, uniform: element };
    this.uniformByKey.set(key, value);
    return value;
  }

  scalar(type: OnnxType, value: number): Value {
    return this.uniform(type, [], value);
  }

  /** A one-dimensional int64 constant: the form in which ONNX takes shapes, axes and sizes. */
  integers(values: readonly number[]): Value {
    return this.constant("int64", [values.length], values);
  }

  /** Adds one node with one output. */
  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    output: ValueSpec,
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = "",
  ): Value {
    return this.nodeMany(op, inputs, [output], attributes, domain)[0];
  }

  /** Adds one node with several outputs. */
  nodeMany(
    op: string,
    inputs: readonly (Value | undefined)[],
    outputs: readonly ValueSpec[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = "",
  ): readonly Value[] {
    const key = `${domain}.${op}(${inputs.map((v) => v?.id ?? "").join()})${JSON.stringify(attributes)}/${outputs.length}`;
    const known = this.nodeByKey.get(key);
    if (known !== undefined) return known.outputs;
    const made: Value[] = [];
    const node: Node = { op, domain, inputs, outputs: made, attributes };
    for (const spec of outputs) made.push(this.makeValue(spec, node));
    this.nodes.push(node);
    this.nodeByKey.set(key, node);
    return made;
  }

  /** Offers `other`, equal to `value`, for graphs that compute `ifNeeded` for some other reason. */
  offer(value: Value, other: Value, ifNeeded: Value): void {
    this.alternatives.push({ value, other, ifNeeded });
  }

  /** The ONNX bytes that compute the named outputs. Inputs that nothing needs stay declared. */
  encode(name: string, outputs: Readonly<Record<string, Value>>): Uint8Array {
    const drafts = this.draft(Object.values(outputs));
    const named = new Map<Value, string>(); // outputs that a node can write under their own name
    for (const [outName, value] of Object.entries(outputs)) {
      if (value.producer !== undefined && !named.has(value)) named.set(value, `out.${outName}`);
    }
    const constants = new Map<Value, OnnxTensor>();
    const extraNodes: OnnxNode[] = [];
    const inputNames = new Map(this.inputs.map(({ name, value }) => [value, `in.${name}`]));
    const nameOf = (value: Value | undefined): string => {
      if (value === undefined) return "";
      if (value.data !== undefined && !constants.has(value)) this.writeConstant(value, constants, extraNodes);
      return inputNames.get(value) ?? named.get(value) ?? `v${value.id}`;
    };
    const body = drafts.map((draft): OnnxNode => ({
      ...draft,
      inputs: draft.inputs.map(nameOf),
      outputs: draft.outputs.map(nameOf),
    }));
    const results = Object.entries(outputs)
      .filter(([outName, value]) => named.get(value) !== `out.${outName}`)
      .map(([outName, value]): OnnxNode => {
        const copy = { op: "Identity", domain: "", attributes: {} };
        return { ...copy, inputs: [nameOf(value)], outputs: [`out.${outName}`] };
      });
    return encodeModel({
      name,
      inputs: this.inputs.map(({ name, value }) => ({ ...value, name: `in.${name}` })),
      outputs: Object.entries(outputs).map(([outName, value]) => ({ ...value, name: `out.${outName}` })),
      constants: [...constants.values()],
      nodes: [...extraNodes, ...body, ...results],
    });
  }

  private makeValue(spec: ValueSpec, producer: Node | undefined): Value {
    const id = this.nextId++;
    return { id, type: spec.type, shape: spec.shape, producer, data: undefined, uniform: undefined };
  }

  /** What has to run, with alternatives chosen and constant factors absorbed. */
  private draft(roots: readonly Value[]): readonly Draft[] {
    const first = this.findNeeded(roots);
    const chosen = this.alternatives.filter(({ ifNeeded }) => first.has(ifNeeded.producer!));
    const replaced = new Map(chosen.map(({ value, other }) => [value, other]));
    const needed = this.findNeeded(roots, replaced);
    const drafts = this.nodes.filter((node) => needed.has(node)).map(draftOf);
    for (const { inputs } of drafts) {
      for (const [i, input] of inputs.entries()) if (input !== undefined) inputs[i] = replaced.get(input) ?? input;
    }
    return absorbFactors(drafts, new Set(roots));
  }

  private findNeeded(roots: readonly Value[], replaced: ReadonlyMap<Value, Value> = new Map()): Set<Node> {
    const needed = new Set<Node>();
    const pending = roots.map((value) => value.producer);
    while (pending.length > 0) {
      const node = pending.pop();
      if (node === undefined || needed.has(node)) continue;
      needed.add(node);
      for (const input of node.inputs) pending.push((input && (replaced.get(input) ?? input))?.producer);
    }
    return needed;
  }

  private writeConstant(value: Value, constants: Map<Value, OnnxTensor>, extraNodes: OnnxNode[]): void {
    const { type, shape } = value;
    const data = value.data!;
    const name = `v${value.id}`;
    const size = sizeOf(shape);
    if (size === data.length) {
      constants.set(value, { name, type, shape, bytes: asBytes(data) });
    } else if (size <= LARGEST_REPEATED) {
      const repeated = elementsOf[type](new Array<number>(size).fill(value.uniform!));
      constants.set(value, { name, type, shape, bytes: asBytes(repeated) });
    } else {
      const target = this.integers(shape);
      if (!constants.has(target)) this.writeConstant(target, constants, extraNodes);
      constants.set(value, { name: `${name}.one`, type, shape: [], bytes: asBytes(data) });
      extraNodes.push({
        op: "Expand",
        domain: "",
        inputs: [`${name}.one`, `v${target.id}`],
        outputs: [name],
        attributes: {},
      });
    }
  }
}
