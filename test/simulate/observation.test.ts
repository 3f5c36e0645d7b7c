import { describe, expect, it } from "vitest";
import { createRng } from "../../src/random.ts";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { createRowObserver, observationSchema } from "../../src/simulate/observation.ts";
import { createObserver } from "../../src/simulate/observer.ts";
import { simulationOptions } from "../../src/simulate/options.ts";
import { createPassbands } from "../../src/simulate/passband.ts";
import { emptyCatalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { toCatalog } from "../../src/survey/read.ts";
import { bands, survey } from "./observed.ts";

const n = survey.fields.length;
const isSeen = survey.fields.map(({ band, name }) => band !== undefined || name === "EBV");
const passbands = createPassbands(bands);
const kinds = { galaxy: 1, star: 0.4, quasar: 0.3 };
const base = simulationOptions.parse({ fluxes: "both", kinds, redshift: { max: 0.5 }, seed: "anew", n: 60 });
const simulation = createSimulation(survey, base);

describe("a row observed anew", () => {
  it.each([
    ["as usual", {}],
    ["within an aperture", { aperture: { diameter: 3, seeing: "own" }, missingFraction: 0.2 }],
    [
      "with everything else",
      {
        foreground: { range: [0, 0.3], correct: true },
        nonDetections: "limit",
        uvCoverage: 1,
        noiseScale: 2,
        modelError: { smooth: 0.03, scatter: 0.01 },
      },
    ],
    ["undetected ones missing", { nonDetections: "missing", uvCoverage: 1, foreground: { mapError: 0 } }],
  ] as const)("is what simulate writes for the same random numbers: %s", (_, input) => {
    const options = simulationOptions.parse({ ...base, ...input });
    const observer = createObserver(survey, passbands, options);
    const table = simulateBlock({ ...simulation, options, observer }, 0, 60);
    const { catalog: noisy } = toCatalog(table, survey);
    const { catalog: clean } = toCatalog(table, survey, { layout: "clean" });
    const observe = createRowObserver(survey, observationSchema.parse(input));
    const one = emptyCatalog(survey.fields, 1);
    const states = new Set<number>();
    for (let row = 0; row < clean.rowCount; row++) {
      observe(clean, row, createRng(`${clean.parentId[row]}:noise`), one);
      for (let j = 0; j < n; j++) {
        if (!isSeen[j]) continue;
        const at = row * n + j;
        states.add(one.state[j]);
        expect(one.state[j]).toBe(noisy.state[at]);
        for (const of of ["value", "error"] as const) {
          // true fluxes went through single precision
          const margin = 3e-6 * Math.max(Math.abs(noisy.value[at]), noisy.error[at]);
          expect(Math.abs(one[of][j] - noisy[of][at])).toBeLessThanOrEqual(margin);
        }
      }
    }
    expect(new Set(noisy.value.filter((__, at) => survey.fields[at % n].name === "CLASS")).size).toBe(3);
    if ("nonDetections" in input && input.nonDetections === "limit") expect(states).toContain(State.upperLimit);
  });

  it("is another one for other random numbers, in every band", () => {
    const { catalog } = toCatalog(simulateBlock(simulation, 0, 3), survey, { layout: "clean" });
    const observe = createRowObserver(survey, observationSchema.parse({ uvCoverage: 1, missingFraction: 0 }));
    const rng = createRng("stream");
    const drawn = Array.from({ length: 50 }, () => {
      const one = emptyCatalog(survey.fields, 1);
      observe(catalog, 1, rng, one);
      return one.value;
    });
    for (let j = 0; j < n; j++) if (isSeen[j]) expect(new Set(drawn.map((value) => value[j])).size).toBe(50);
  });

  it("has fluxes with errors: none without noise, no pointings or offsets that a run would share", () => {
    expect(() => observationSchema.parse({ noiseScale: 0 })).toThrow(/noiseScale/);
    for (const key of ["pointings", "offsets", "selection", "n", "seed"]) {
      expect(() => observationSchema.parse({ [key]: 1 })).toThrow(/Unrecognized key/i);
    }
    const { noiseScale, ...rest } = simulationOptions.parse({});
    expect(observationSchema.parse({})).toMatchObject({ noiseScale, modelError: rest.modelError });
  });
});
