import { UserError } from "../errors.ts";
import { fromHalves, toHalf } from "../survey/half.ts";

/**
 * Named tensors of numbers, as a safetensors file holds them (Hugging Face safetensors format, version 0.4): in single
 * precision, or in half of it.
 */
export type NamedTensors = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly data: Float32Array; readonly isHalf?: boolean }>
>;

const bytesOf = (data: Float32Array, isHalf: boolean): Uint8Array => {
  const written = isHalf ? Uint16Array.from(data, toHalf) : data;
  return new Uint8Array(written.buffer, written.byteOffset, written.byteLength);
};

export function writeSafetensors(tensors: NamedTensors, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = { __metadata__: metadata };
  for (const [name, { shape, data, isHalf = false }] of Object.entries(tensors)) {
    const size = data.length * (isHalf ? 2 : 4);
    header[name] = { dtype: isHalf ? "F16" : "F32", shape, data_offsets: [at, at + size] };
    at += size;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20); // padded with blanks: the data are aligned
  head.set(text);
  const bytes = new Uint8Array(8 + head.length + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(head.length), true);
  bytes.set(head, 8);
  let offset = 8 + head.length;
  for (const { data, isHalf = false } of Object.values(tensors)) {
    const written = bytesOf(data, isHalf);
    bytes.set(written, offset);
    offset += written.length;
  }
  return bytes;
}

/** @throws UserError for a tensor with a value that is not finite. */
export function checkFinite(data: Float32Array, name: string, path: string): void {
  for (let at = 0; at < data.length; at++) {
    if (!Number.isFinite(data[at]))
      throw new UserError(`${path}: tensor ${name} holds ${data[at]} at ${at}; expected finite numbers`);
  }
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const isCounts = (x: unknown): boolean => Array.isArray(x) && x.every((n) => Number.isSafeInteger(n) && Number(n) >= 0);

/** @throws UserError for a file that is cut short, damaged, or holds anything but float32 and float16. */
export function readSafetensors(
  bytes: Uint8Array,
  path: string,
): { tensors: NamedTensors; metadata: Record<string, string> } {
  const fail = (what: string): never => {
    throw new UserError(`${path}: ${what}; expected a safetensors file of float32 or float16 tensors`);
  };
  if (bytes.length < 8) fail(`only ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > bytes.length - 8) fail(`header promises ${headerBytes} bytes, file has ${bytes.length}`);
  let header: Record<string, Entry | Record<string, string> | null> | null;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes))) as typeof header;
  } catch {
    return fail("header is not JSON");
  }
  if (typeof header !== "object" || header === null) return fail("header is not an object");
  const tensors: Record<string, { shape: number[]; data: Float32Array }> = {};
  let metadata: Record<string, string> = {};
  const start = 8 + headerBytes;
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      metadata = value as Record<string, string>;
      continue;
    }
    if (typeof value !== "object" || value === null) return fail(`tensor ${name} is not described`);
    const { dtype, shape, data_offsets: range } = value as Entry;
    const size = isCounts(shape) ? shape.reduce((a, b) => a * b, dtype === "F16" ? 2 : 4) : -1;
    if (dtype !== "F32" && dtype !== "F16") fail(`tensor ${name} has type ${dtype}`);
    if (!isCounts(range) || range[1] - range[0] !== size) fail(`tensor ${name} has a size that doesn't fit its shape`);
    if (start + range[1] > bytes.length)
      fail(`tensor ${name} ends at byte ${start + range[1]}, file has ${bytes.length}`);
    const copy = Uint8Array.from(bytes.subarray(start + range[0], start + range[1])); // aligned, whatever `bytes` is
    const data = dtype === "F16" ? fromHalves(new Uint16Array(copy.buffer)) : new Float32Array(copy.buffer);
    tensors[name] = { shape, data };
  }
  return { tensors, metadata };
}
