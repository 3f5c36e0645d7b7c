import { dividingLine, kauffmann2003 } from "../../src/report/bpt.ts";
import type { figures } from "../../src/report/figures.ts";
import { createRng } from "../../src/random.ts";

type Examples = { [K in keyof typeof figures]: Parameters<(typeof figures)[K]["draw"]>[0] };

/** Made-up but realistic data for every figure of the table: a figure without an example doesn't compile. */
export function createExamples(n: number): Examples {
  const rng = createRng("figures");
  const draw = (f: (i: number) => number, length = n) => Float64Array.from({ length }, (_, i) => f(i));
  const zSpec = draw(() => 0.05 + 0.25 * Math.abs(rng.normal()) + 0.3 * rng.uniform());
  const zPhot = draw(
    (i) => zSpec[i] + (1 + zSpec[i]) * (rng.uniform() < 0.05 ? 0.2 * rng.normal() : 0.01 * rng.normal()),
  );
  const ew = draw(() => Math.exp(3 + 1.3 * rng.normal()) - 3 * rng.uniform());
  const grid = draw((i) => i / 300, 300);
  const bump = (x: number, mean: number, sigma: number) => Math.exp(-0.5 * ((x - mean) / sigma) ** 2) / sigma;
  const bands = draw((i) => 3545 + 100 * i, 58);
  const flux = (w: number) => 60 + 80 / (1 + Math.exp(-(w - 5400) / 300)) + (Math.abs(w - 8745) < 60 ? 70 : 0);
  const steps = draw((i) => 10 * i, 400);
  return {
    pdfs: {
      axis: { label: "redshift" },
      beside: "the library's",
      examples: Array.from({ length: 6 }, (_, i) => {
        const [mean, sigma] = [0.1 + 0.12 * i, 0.004 + 0.008 * i];
        return {
          beside: grid.map((x) => bump(x, mean + 0.3 * sigma, 0.8 * sigma)),
          title: `AEGIS001-${1200 + i}, i = ${(18 + i / 2).toFixed(1)}`,
          grid,
          density: grid.map((x) => bump(x, mean, sigma) + (i % 2) * 0.4 * bump(x, mean + 0.25, 0.02)),
          median: mean,
          truth: mean + sigma * rng.normal(),
        };
      }),
    },
    photoz: { zSpec, zPhot },
    property: {
      truth: ew,
      predicted: ew.map((value) => value + (1.5 + 0.15 * Math.abs(value)) * rng.normal()),
      axis: { label: "EW(Hα)", unit: "Angstrom", scale: "asinh", knee: 3 },
    },
    calibration: {
      series: [
        { label: "Caleido", pit: draw(() => rng.uniform()) },
        { label: "ridge regression", pit: draw(() => Math.min(1, Math.max(0, 0.5 + 0.45 * rng.normal()))) },
        { label: "trainZ (labels only)", pit: draw(() => rng.uniform() ** 0.8) },
      ],
    },
    seds: {
      fluxUnit: "1e-19 erg/s/cm2/A",
      objects: ["blue half given, red half predicted", "every third band hidden"].map((title, k) => ({
        title,
        bands: [1535, 2301, ...bands].map((wavelength, i) => {
          const isGiven = k === 0 ? wavelength < 6500 : i % 3 !== 0;
          const middle = flux(wavelength) + 2 * rng.normal();
          return {
            wavelength,
            flux: flux(wavelength) + 5 * rng.normal(),
            fluxError: 5,
            isGiven,
            ...(isGiven ? {} : { quantiles: [middle - 13, middle - 8, middle, middle + 8, middle + 14] as const }),
          };
        }),
      })),
    },
    latent: {
      x: zSpec,
      y: zSpec.map((z, i) => z * z + 0.1 * (zPhot[i] - z)),
      panels: [
        { title: "redshift", values: zSpec },
        { title: "EW(Hα)", unit: "Angstrom", values: ew.map((value, i) => (i % 7 === 0 ? Number.NaN : value)) },
        {
          title: "star formation",
          values: ew.map((value) => Number(value > 20)),
          classes: ["quenched", "star-forming"],
        },
        { title: "photometric redshift", values: zPhot },
      ],
      caption: "Principal components of the states of knowledge.",
    },
    occlusion: {
      title: "AEGIS001-1200",
      wanted: "redshift",
      bars: Array.from(bands, (wavelength, i) => ({
        name: `J${Math.round(wavelength / 10)}`,
        from: wavelength - 70,
        to: wavelength + 70,
        shift: 0.3 * rng.normal(),
        divergence: i === 20 ? 1.5 : 0.02 * rng.uniform(),
      })),
    },
    answered: {
      fluxUnit: "1e-19 erg/s/cm2/A",
      objects: ["given bands", "given a blue window"].map((title, k) => {
        const wavelength = draw((i) => 6450 * (18_000 / 6450) ** (i / 191), 192);
        const isGap = (w: number) => (w > 13_500 && w < 14_520) || (k === 1 && w < 9000);
        const clean = wavelength.map((w) => (isGap(w) ? NaN : flux(w / 1.6)));
        const sigma = wavelength.map((w) => 4 + w / 2500);
        return {
          title,
          wavelength,
          clean,
          flux: clean.map((x, i) => x + sigma[i] * rng.normal()),
          fluxError: sigma,
          quantiles: [-1.64, -1, 0, 1, 1.64].map((u) => clean.map((x, i) => x * 0.97 + u * sigma[i])) as never,
        };
      }),
    },
    strange: {
      fluxUnit: "1e-19 erg/s/cm2/A",
      objects: ["a: one band twice too bright", "b: as expected"].map((title, k) => ({
        title,
        bands: Array.from(bands, (wavelength, i) => {
          const observed = flux(wavelength) * (k === 0 && i === 20 ? 2 : 1) + 5 * rng.normal();
          const middle = flux(wavelength);
          return {
            wavelength,
            flux: observed,
            fluxError: 5,
            quantiles: [middle - 8, middle - 5, middle, middle + 5, middle + 8] as const,
            deviation: (observed - middle) / 7,
          };
        }),
      })),
    },
    loss: {
      train: { step: steps, value: steps.map((s) => -0.8 + 3 * Math.exp(-s / 500) + 0.12 * rng.normal()) },
      validation: {
        step: steps.filter((_, i) => i % 25 === 24),
        value: steps.filter((_, i) => i % 25 === 24).map((s) => -0.75 + 2.9 * Math.exp(-s / 500)),
      },
      learningRate: {
        step: steps,
        value: steps.map((s) => 2e-3 * Math.min(1, s / 200) * (0.5 + 0.5 * Math.cos((Math.PI * s) / 4000))),
      },
    },
    comparison: {
      panels: [
        { title: "redshift σ_NMAD", better: "low" as const, values: [0.0135, 0.06, 0.022, 0.0042, 0.121] },
        { title: "log M* CRPS [dex]", better: "low" as const, values: [0.061, 0.09, 0.083, 0.055, 0.31] },
        { title: "coverage of the 68 % interval", better: 0.68, values: [0.675, 0.71, 0.62, 0.55, 0.68] },
        { title: "|Δz| < 0.003", better: "high" as const, values: [0.22, 0.04, 0.12, 0.41, 0.01] },
      ].map(({ title, better, values }) => ({
        title,
        better,
        rows: ["Caleido", "ridge regression", "nearest neighbours", "MLP, full bands", "trainZ (labels only)"].map(
          (method, i) => ({ method, value: values[i], low: values[i] * 0.95, high: values[i] * 1.06 }),
        ),
      })),
    },
    gaps: {
      panels: ["z", "LOGM", "HALPHA_EW"].map((name, k) => ({
        title: `${name}: CRPS above the library's [%]`,
        rows: ["all 60 bands", "every second narrow band", "red 27", "broad only"].map((context, i) => {
          const value = 30 - 12 * k + 9 * ((i * 2) % 3) - 8;
          return { context, value, low: value - 6, high: value + 7 };
        }),
      })),
    },
    consistency: {
      rows: 256,
      limit: 0.02,
      pairs: ["z, LOGM", "z, HALPHA_EW", "OIII5007_EW, NII6584_EW"].map((name, i) => {
        const [orders, given] = [0.031 - 0.014 * i, i === 2 ? Number.NaN : 0.3 - 0.35 * i];
        return {
          name,
          orders: { value: orders, low: orders - 0.01, high: orders + 0.01 },
          given: { value: given, low: given - 0.08, high: given + 0.08 },
        };
      }),
    },
    trend: {
      axis: { label: "rSDSS magnitude", unit: "AB" },
      at: [18, 19.5, 20.5, 21.5, 22.25],
      counts: [62, 240, 803, 910, 1200],
      panels: ["sigma_NMAD", "outliers", "CRPS", "68 % coverage"].map((label, k) => ({
        axis: { label: `z: ${label}`, scale: k < 3 ? ("log" as const) : ("linear" as const) },
        ...(k === 3 ? { reference: 0.68 } : {}),
        series: ["caleido", "library", "ridge"].map((method, m) => ({
          label: method,
          points: [0, 1, 2, 3, 4].map((i) => {
            const value = k === 3 ? 0.66 + 0.01 * m + 0.004 * i : 0.002 * 2 ** i * (1 + 2 * m);
            return i === 0 && m === 2 ? undefined : { value, low: 0.93 * value, high: 1.08 * value };
          }),
        })),
      })),
    },
    coverage: {
      levels: [0.68, 0.9],
      columns: ["all 60 bands", "every second narrow band", "30 random bands", "blue 27", "red 27", "broad only"],
      rows: ["z", "LOGM", "LOGZ", "HALPHA_EW"].map((label, r) => ({
        label,
        cells: [0, 1, 2, 3, 4, 5].map((c) =>
          r === 2 && c === 5
            ? undefined
            : {
                rows: c === 4 ? 60 : 800,
                coverage: [0.68 + 0.03 * (((r + 3 * c) % 9) - 4), 0.9 + 0.012 * (((r + 2 * c) % 9) - 4)],
              },
        ),
      })),
      least: 100,
      across: "what is given",
    },
    selection: {
      right: "|Δz| ≤ 0.03 (1 + z)",
      rows: 2500,
      share: 0.8,
      curves: ["trust score", "odds"].map((label, k) => {
        const t = Array.from({ length: 101 }, (_, i) => i / 100);
        const rightKept = t.map((x) => x ** (0.2 + 0.1 * k));
        return {
          label,
          wrongKept: t,
          rightKept,
          purity: t.map((x, i) => (i === 0 ? 1 : (0.8 * rightKept[i]) / (0.8 * rightKept[i] + 0.2 * x))),
          area: 1 / (1.2 + 0.1 * k),
          purity90: 0.95 - 0.02 * k,
        };
      }),
    },
    corner: {
      fields: [
        { label: "redshift" },
        { label: "log M*", unit: "dex" },
        { label: "EW(Hα)", unit: "Angstrom", scale: "asinh", knee: 3 },
        { label: "A_V", unit: "mag" },
      ],
      samples: jointSamples(n),
      truth: [0.31, 10.4, 22, 0.6],
    },
    adaptation: {
      variants: ["zero-shot", "target labels only", "adapted"],
      metrics: [
        { title: "redshift σ_NMAD", values: [0.0058, 0.0042, 0.019] },
        { title: "redshift CRPS", values: [0.00581, 0.00416, 0.0191] },
        { title: "log M* NMAD [dex]", values: [0.18, 0.2, 0.12] },
        { title: "EW(Hα) CRPS [Å]", values: [9.1, 8.4, 6.2] },
      ],
      zeroPoints: {
        wavelength: bands,
        truth: bands.map((_, i) => 0.04 * Math.sin(i * 7.7)),
        recovered: bands.map((_, i) => 0.04 * Math.sin(i * 7.7) + 0.006 * rng.normal()),
        error: bands.map(() => 0.007),
      },
    },
    stack: {
      axis: { label: "redshift" },
      at: Array.from({ length: 151 }, (_, i) => i / 100),
      sum: Array.from({ length: 151 }, (_, i) => 400 * (i / 50) ** 2 * Math.exp(-((i / 50) ** 1.5))),
      error: Array.from({ length: 151 }, (_, i) => 20 * Math.sqrt((i / 50) ** 2 * Math.exp(-((i / 50) ** 1.5)))),
      rowCount: 240,
    },
    histogram: {
      panels: [
        {
          axis: { label: "redshift" },
          series: [
            { label: "simulated", values: zSpec },
            { label: "observed", values: [0.2, 0.3, 0.4, 0.5], weights: [3, 5, 4, 1] },
          ],
        },
        {
          title: "EW(Hα)",
          axis: { label: "EW(Hα)", unit: "Angstrom", scale: "log" },
          series: [
            { label: "simulated", values: ew },
            { label: "observed", values: ew.map((value) => value * Math.exp(0.3 * rng.normal())) },
          ],
        },
      ],
    },
    scatter: {
      xAxis: { label: "log [NII]6584/Hα" },
      yAxis: { label: "log [OIII]5007/Hβ" },
      samples: [
        { label: "simulated", x: draw(() => -0.4 + 0.35 * rng.normal()), y: draw(() => 0.1 + 0.5 * rng.normal()) },
        {
          label: "observed",
          x: draw(() => -0.5 + 0.3 * rng.normal(), 600),
          y: draw(() => 0.1 + 0.4 * rng.normal(), 600),
        },
      ],
      lines: [
        { label: "Kauffmann et al. 2003", ...dividingLine(kauffmann2003) },
        { label: "complete above", x: [-1, 0], y: [-0.5, 0.5], only: "simulated" },
      ],
    },
    bandLines: {
      wavelength: bands,
      axis: { label: "median signal-to-noise ratio", scale: "log" },
      series: [17.5, 19.5, 21.5].map((mag) => {
        const value = bands.map((w) => 400 * 10 ** (-0.4 * (mag - 17)) * (flux(w) / 100) * (1 + 0.1 * rng.normal()));
        return { label: `i = ${mag}`, value, low: value.map((v) => v / 1.4), high: value.map((v) => v * 1.4) };
      }),
      isAlone: Array.from(bands, (_, i) => i % 20 === 3),
      reference: 5,
    },
    bandStates: {
      bands: Array.from(bands, (w) => `J${Math.round(w / 10)}`),
      states: [
        { label: "measured", fraction: bands.map((_, i) => 0.95 - 0.2 * ((i * 7) % 3)) },
        { label: "missing", fraction: bands.map((_, i) => 0.05 + 0.2 * ((i * 7) % 3)) },
      ],
    },
    advice: {
      wanted: "z",
      unit: "",
      widthNow: 0.08,
      rows: 20,
      bars: Array.from(bands, (w, i) => ({
        name: `J${Math.round(w / 10)}`,
        group: i % 7 === 3 ? "broad" : "narrow",
        gain: 1 / (1 + i / 4),
        gainError: 0.03,
        width: 0.08 * (1 - 0.6 / (1 + i / 4)),
        widthError: 0.002,
        ...(i % 2 === 0 ? { realised: { gain: 1 / (1 + i / 4) + 0.05 * rng.normal(), error: 0.05 } } : {}),
      })),
    },
    spectra: {
      fluxUnit: "1e-19 erg/s/cm2/A",
      objects: [0.7, 1.4].map((z) => {
        const wavelength = Float64Array.from({ length: 4000 }, (_, i) => 6500 * 1.0003 ** i);
        const clean = wavelength.map((at) => 20 + 150 * Math.exp(-0.5 * ((at - 5008 * (1 + z)) / 8) ** 2));
        const sigma = wavelength.map((at, i) => (at > 13_500 && at < 14_500 ? Number.NaN : i % 90 === 0 ? 40 : 6));
        return {
          title: `z = ${z}`,
          wavelength,
          clean,
          sigma,
          flux: clean.map((value, i) => value + (sigma[i] || 0) * rng.normal()),
          lines: [{ label: "[OIII]", wavelength: 5008 * (1 + z) }],
        };
      }),
    },
    photometry: {
      fluxUnit: "1e-19 erg/s/cm2/A",
      objects: [18, 20, 22].map((mag) => ({
        title: `i = ${mag}`,
        bands: [1535, 2301, ...bands].map((wavelength, i) => ({
          wavelength,
          edges: i % 20 === 5 ? [wavelength - 600, wavelength + 600] : [wavelength - 70, wavelength + 70],
          flux: flux(wavelength) * 10 ** (-0.4 * (mag - 18)) + 3 * rng.normal(),
          fluxError: 3,
          state: i === 0 ? "limit" : i === 1 ? "nonDetection" : "measured",
          isBroad: i % 20 === 5,
        })),
      })),
    },
  };
}

function jointSamples(n: number): Float64Array {
  const rng = createRng("joint");
  const out = new Float64Array(4 * n);
  for (let i = 0; i < n; i++) {
    const [a, b, c, d] = [rng.normal(), rng.normal(), rng.normal(), rng.normal()];
    out.set(
      [0.31 + 0.012 * a, 10.4 + 0.12 * (0.7 * a + 0.7 * b), 20 + 6 * c - 3 * b, 0.6 + 0.2 * (0.8 * d + 0.5 * b)],
      4 * i,
    );
  }
  return out;
}
