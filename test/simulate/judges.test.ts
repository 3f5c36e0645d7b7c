import { beforeAll, expect, test } from "vitest";
import { readAll } from "../../src/io/columns.ts";
import { openFits } from "../../src/io/fits.ts";
import { createRng } from "../../src/random.ts";
import { ionisation } from "../../src/report/bpt.ts";
import { ksDistance } from "../../src/report/statistics.ts";
import { gridIndex } from "../../src/simulate/grid.ts";
import { LINE_NAMES } from "../../src/simulate/lines.ts";
import { createPassband, magnitudeOfFlux } from "../../src/simulate/passband.ts";
import { imfShift } from "../../src/survey/imf.ts";
import { drawGalaxy } from "../../src/simulate/population.ts";
import { AGE_EDGES, N_AGE } from "../../src/simulate/sfh.ts";
import { createSpectrum, createTemplates, METALLICITIES, mixOf, synthesise } from "../../src/simulate/synthesis.ts";
import { equivalentWidths } from "../../src/simulate/widths.ts";
import { at, withData } from "./data.ts";
import {
  fibreLoss,
  type Label,
  LABEL_NAMES,
  matchTo,
  observeAsDesi,
  readDesi,
  type Sample,
  simulateSample,
} from "./desi-sample.ts";
import { quantile, spearman } from "./statistics.ts";

withData("desi-bgs-ew")("emission lines against DESI BGS at matched luminosity and redshift", () => {
  let desi: ReturnType<typeof readDesi>;
  let simulation: Sample;
  let matched: number[];
  /** Simulated widths with errors as DESI's, [line][galaxy]: value and 1 sigma. */
  let noisy: ReturnType<typeof observeAsDesi>;

  beforeAll(() => {
    const rng = createRng("desi");
    desi = readDesi("tuned");
    simulation = simulateSample();
    matched = matchTo(desi, simulation, rng);
    noisy = observeAsDesi(desi, simulation, matched, rng);
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
    const shifted = (name: string, of: "mass" | "rate"): number[] =>
      column(name).map((x) => x + imfShift("salpeter", "kroupa", of));
    const [mass, sfr] = [shifted("lMass_int", "mass"), shifted("lSFR", "rate")];
    const metallicity = column("met_MW_int");
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
      COLOUR: pick(column("g-r")),
      DECREMENT: keep.map((i) => {
        const [halpha, hbeta, error] = ["F_6563_int", "F_4861_int", "e_F_4861_int"].map((name) => column(name)[i]);
        return hbeta > 5 * error ? Math.log10(halpha / hbeta) : Number.NaN;
      }),
    };
  }

  /** Three galaxies for each. */
  function simulateLabels(truth: Record<string, number[]>): Record<string, number[]> {
    const [z, mass] = [truth.z, truth.mass].map((values) => [...values, ...values, ...values]);
    const [rng, work, templates] = [createRng("ecalifa"), createSpectrum(), createTemplates(0.1)];
    const [from, to] = [Math.floor(gridIndex(3600)), Math.ceil(gridIndex(7100))];
    const [g, r] = [
      [3950, 5400],
      [5620, 6890],
    ].map(([low, high]) => createPassband("hat", { transmission: () => 1, range: [low, high] }));
    const magnitude = (band: typeof g): number =>
      magnitudeOfFlux(
        band.weights.reduce((sum, weight, j) => sum + weight * work.stars[band.first + j], 0),
        band.pivot,
      );
    const rows = z.map((redshift, i) => {
      const galaxy = drawGalaxy(rng, Math.max(redshift, 0.003), mass[i]);
      const mix = mixOf(galaxy);
      synthesise(work, templates, galaxy, mix, from, to);
      const [AGE, LOGZ] = logarithmicMeans(galaxy, mix);
      const LOGSFR = Math.log10(Math.max(mix.rate, 10 ** (mass[i] - 14)));
      const [halpha, hbeta] = (["Halpha", "Hbeta"] as const).map((name) => work.lines[LINE_NAMES.indexOf(name)]);
      const HALPHA = Math.log10(equivalentWidths(work)[0]);
      const [COLOUR, DECREMENT] = [magnitude(g) - magnitude(r), Math.log10(halpha / hbeta)];
      return { AGE, LOGZ, AV: work.av, LOGSFR, HALPHA, COLOUR, DECREMENT };
    });
    const column = (name: keyof (typeof rows)[number]): number[] => rows.map((row) => row[name]);
    return {
      mass,
      AGE: column("AGE"),
      LOGZ: column("LOGZ"),
      AV: column("AV"),
      LOGSFR: column("LOGSFR"),
      HALPHA: column("HALPHA"),
      COLOUR: column("COLOUR"),
      DECREMENT: column("DECREMENT"),
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

  test("how colour changes with EW(Halpha), within 0.1 mag; scatter of A_V at a given mass between 0.6 and 1.6 of the observed", async () => {
    const theirs = await readTruth();
    const ours = simulateLabels(theirs);
    // the cubes' g ends short of the band's: only differences compare
    const [a, b] = [theirs, ours].map((one) =>
      [
        [0.3, 0.9],
        [0.9, 1.2],
        [1.2, 1.5],
        [1.5, 2],
      ].map(([low, high]) =>
        quantile(
          one.COLOUR.filter((colour, i) => one.HALPHA[i] > low && one.HALPHA[i] < high && Number.isFinite(colour)),
          0.5,
        ),
      ),
    );
    a.forEach((colour, k) =>
      expect(Math.abs(colour - a[1] - (b[k] - b[1])), `${k}: ${a.join(" ")}; ${b.join(" ")}`).toBeLessThan(0.1),
    );
    for (const [low, high] of bins.slice(0, 4)) {
      const [a, b] = [theirs, ours].map((one) => {
        const found = one.AV.filter((_, i) => one.mass[i] > low && one.mass[i] < high && one.HALPHA[i] > Math.log10(6));
        return quantile(found, 0.84) - quantile(found, 0.16);
      });
      expect(b / a, `${low}: ${a} ${b}`).toBeGreaterThan(0.6);
      expect(b / a, `${low}: ${a} ${b}`).toBeLessThan(1.6);
    }
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
      "colour - EW(Halpha)": (one) => [one.COLOUR, one.HALPHA],
      "A_V - Balmer decrement": (one) => [one.AV, one.DECREMENT],
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
