import { describe, expect, it } from "vitest";
import { createFourier, powerOfTwo } from "../../src/engine/fourier.ts";
import { createRng } from "../../src/random.ts";

describe("Fourier transforms", () => {
  it.each([1, 2, 8, 64, 256])("of %d numbers are the sum that defines them, and are undone", (size) => {
    const rng = createRng(`fourier ${size}`);
    const [re, im] = [0, 1].map(() => Float64Array.from({ length: size }, () => rng.normal()));
    const [re2, im2] = [re.slice(), im.slice()];
    const fourier = createFourier(size);
    fourier.forward(re2, im2);
    for (let k = 0; k < size; k++) {
      let [x, y] = [0, 0];
      for (let j = 0; j < size; j++) {
        const phase = (-2 * Math.PI * j * k) / size;
        x += re[j] * Math.cos(phase) - im[j] * Math.sin(phase);
        y += re[j] * Math.sin(phase) + im[j] * Math.cos(phase);
      }
      expect(Math.abs(re2[k] - x)).toBeLessThan(1e-11 * size);
      expect(Math.abs(im2[k] - y)).toBeLessThan(1e-11 * size);
    }
    fourier.inverse(re2, im2);
    for (let j = 0; j < size; j++) {
      expect(Math.abs(re2[j] - re[j])).toBeLessThan(1e-12);
      expect(Math.abs(im2[j] - im[j])).toBeLessThan(1e-12);
    }
  });
  it("are of powers of two alone", () => {
    expect([1, 2, 3, 1000, 1024].map(powerOfTwo)).toEqual([1, 2, 4, 1024, 1024]);
    expect(() => createFourier(12)).toThrow("expected a power of two");
  });
});
