/** Numbers of half precision (IEEE 754-2008 binary16), which Node's typed arrays don't have. */

const room = new DataView(new ArrayBuffer(4));

/** Bits of the half nearest to `x`, ties to even; beyond 65504 infinity. */
export function toHalf(x: number): number {
  room.setFloat32(0, x);
  const bits = room.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const fraction = bits & 0x7fffff;
  if (exponent === 143) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200); // infinity, NaN
  if (exponent > 30) return sign | 0x7c00;
  if (exponent < -10) return sign;
  // below 2^-14 the leading one is written, and steps are 2^-24
  const [whole, shift] = exponent > 0 ? [(exponent << 23) | fraction, 13] : [0x800000 | fraction, 14 - exponent];
  const kept = whole >>> shift;
  const rest = whole & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return sign | (kept + Number(rest > middle || (rest === middle && (kept & 1) === 1)));
}

export function fromHalf(half: number): number {
  const sign = (half & 0x8000) === 0 ? 1 : -1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Every half as a number, so that many are looked up. */
export const halfTable = (): Float32Array => Float32Array.from({ length: 65536 }, (_, half) => fromHalf(half));

/** Numbers of many halves. */
export function fromHalves(halves: Uint16Array): Float32Array {
  const table = halfTable();
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) numbers[i] = table[halves[i]];
  return numbers;
}
