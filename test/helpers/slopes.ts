import { createRng } from "../../src/random.ts";
import { type Catalog, emptyCatalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { wavelengthsOf } from "../../src/survey/spectrum-grid.ts";

/** A world in which spectra follow from two properties in closed form: power laws, of which fibres lose some light. */

const grid = { from: 4000, to: 9000, pixels: 64 } as const;
const MIDDLE = 6000;
/** Deviations of ln(brightness), of the power and of ln(light that is lost). */
export const [BRIGHTNESS, LOSS] = [0.5, 0.1];
const POWER = 1;
const FLUX = 50;
const NOISE = 5;

const property = (id: number, name: string): Field => ({
  id,
  name,
  kind: "linear",
  unit: "",
  description: name,
  range: [-20, 20],
});

const slopeFields: readonly Field[] = [
  property(0, "LEVEL"),
  property(1, "POWER"),
  {
    id: 2,
    name: "spectrum",
    kind: "spectrum",
    unit: "1e-19 erg/s/cm2/A",
    description: "a power law",
    range: [-1e30, 1e30],
    shape: [grid.pixels],
    grid,
  },
];

/** Flux at a wavelength before the fibre loses light. */
export const powerLaw = (level: number, power: number, wavelength: number): number =>
  FLUX * Math.exp(level) * (wavelength / MIDDLE) ** power;

/** Galaxies, and of each the factor by which its spectrum is fainter or brighter than its properties say. */
export function slopeCatalog(rowCount: number, seed: string): { catalog: Catalog; loss: Float64Array } {
  const rng = createRng(seed);
  const catalog = emptyCatalog(slopeFields, rowCount);
  const { value: pixels, ivar } = catalog.arrays!.get("spectrum")!;
  const wavelength = wavelengthsOf(grid);
  const loss = new Float64Array(rowCount);
  for (let row = 0; row < rowCount; row++) {
    const [level, power] = [BRIGHTNESS * rng.normal(), POWER * rng.normal()];
    loss[row] = Math.exp(LOSS * rng.normal());
    catalog.value.set([level, power, 0], row * 3);
    catalog.state.fill(State.measured, row * 3, row * 3 + 3);
    wavelength.forEach((at, i) => {
      pixels[row * grid.pixels + i] = loss[row] * powerLaw(level, power, at) + NOISE * rng.normal();
      ivar[row * grid.pixels + i] = NOISE ** -2;
    });
  }
  const ids = Array.from({ length: rowCount }, (_, i) => `p${i}`);
  return { catalog: { ...catalog, objectId: ids, parentId: ids }, loss };
}
