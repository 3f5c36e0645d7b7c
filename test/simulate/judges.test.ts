import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { readAll } from "../../src/io/columns.ts";
import { openFits } from "../../src/io/fits.ts";
import { createRng, type Rng } from "../../src/random.ts";
import { ionisation } from "../../src/report/bpt.ts";
import { ksDistance } from "../../src/report/statistics.ts";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { luminosityDistance } from "../../src/simulate/cosmology.ts";
import { gridIndex } from "../../src/simulate/grid.ts";
import { simulationOptions } from "../../src/simulate/options.ts";
import { drawGalaxy } from "../../src/simulate/population.ts";
import { AGE_EDGES, N_AGE } from "../../src/simulate/sfh.ts";
import { createSpectrum, createTemplates, METALLICITIES, mixOf, synthesise } from "../../src/simulate/synthesis.ts";
import { equivalentWidths } from "../../src/simulate/widths.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { at, withData } from "./data.ts";
import { fastSpecFitFactor } from "./fastspecfit.ts";
import { quantile, spearman } from "./statistics.ts";

const lineNames = {
  HALPHA_EW: "HALPHA",
  HBETA_EW: "HBETA",
  OIII5007_EW: "OIII_5007",
  NII6584_EW: "NII_6584",
  OII3727_EW: "OII_DOUBLET",
} as const;
type Label = keyof typeof lineNames;
const LABEL_NAMES = Object.keys(lineNames) as Label[];

interface Sample {
  readonly z: number[];
  /** log10 of the continuum at 6000 - 6300 A rest, f (1 + z) d_L^2 [1e-17 erg/s/cm2/A Mpc2]. */
  readonly luminosity: number[];
  readonly widths: Record<Label, number[]>;
}

/** DESI BGS; `errors` are 1 sigma, NaN where the line is not listed. */
function readDesi(): Sample & { readonly errors: Record<Label, number[]> } {
  const lines = gunzipSync(readFileSync(at("desi-bgs-ew/desi_bgs_ew_testset.csv.gz")))
    .toString()
    .split("\n");
  const header = lines[0].trim().split(",");
  const rows = lines
    .slice(1)
    .filter((line, i) => line !== "" && i % 9 === 0)
    .map((line) => line.trim().split(","))
    .filter((row) => Number(row[1]) > 0.065 && Number(row[1]) < 0.295);
  const column = (name: string): number[] =>
    rows.map((row) => (row[header.indexOf(name)] ? Number(row[header.indexOf(name)]) : Number.NaN));
  const each = (of: (line: string) => number[]): Record<Label, number[]> =>
    Object.fromEntries(LABEL_NAMES.map((label) => [label, of(lineNames[label])])) as Record<Label, number[]>;
  return {
    z: column("z"),
    luminosity: column("cont_lum"),
    widths: each((line) => column(`${line}_ew`)),
    errors: each((line) => column(`${line}_ew_ivar`).map((ivar) => ivar ** -0.5)),
  };
}

/** A flux-limited simulation without noise; its continuum comes from the narrow bands around 6150 A rest. */
function simulateSample(): Sample {
  const survey = loadSurvey("minijpas");
  const options = simulationOptions.parse({
    selection: { faint: 20.3 },
    redshift: { min: 0.06, max: 0.3 },
    fluxes: "clean",
  });
  const simulation = createSimulation(survey, options);
  const tables = Array.from({ length: 40 }, (_, block) => simulateBlock(simulation, block));
  const column = (name: string): number[] =>
    tables.flatMap((table) => Array.from(table.columns.find((one) => one.name === name)?.data as Float32Array));
  const bands = simulation.observer.bands.filter(({ band }) => band.group === "narrow");
  const fluxes = bands.map(({ name }) => column(`true_${name}`));
  const z = column("z");
  const luminosity = z.map((redshift, i) => {
    const wanted = 6150 * (1 + redshift);
    const j = bands.findIndex(({ pivot }) => pivot > wanted);
    const f = (wanted - bands[j - 1].pivot) / (bands[j].pivot - bands[j - 1].pivot);
    const flux = ((1 - f) * fluxes[j - 1][i] + f * fluxes[j][i]) / 100;
    return Math.log10(flux * (1 + redshift) * luminosityDistance(redshift) ** 2);
  });
  const widths = Object.fromEntries(LABEL_NAMES.map((name) => [name, column(name)])) as Sample["widths"];
  return { z, luminosity, widths };
}

/**
 * log10 of all light over what a DESI fibre (1.5 arcsec) holds: the difference of the medians of the two flux-limited
 * samples, 0.40 at z 0.07 and 0.22 at 0.28. Luminosities of the table are fibre luminosities.
 */
const fibreLoss = (z: number): number => 0.46 - 0.85 * z;

/** For each galaxy of `target` one of the eight of `from` that are nearest in redshift and luminosity. */
function matchTo(target: Sample, from: Sample, rng: Rng): number[] {
  return target.z.map((z, i) => {
    const luminosity = target.luminosity[i] + fibreLoss(z);
    const near: [number, number][] = [];
    for (let j = 0; j < from.z.length; j++) {
      const distance = ((from.z[j] - z) / 0.03) ** 2 + ((from.luminosity[j] - luminosity) / 0.12) ** 2;
      if (near.length < 8) near.push([distance, j]);
      else {
        let worst = 0;
        for (let k = 1; k < 8; k++) if (near[k][0] > near[worst][0]) worst = k;
        if (distance < near[worst][0]) near[worst] = [distance, j];
      }
    }
    return near[rng.integer(near.length)][1];
  });
}

/** Errors of DESI galaxies with about the same width, and for Balmer lines those of the absorption beneath them [Angstrom]. */
function createErrors(widths: readonly number[], errors: readonly number[], absorption: number) {
  const measured = widths.flatMap((width, i) => (width > 0 && errors[i] > 0 ? [[width, errors[i]] as const] : []));
  measured.sort((a, b) => a[0] - b[0]);
  return (truth: number, rng: Rng): number => {
    let [low, high] = [0, measured.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (measured[middle][0] < truth) low = middle + 1;
      else high = middle;
    }
    const near = Math.max(0, Math.min(measured.length - 1, low + rng.integer(61) - 30));
    return Math.hypot(measured[near][1], absorption);
  };
}

withData("desi-bgs-ew")("emission lines against DESI BGS at matched luminosity and redshift", () => {
  let desi: ReturnType<typeof readDesi>;
  let simulation: Sample;
  let matched: number[];
  /** Simulated widths with errors as DESI's, [line][galaxy]: value and 1 sigma. */
  let noisy: Record<Label, { value: number; error: number }[]>;

  beforeAll(() => {
    const rng = createRng("desi");
    desi = readDesi();
    simulation = simulateSample();
    matched = matchTo(desi, simulation, rng);
    noisy = Object.fromEntries(
      LABEL_NAMES.map((label) => {
        const errorOf = createErrors(desi.widths[label], desi.errors[label], label.startsWith("H") ? 0.4 : 0);
        const values = matched.map((j) => {
          const truth = simulation.widths[label][j] * fastSpecFitFactor[label];
          const error = errorOf(truth, rng);
          return { value: truth + error * rng.normal(), error };
        });
        return [label, values];
      }),
    ) as typeof noisy;
  }, 180_000);

  test("the match is one: luminosities differ by less than 0.02 dex on average", () => {
    const differences = matched.map((j, i) => simulation.luminosity[j] - desi.luminosity[i] - fibreLoss(desi.z[i]));
    expect(differences.length).toBeGreaterThan(8000);
    expect(Math.abs(differences.reduce((sum, x) => sum + x, 0) / differences.length)).toBeLessThan(0.02);
  });

  test.each(LABEL_NAMES)(
    "%s: distribution of all positive widths, of those that gas dominates, and its tail",
    (label) => {
      // below, the tables hold noise peaks and what is left of the stars' absorption rather than gas
      const least = label === "OII3727_EW" ? 3 : 1;
      const [theirs, ours] = [desi.widths[label], noisy[label].map(({ value }) => value)];
      const [high, all] = [least, 0].map((limit) => [theirs, ours].map((one) => one.filter((width) => width > limit)));
      expect(ksDistance(high[0], high[1])).toBeLessThan(0.1);
      expect(ksDistance(all[0], all[1])).toBeLessThan(0.1);
      for (const [q, factor] of [
        [0.95, 1.25],
        [0.99, 1.5],
      ] as const) {
        expect(Math.abs(Math.log(quantile(high[1], q) / quantile(high[0], q))), `${q}`).toBeLessThan(Math.log(factor));
      }
    },
  );

  test("BPT plane: fractions of the branches among galaxies with four lines at S/N > 3 within 0.06", () => {
    const classes = ["star-forming", "composite", "active"] as const;
    const lines = ["HALPHA_EW", "NII6584_EW", "HBETA_EW", "OIII5007_EW"] as const;
    const fractions = (of: (label: Label, i: number) => { value: number; error: number }): number[] => {
      const found = desi.z.flatMap((_, i) => {
        const four = lines.map((label) => of(label, i));
        if (four.some(({ value, error }) => !(value > 3 * error))) return [];
        const [halpha, nii, hbeta, oiii] = four.map(({ value }) => value);
        return [ionisation(Math.log10(nii / halpha), Math.log10(oiii / hbeta))];
      });
      expect(found.length).toBeGreaterThan(1000);
      return classes.map((name) => found.filter((one) => one === name).length / found.length);
    };
    const theirs = fractions((label, i) => ({ value: desi.widths[label][i], error: desi.errors[label][i] }));
    const ours = fractions((label, i) => noisy[label][i]);
    ours.forEach((fraction, j) => expect(Math.abs(fraction - theirs[j]), classes[j]).toBeLessThan(0.06));
    expect(Math.min(...ours)).toBeGreaterThan(0.02);
  });

  test("line ratios at a given width of Halpha: [NII]/Halpha within 0.15 dex, the decrement within 20 %", () => {
    for (const [low, high] of [
      [5, 15],
      [15, 40],
      [40, 400],
    ]) {
      const ratios = (top: Label, bottom: Label, of: (label: Label, i: number) => number): number =>
        quantile(
          desi.z.flatMap((_, i) => {
            const [halpha, ratio] = [of("HALPHA_EW", i), of(top, i) / of(bottom, i)];
            return halpha > low && halpha < high && ratio > 0 ? [Math.log10(ratio)] : [];
          }),
          0.5,
        );
      const theirs = (label: Label, i: number): number => desi.widths[label][i];
      const ours = (label: Label, i: number): number => noisy[label][i].value;
      const n2 = [theirs, ours].map((of) => ratios("NII6584_EW", "HALPHA_EW", of));
      const decrement = [theirs, ours].map((of) => ratios("HALPHA_EW", "HBETA_EW", of));
      expect(Math.abs(n2[1] - n2[0]), `${low} A`).toBeLessThan(0.15);
      expect(Math.abs(decrement[1] - decrement[0]), `${low} A`).toBeLessThan(Math.log10(1.2));
    }
  });
});

withData("ecalifa")("labels against eCALIFA, galaxies of the same masses", () => {
  const SOLAR = 0.017;
  /** pyPipe3D's ages and metallicities are means of logarithms, weighted by mass. */
  function logarithmicMeans(galaxy: ReturnType<typeof drawGalaxy>, mix: ReturnType<typeof mixOf>): [number, number] {
    let [mass, age, metallicity] = [0, 0, 0];
    for (let i = 0; i < N_AGE; i++) {
      const oldest = Math.min(AGE_EDGES[i + 1], Math.max(galaxy.history.start, AGE_EDGES[i] + 1e-3));
      const [node, fraction] = [mix.nodes[i], mix.fractions[i]];
      mass += mix.formed[i];
      age += mix.formed[i] * Math.log10((AGE_EDGES[i] + oldest) / 2);
      metallicity += mix.formed[i] * ((1 - fraction) * METALLICITIES[node] + fraction * METALLICITIES[node + 1]);
    }
    return [age / mass, metallicity / mass];
  }

  async function readTruth(): Promise<Record<string, number[]>> {
    const file = await openFits(at("ecalifa/galaxies_properties.fits"));
    const { columns } = await readAll(await file.hdus[1].table());
    await file.close();
    const column = (name: string): number[] =>
      Array.from(columns.find((one) => one.name === name)?.data as ArrayLike<number>, Number);
    const [mass, sfr, metallicity] = ["lMass_int", "lSFR", "met_MW_int"].map(column);
    const keep = mass.flatMap((value, i) =>
      value > 8.5 && value < 11.6 && Number.isFinite(sfr[i]) && metallicity[i] > 0 ? [i] : [],
    );
    const pick = (values: readonly number[]): number[] => keep.map((i) => values[i]);
    return {
      z: pick(column("z")),
      mass: pick(mass),
      LOGZ: pick(metallicity).map((value) => Math.log10(value / SOLAR)),
      AGE: pick(column("Age_MW_int")).map(Math.log10),
      AV: pick(column("Av_int")),
      LOGSFR: pick(sfr),
      // the column is log10 |EW|
      HALPHA: pick(column("WHa_int")).map(Math.abs),
    };
  }

  /** Three galaxies for each. */
  function simulateLabels(truth: Record<string, number[]>): Record<string, number[]> {
    const [z, mass] = [truth.z, truth.mass].map((values) => [...values, ...values, ...values]);
    const [rng, work, templates] = [createRng("ecalifa"), createSpectrum(), createTemplates(0.1)];
    const [from, to] = [Math.floor(gridIndex(3600)), Math.ceil(gridIndex(6800))];
    const rows = z.map((redshift, i) => {
      const galaxy = drawGalaxy(rng, Math.max(redshift, 0.003), mass[i]);
      const mix = mixOf(galaxy);
      synthesise(work, templates, galaxy, mix, from, to);
      const [AGE, LOGZ] = logarithmicMeans(galaxy, mix);
      const LOGSFR = Math.log10(Math.max(mix.rate, 10 ** (mass[i] - 14)));
      return { AGE, LOGZ, AV: galaxy.avStars, LOGSFR, HALPHA: Math.log10(equivalentWidths(work)[0]) };
    });
    const column = (name: keyof (typeof rows)[number]): number[] => rows.map((row) => row[name]);
    return {
      mass,
      AGE: column("AGE"),
      LOGZ: column("LOGZ"),
      AV: column("AV"),
      LOGSFR: column("LOGSFR"),
      HALPHA: column("HALPHA"),
    };
  }

  const bins = [
    [8.5, 9.5],
    [9.5, 10],
    [10, 10.5],
    [10.5, 11],
    [11, 11.6],
  ] as const;
  const medians = (one: Record<string, number[]>, name: string, isWanted: (i: number) => boolean): number[] =>
    bins.map(([low, high]) =>
      quantile(
        one[name].filter(
          (value, i) => one.mass[i] > low && one.mass[i] < high && Number.isFinite(value) && isWanted(i),
        ),
        0.5,
      ),
    );

  test("median metallicity, age and attenuation at each mass; star formation of galaxies with EW(Halpha) > 6 A", async () => {
    const theirs = await readTruth();
    const ours = simulateLabels(theirs);
    expect(theirs.mass.length).toBeGreaterThan(800);
    for (const [name, margin] of [
      ["LOGZ", 0.15],
      ["AGE", 0.2],
      ["AV", 0.3],
    ] as const) {
      const [a, b] = [theirs, ours].map((one) => medians(one, name, () => true));
      a.forEach((value, j) => expect(Math.abs(value - b[j]), `${name} at ${bins[j].join(" - ")}`).toBeLessThan(margin));
    }
    const [a, b] = [theirs, ours].map((one) => medians(one, "LOGSFR", (i) => one.HALPHA[i] > Math.log10(6)));
    a.forEach((value, j) => expect(Math.abs(value - b[j]), `SFR at ${bins[j].join(" - ")}`).toBeLessThan(0.3));
  });

  test("rank correlations have the observed sign, within 0.37 of the observed value", async () => {
    const theirs = await readTruth();
    const ours = simulateLabels(theirs);
    const specific = ({ LOGSFR, mass }: Record<string, number[]>): number[] => LOGSFR.map((rate, i) => rate - mass[i]);
    const relations: Record<string, (one: Record<string, number[]>) => readonly [number[], number[]]> = {
      "mass - metallicity": (one) => [one.mass, one.LOGZ],
      "mass - age": (one) => [one.mass, one.AGE],
      "mass - A_V": (one) => [one.mass, one.AV],
      "A_V - specific rate": (one) => [one.AV, specific(one)],
      "A_V - rate": (one) => [one.AV, one.LOGSFR],
      "age - specific rate": (one) => [one.AGE, specific(one)],
      "mass - EW(Halpha)": (one) => [one.mass, one.HALPHA],
      "mass - rate of star-forming galaxies": (one) => [
        one.mass,
        one.LOGSFR.map((rate, i) => (one.HALPHA[i] > Math.log10(6) ? rate : Number.NaN)),
      ],
    };
    for (const [name, of] of Object.entries(relations)) {
      const [observed, simulated] = [theirs, ours].map((one) => spearman(...of(one)));
      expect(Math.sign(simulated), name).toBe(Math.sign(observed));
      expect(Math.abs(simulated - observed), `${name}: ${observed.toFixed(2)}, ${simulated.toFixed(2)}`).toBeLessThan(
        0.37,
      );
    }
  });
});
