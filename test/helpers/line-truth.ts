import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { luminosityArea } from "../../src/simulate/cosmology.ts";
import { ewLabels, LINE_NAMES } from "../../src/simulate/lines.ts";
import { simulationOptions } from "../../src/simulate/options.ts";
import { FLUX_UNIT } from "../../src/simulate/passband.ts";
import type { Table } from "../../src/io/table.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

/** True flux of every labelled line [1e-19 erg/s/cm2], by the label's name. */
export type LineTruth = Readonly<Record<keyof typeof ewLabels, number>>;

/**
 * Galaxies of miniJPAS with noise, total fluxes without (`fluxes: both`), and the fluxes of their lines: luminosities of the simulator's
 * lines over 4 pi D_L^2, which no table has. `options` are those of `simulate`.
 */
export function simulateLines(options: object, count: number): { table: Table; truth: LineTruth[] } {
  const survey = loadSurvey("minijpas");
  const simulation = createSimulation(survey, simulationOptions.parse({ ...options, fluxes: "both" }));
  const { photometer, selectionBand } = simulation;
  const found = new Map<number, LineTruth>();
  const table = simulateBlock(
    {
      ...simulation,
      photometer: {
        ...photometer,
        fluxes(spectrum, z) {
          const fluxes = photometer.fluxes(spectrum, z);
          const own = Object.entries(ewLabels).map(([label, names]) => {
            const luminosity = names.reduce((sum, name) => sum + spectrum.lines[LINE_NAMES.indexOf(name)], 0);
            return [label, luminosity / (luminosityArea(z) * FLUX_UNIT)] as const;
          });
          found.set(Math.fround(fluxes[selectionBand]), Object.fromEntries(own) as LineTruth);
          return fluxes;
        },
      },
    },
    0,
    count,
  );
  const { name } = simulation.observer.bands[selectionBand];
  const selected = table.columns.find((column) => column.name === `true_${name}`)!.data as Float32Array;
  return { table, truth: Array.from(selected, (flux) => found.get(flux)!) };
}
