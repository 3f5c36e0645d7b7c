import { createRng } from "../../src/random.ts";
import { type Catalog, emptyCatalog } from "../../src/survey/catalog.ts";
import { type Field, type ScalarField, State } from "../../src/survey/field.ts";
import { toyBands, toyFields } from "./toy.ts";

const [red, mass] = ["R", "MASS"].map((name) => toyFields.find((field) => field.name === name) as ScalarField);

/** A band in the infrared, a number and a class, which toy galaxies may have besides. */
export const infrared: Field = {
  ...red,
  id: 10,
  name: "H",
  description: "H",
  band: { ...red.band!, pivot: 16_000, edges: [15_000, 17_000] },
};
export const rate: Field = { ...mass, id: 11, name: "SFR", description: "SFR", range: [-10, 10] };
export const type: Field = {
  id: 12,
  name: "TYPE",
  kind: "category",
  unit: "",
  description: "type",
  range: [0, 2],
  classes: ["blue", "green", "red"],
};
export const allFields: readonly Field[] = [...toyFields, infrared, rate, type];

/** The class of a galaxy of this mass. */
export const classOf = (logMass: number): number => (logMass < 9.6 ? 0 : logMass < 10.4 ? 1 : 2);

/** The same rows in other fields: those of the same name are taken over, the rest is not observed. */
function withFields(catalog: Catalog, fields: readonly Field[]): Catalog {
  const whole = emptyCatalog(fields, catalog.rowCount);
  fields.forEach(({ name }, j) => {
    const k = catalog.fields.findIndex((field) => field.name === name);
    if (k < 0) return;
    for (let row = 0; row < catalog.rowCount; row++) {
      const [to, from] = [row * fields.length + j, row * catalog.fields.length + k];
      whole.value[to] = catalog.value[from];
      whole.error[to] = catalog.error[from];
      whole.state[to] = catalog.state[from];
    }
  });
  const { value, error, state } = whole;
  return { ...catalog, fields, value, error, state };
}

/**
 * Toy galaxies in `fields`, with the infrared band, the rate and the type where `fields` have them and the mass is known:
 * all three follow from the slope of the bands, as the mass does.
 */
export function filled(catalog: Catalog, fields: readonly Field[] = allFields): Catalog {
  const whole = withFields(catalog, fields);
  const rng = createRng("kinds");
  const n = fields.length;
  const place = (name: string): number => fields.findIndex((field) => field.name === name);
  const [ofMass, ofRed] = ["MASS", "R"].map(place);
  for (let row = 0; row < catalog.rowCount; row++) {
    const put = (name: string, value: number, error: number): void => {
      const j = place(name);
      if (j < 0) return;
      whole.value[row * n + j] = value;
      whole.error[row * n + j] = error;
      whole.state[row * n + j] = State.measured;
    };
    const noise = rng.normal();
    if (whole.state[row * n + ofMass] !== State.measured) continue;
    const logMass = whole.value[row * n + ofMass];
    put("SFR", 0.8 * (logMass - 10) + 0.1 * noise, 0.1);
    put("TYPE", classOf(logMass), 0);
    if (whole.state[row * n + ofRed] !== State.measured) continue;
    const flux = whole.value[row * n + ofRed] * (16_000 / 6300) ** (logMass - 10);
    put("H", flux + 5 * noise, 5);
  }
  return whole;
}

/** Flags of the fields named. */
export const flagsFor = (fields: readonly Field[], names: readonly string[]): Uint8Array =>
  Uint8Array.from(fields, ({ name }) => Number(names.includes(name)));

export const bandNames: readonly string[] = toyFields.slice(0, toyBands).map(({ name }) => name);
