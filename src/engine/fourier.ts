/** Discrete Fourier transforms of one length, a power of two, in double precision: sums over thousands of pixels cancel. */
export interface Fourier {
  readonly size: number;
  /** In place, both [size]: x[k] becomes the sum over j of x[j] exp(-2 pi i j k / size). */
  forward(re: Float64Array, im: Float64Array): void;
  /** In place: undoes `forward`. */
  inverse(re: Float64Array, im: Float64Array): void;
}

/** Least power of two that is no less than n. */
export const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)));

/** Places with their bits reversed. [size] */
function reversedPlaces(size: number): Uint32Array {
  const places = new Uint32Array(size);
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    places[i] = j;
  }
  return places;
}

/** Radix 2, in place (Cooley & Tukey 1965). @throws Error for a size that is no power of two. */
export function createFourier(size: number): Fourier {
  if (powerOfTwo(size) !== size) throw new Error(`Fourier transform of ${size} numbers, expected a power of two`);
  const places = reversedPlaces(size);
  const half = size >> 1;
  const cos = Float64Array.from({ length: half }, (_, k) => Math.cos((2 * Math.PI * k) / size));
  const sin = Float64Array.from({ length: half }, (_, k) => Math.sin((2 * Math.PI * k) / size));
  const swap = (x: Float64Array): void => {
    for (let i = 0; i < size; i++) {
      const j = places[i];
      if (j > i) [x[i], x[j]] = [x[j], x[i]];
    }
  };
  const forward = (re: Float64Array, im: Float64Array): void => {
    swap(re);
    swap(im);
    for (let span = 1; span < size; span <<= 1) {
      const step = half / span;
      for (let first = 0; first < size; first += 2 * span) {
        for (let k = 0, a = first, b = first + span; k < half; k += step, a++, b++) {
          const [c, s] = [cos[k], sin[k]];
          const x = c * re[b] + s * im[b];
          const y = c * im[b] - s * re[b];
          re[b] = re[a] - x;
          im[b] = im[a] - y;
          re[a] += x;
          im[a] += y;
        }
      }
    }
  };
  const inverse = (re: Float64Array, im: Float64Array): void => {
    forward(im, re); // the conjugate's transform is the transform's conjugate
    for (let i = 0; i < size; i++) {
      re[i] /= size;
      im[i] /= size;
    }
  };
  return { size, forward, inverse };
}
