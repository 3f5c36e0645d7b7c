import type { Node, Value } from "./graph.ts";
import type { Attribute } from "./onnx.ts";

/** A node about to be written; rewriting may change its inputs and attributes. */
export interface Draft {
  readonly op: string;
  readonly domain: string;
  readonly inputs: (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Record<string, Attribute>;
}

export const draftOf = (node: Node): Draft => ({
  ...node,
  inputs: [...node.inputs],
  attributes: { ...node.attributes },
});

interface Use {
  readonly draft: Draft;
  readonly position: number;
}
interface Wiring {
  readonly usesOf: (value: Value) => readonly Use[];
  readonly producerOf: (value: Value) => Draft | undefined;
  readonly isOutput: (value: Value) => boolean;
}

const wire = (drafts: readonly Draft[], outputs: ReadonlySet<Value>): Wiring => {
  const uses = new Map<Value, Use[]>();
  const producers = new Map<Value, Draft>();
  for (const draft of drafts) {
    for (const [position, input] of draft.inputs.entries()) {
      if (input === undefined) continue;
      const known = uses.get(input);
      if (known === undefined) uses.set(input, [{ draft, position }]);
      else known.push({ draft, position });
    }
    for (const output of draft.outputs) producers.set(output, draft);
  }
  return {
    usesOf: (value) => uses.get(value) ?? [],
    producerOf: (value) => producers.get(value),
    isOutput: (value) => outputs.has(value),
  };
};

const scale = (draft: Draft, name: "alpha" | "beta", factor: number): void => {
  const before = draft.attributes[name] as { readonly float: number } | undefined;
  draft.attributes[name] = { float: (before?.float ?? 1) * factor };
};
const takesFactor = (draft: Draft): boolean => draft.op === "Gemm" || draft.op === "FusedMatMul";

/** The product that alone computes `value` for its one reader, looking through reshapes. */
const soleProduct = (wiring: Wiring, value: Value): Draft | undefined => {
  let current = value;
  for (;;) {
    const producer = wiring.producerOf(current);
    if (producer === undefined || wiring.usesOf(current).length !== 1 || wiring.isOutput(current)) return undefined;
    if (takesFactor(producer)) return producer;
    if (producer.op !== "Reshape") return undefined;
    current = producer.inputs[0]!;
  }
};

/** Every reader of `value` when all are operands of products, looking through reshapes. */
const readingProducts = (wiring: Wiring, value: Value): readonly Draft[] | undefined => {
  if (wiring.isOutput(value)) return undefined;
  const found: Draft[] = [];
  for (const { draft, position } of wiring.usesOf(value)) {
    if (takesFactor(draft) && position < 2) found.push(draft);
    else if (draft.op === "Reshape") {
      const beyond = readingProducts(wiring, draft.outputs[0]);
      if (beyond === undefined) return undefined;
      found.push(...beyond);
    } else return undefined;
  }
  return found;
};

const scalarFactor = (draft: Draft): { readonly x: Value; readonly factor: number } | undefined => {
  if (draft.op !== "Mul") return undefined;
  const [a, b] = draft.inputs as [Value, Value];
  if (b.uniform !== undefined && b.shape.length === 0) return { x: a, factor: b.uniform };
  if (a.uniform !== undefined && a.shape.length === 0) return { x: b, factor: a.uniform };
  return undefined;
};

/**
 * Multiplications by a constant disappear into the alpha of the matrix product before or after them, where they cost
 * nothing. Returns the nodes that remain.
 */
export const absorbFactors = (drafts: readonly Draft[], outputs: ReadonlySet<Value>): readonly Draft[] => {
  let kept = drafts;
  for (const draft of drafts) {
    const found = scalarFactor(draft);
    const result = draft.outputs[0];
    if (found === undefined || result.type !== "float32" || outputs.has(result)) continue;
    const wiring = wire(kept, outputs);
    const before = soleProduct(wiring, found.x);
    const after = before === undefined ? readingProducts(wiring, result) : undefined;
    if (before !== undefined) {
      scale(before, "alpha", found.factor);
      if (before.inputs[2] !== undefined) scale(before, "beta", found.factor);
    } else if (after !== undefined) {
      for (const product of after) scale(product, "alpha", found.factor);
    } else continue;
    for (const { draft: reader, position } of wiring.usesOf(result)) reader.inputs[position] = found.x;
    kept = kept.filter((other) => other !== draft);
  }
  return kept;
};
