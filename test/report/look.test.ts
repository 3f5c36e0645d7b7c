import { describe, expect, test } from "vitest";
import {
  bandNear,
  comparable,
  magnitudesOf,
  signalToNoise,
  significantValues,
  valuesOf,
} from "../../src/explore/columns.ts";
import { bptFigures, widthFigures } from "../../src/explore/lines.ts";
import { comparisonTable } from "../../src/explore/properties.ts";
import { createSampler, type Sample } from "../../src/explore/sample.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import { State } from "../../src/survey/field.ts";
import { toCatalog } from "../../src/survey/read.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const survey = loadSurvey("minijpas");
const unit = "1e-19 erg/s/cm2/A";

function float(name: string, values: readonly number[], unitOf?: string): Column {
  const data = Float32Array.from(values);
  return { name, type: "float32", width: 1, data, ...(unitOf === undefined ? {} : { unit: unitOf }) };
}

/** Rows with a redshift, one band, an ultraviolet band in every state, and what took bands. */
function tableOf(z: readonly number[]): Table {
  const state = z.map((_, i) => i % 4);
  const columns: Column[] = [
    { name: "object_id", type: "string", width: 1, data: z.map((_, i) => `g${i}`) },
    float("z", z),
    float(
      "iSDSS",
      z.map((_, i) => 10 * (i + 1)),
      unit,
    ),
    float(
      "iSDSS_err",
      z.map(() => 5),
      unit,
    ),
    float(
      "NUV",
      state.map((s) => (s === State.notObserved ? Number.NaN : 2)),
      unit,
    ),
    float(
      "NUV_err",
      state.map((s) => (s === State.notObserved ? Number.NaN : 4)),
      unit,
    ),
    { name: "NUV_state", type: "uint8", width: 1, data: Uint8Array.from(state) },
    { name: "missing_edge", type: "uint8", width: 1, data: Uint8Array.from(z, () => 2) },
  ];
  return { rowCount: z.length, columns, metadata: {} };
}

function sampleOf(z: readonly number[], capacity?: number, label = "made"): Sample {
  const sampler = createSampler(label, survey, "1", capacity);
  sampler.addTable(tableOf(z));
  return sampler.finish();
}

describe("a sample of a table", () => {
  test("counts states, redshifts and what took bands over all rows, whatever it keeps", () => {
    const z = Array.from({ length: 400 }, (_, i) => 0.1005 + 0.001 * (i % 4));
    const sample = sampleOf(z, 50);
    expect([sample.rowCount, sample.catalog.rowCount]).toEqual([400, 50]);
    const nuv = survey.fields.findIndex(({ name }) => name === "NUV");
    expect([...sample.states.subarray(4 * nuv, 4 * nuv + 4)]).toEqual([100, 100, 100, 100]);
    expect([...sample.redshifts.weights]).toEqual([100, 100, 100, 100]);
    sample.redshifts.values.forEach((value, i) => expect(value).toBeCloseTo(0.1005 + 0.001 * i, 6));
    expect([...sample.mechanisms]).toEqual([["edge", 800]]);
  });

  test("is the same whether rows come as a table or as a catalogue, at once or in parts", () => {
    const z = Array.from({ length: 300 }, (_, i) => 0.001 * i + 0.0005);
    const whole = sampleOf(z, 40);
    const other = createSampler("made", survey, "1", 40);
    other.add(toCatalog(tableOf(z), survey).catalog);
    const { catalog, states, redshifts } = other.finish();
    expect(catalog.objectId).toEqual(whole.catalog.objectId);
    expect(catalog.value).toEqual(whole.catalog.value);
    expect(catalog.state).toEqual(whole.catalog.state);
    expect(states).toEqual(whole.states);
    expect(redshifts).toEqual(whole.redshifts);
    const parts = createSampler("made", survey, "1", 40);
    parts.addTable(tableOf(z.slice(0, 140)));
    parts.addTable(tableOf(z.slice(140)));
    expect(valuesOf(parts.finish(), "z")).toEqual(valuesOf(whole, "z"));
  });

  test("keeps early and late rows alike", () => {
    const z = Array.from({ length: 20_000 }, (_, i) => i / 20_000);
    const kept = valuesOf(sampleOf(z, 5000), "z")!;
    const tenths = new Float64Array(10);
    for (const at of kept) tenths[Math.floor(10 * at)]++;
    // 500 expected in each, +- 19
    for (const count of tenths) expect(Math.abs(count - 500)).toBeLessThan(80);
    expect(new Set(kept).size).toBe(5000);
  });

  test("keeps all rows that fit, in order", () => {
    expect(sampleOf([0.3, 0.1, 0.2]).catalog.objectId).toEqual(["g0", "g1", "g2"]);
  });
});

describe("two samples side by side", () => {
  const widths = (factor: number, label: string): Sample => {
    const n = 2000;
    const columns: Column[] = [
      { name: "object_id", type: "string", width: 1, data: Array.from({ length: n }, (_, i) => String(i)) },
      float(
        "z",
        Array.from({ length: n }, (_, i) => 0.1 + (0.1 * ((7 * i) % n)) / n),
      ),
      // log-uniform over a decade
      float(
        "HALPHA_EW",
        Array.from({ length: n }, (_, i) => factor * 10 ** (1 + (i + 0.5) / n)),
        "Angstrom",
      ),
    ];
    const sampler = createSampler(label, survey, "1");
    sampler.addTable({ rowCount: n, columns, metadata: {} });
    return sampler.finish();
  };

  test("widths a factor 10^0.2 apart over a decade are 0.2 apart in the cumulative distribution", () => {
    const [table] = comparisonTable(widths(1, "one"), widths(10 ** 0.2, "other"));
    const [z, halpha] = table.rows;
    expect([z[0], halpha[0]]).toEqual(["z", "HALPHA_EW"]);
    expect(z[4]).toBe(0);
    expect(Math.abs(Number(halpha[4]) - 0.2)).toBeLessThan(0.01);
    const [own, other] = [halpha[2], halpha[3]] as { value: number; low: number; high: number }[];
    expect(Math.abs(Math.log10(own.value) - 1.5)).toBeLessThan(0.01);
    expect(Math.abs(Math.log10(other.value / own.value) - 0.2)).toBeLessThan(0.01);
    expect(Math.abs(Math.log10(own.high / own.low) - 0.68)).toBeLessThan(0.02);
    const [figure] = widthFigures(widths(1, "one"), [widths(10 ** 0.2, "other")]);
    expect(figure.svg).toMatch(/KS 0\.(19|20)\d/);
    expect(figure.svg).toContain("other, z 0.1");
  });
});

describe("line ratios beside a survey with errors", () => {
  const lines = ["HALPHA_EW", "HBETA_EW", "OIII5007_EW", "NII6584_EW"];
  /** Half of the galaxies have strong lines and lie among the star-forming, half weak ones among the active. */
  const sampleWith = (label: string, error: number): Sample => {
    const n = 1000;
    const strengths = { HALPHA_EW: 1, HBETA_EW: 1, OIII5007_EW: 0.5, NII6584_EW: 0.3 } as Record<string, number>;
    const widthOf = (name: string, i: number): number =>
      i % 2 === 0 ? 30 * strengths[name] : ["HALPHA_EW", "HBETA_EW"].includes(name) ? 1 : 4;
    const columns: Column[] = [
      { name: "object_id", type: "string", width: 1, data: Array.from({ length: n }, (_, i) => String(i)) },
      ...lines.flatMap((name) => [
        float(
          name,
          Array.from({ length: n }, (_, i) => widthOf(name, i)),
          "Angstrom",
        ),
        float(
          `${name}_err`,
          Array.from({ length: n }, () => error),
          "Angstrom",
        ),
      ]),
    ];
    const sampler = createSampler(label, survey, "1");
    sampler.addTable({ rowCount: n, columns, metadata: {} });
    return sampler.finish();
  };

  test("weak lines that a simulation knows and nobody would see are left out of the comparison", () => {
    const simulated = sampleWith("simulated", Number.NaN);
    expect(bptFigures(simulated, [])[0].caption).toContain("simulated (1,000 with all four lines): 50 % star-forming");
    const [{ caption }] = bptFigures(simulated, [sampleWith("real", 0.5)]);
    expect(caption).toContain("simulated (500 with all four lines): 100 % star-forming, 0 % composite, 0 % active");
    expect(caption).toContain("real (500 with all four lines): 100 % star-forming");
    expect(caption).toContain("above the median 3σ limits of real, 1.5, 1.5, 1.5, 1.5 Å");
  });
  test("samples that both have errors are taken as they are", () => {
    const [{ caption }] = bptFigures(sampleWith("deep", 0.1), [sampleWith("real", 0.5)]);
    expect(caption).toContain("deep (1,000 with all four lines): 50 % star-forming, 0 % composite, 50 % active");
    expect(caption).not.toContain("limits");
  });
});

describe("arrays of a sample", () => {
  const sample = sampleOf([0.1, 0.2, 0.3, 0.4, 0.5]);
  const band = (name: string): number => survey.fields.findIndex((field) => field.name === name);

  test("magnitudes are AB, of what is significant", () => {
    const { pivot } = survey.fields[band("iSDSS")].band!;
    const magnitudes = magnitudesOf(sample, band("iSDSS"));
    expect(magnitudes[0]).toBeNaN();
    // fnu = flambda pivot^2 / c, 1e-19 erg/s/cm2/A each
    const expected = -2.5 * Math.log10((20e-19 * pivot ** 2) / 2.99792458e18) - 48.6;
    expect(magnitudes[1]).toBeCloseTo(expected, 5);
  });
  test("signal-to-noise counts non-detections, not limits", () => {
    const ratios = [0, 1, 2, 3].map((row) => signalToNoise(sample, row, band("NUV")));
    expect(ratios).toEqual([Number.NaN, 0.5, Number.NaN, 0.5]);
    expect([...significantValues(sample, "iSDSS", 3)!]).toEqual([Number.NaN, 20, 30, 40, 50]);
    expect(valuesOf(sample, "LOGM")).toBeUndefined();
  });
  test("bands are found by wavelength and kind", () => {
    const nameOf = (j: number | undefined) => (j === undefined ? undefined : survey.fields[j].name);
    expect(nameOf(bandNear(sample, 7650, "broad"))).toBe("iSDSS");
    expect(nameOf(bandNear(sample, 6600, "narrow"))).toBe("J0660");
    expect(bandNear(sample, 12_350, "broad")).toBeUndefined();
  });
  test("two samples are cut to the same redshifts where enough is left, and says so", () => {
    const rng = createRng("cut");
    const wide = sampleOf(Array.from({ length: 2000 }, () => rng.uniform()));
    const narrow = sampleOf(
      Array.from({ length: 1001 }, (_, i) => 0.2 + 0.0002 * i),
      undefined,
      "real",
    );
    const slice = comparable(wide, narrow);
    expect(slice.labels).toEqual(["made, z 0.21–0.39", "real, z 0.21–0.39"]);
    expect(slice.otherRows).toEqual(Array.from({ length: 901 }, (_, i) => i + 50));
    const z = valuesOf(wide, "z")!;
    expect(slice.rows.length).toBe(z.filter((at) => at >= 0.21 && at <= 0.39).length);
    const local = comparable(wide, sampleOf([0.01, 0.012], undefined, "local"));
    expect(local.rows.length).toBe(2000);
    expect(local.words).toMatch(/^All redshifts: only \d+ of made share z 0\.01–0\.01 with local/);
  });
});
