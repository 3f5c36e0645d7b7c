import { describe, expect, it } from "vitest";
import { loadSurvey, type Survey, surveyOf } from "../../src/survey/survey.ts";
import { surveySchema } from "../../src/survey/survey-schema.ts";
import { matchFields, matchLines } from "../../src/survey/match.ts";

/** Whose fields are which of a network's. */

interface BandRow {
  readonly name: string;
  readonly at: number;
  readonly width?: number;
  readonly sameAs?: string | null;
}

function surveyWith(bands: readonly BandRow[], properties: readonly object[] = [], fluxUnit = "uJy"): Survey {
  const file = {
    name: "own",
    title: "own",
    fluxUnit,
    fluxRange: [-1e9, 1e9],
    tiles: ["sky"],
    zeroPointError: 0.02,
    bands: bands.map(({ name, at, width = 1000, ...rest }) => ({
      name,
      group: "broad",
      pivot: at,
      edges: [at - width / 2, at + width / 2],
      rise: [50, 50],
      depth: [25],
      ...rest,
    })),
    properties,
  };
  return surveyOf(surveySchema.parse(file), "own.yaml");
}

const redshift = { name: "z", kind: "redshift", description: "redshift", range: [0, 5] };
const flambda = "1e-19 erg/s/cm2/A";
const network = surveyWith(
  [
    { name: "g", at: 4800 },
    { name: "r", at: 6200 },
    { name: "i", at: 7500 },
    { name: "N", at: 6563, width: 100 },
  ],
  [redshift, { name: "MASS", kind: "log", unit: "dex", description: "mass", range: [5, 13] }],
  flambda,
);

/** `own = network (by)`, with `~` where filters are alike and not the same. */
function pairsOf(own: Survey, known: Survey = network): string[] {
  return matchFields(own, known).pairs.map(
    ({ own: i, known: j, by, isNear }) => `${own.fields[i].name} ${isNear ? "~" : "="} ${known.fields[j].name} (${by})`,
  );
}

describe("fields of two surveys", () => {
  it("are paired by name, bands with bands, whatever their places", () => {
    const own = surveyWith(
      [
        { name: "i", at: 7500 },
        { name: "z", at: 9000 },
      ],
      [{ ...redshift, name: "MASS", kind: "log", unit: "dex" }],
    );
    // a band called z is no redshift
    expect(pairsOf(own)).toEqual(["i = i (name)", "MASS = MASS (name)"]);
  });

  it.each([
    { at: 4850, width: 1000, pair: ["G = g (wavelength)"] },
    { at: 4800, width: 1150, pair: ["G = g (wavelength)"] },
    { at: 4855, width: 1000, pair: ["G ~ g (wavelength)"] },
    { at: 4800, width: 1160, pair: ["G ~ g (wavelength)"] },
    { at: 5050, width: 1000, pair: ["G ~ g (wavelength)"] },
    { at: 5055, width: 1000, pair: [] },
    { at: 4800, width: 1510, pair: [] },
    { at: 6563, width: 100, pair: ["G = N (wavelength)"] },
    { at: 6575, width: 100, pair: ["G ~ N (wavelength)"] },
    { at: 6600, width: 100, pair: [] },
  ])("by pivot and width: $width Angstrom at $at", ({ at, width, pair }) => {
    expect(pairsOf(surveyWith([{ name: "G", at, width }]))).toEqual(pair);
  });

  it("by what the survey says, before their names and wavelengths", () => {
    const own = surveyWith([
      { name: "blue", at: 4000, sameAs: "g" },
      { name: "g", at: 4800 },
      { name: "other", at: 6200, sameAs: null },
      { name: "red", at: 7500 },
    ]);
    expect(pairsOf(own)).toEqual(["blue ~ g (sameAs)", "red = i (wavelength)"]);
  });

  it("one to one: a sure one takes its place, what may be several is left out and told", () => {
    const own = surveyWith([
      { name: "a", at: 4810 },
      { name: "b", at: 4700 },
      { name: "c", at: 6190 },
      { name: "d", at: 6210 },
    ]);
    const match = matchFields(own, network);
    expect(pairsOf(own)).toEqual(["a = g (wavelength)"]);
    expect(matchLines(own, network, [0, 1, 2, 3], match)).toEqual([
      "fields of own as the network's: by wavelength a = g",
      'c may be r, as may others: left out; "sameAs" in its row says which',
      'd may be r, as may others: left out; "sameAs" in its row says which',
      "no field of the network, left out: b",
    ]);
    const middle = surveyWith([{ name: "m", at: 6850, width: 1400 }]);
    const wide = surveyWith([
      { name: "r", at: 6600, width: 1400 },
      { name: "i", at: 7100, width: 1400 },
    ]);
    expect([...matchFields(middle, wide).unclear]).toEqual([[0, [0, 1]]]);
  });

  it("fluxes go through the pivot they were measured at, properties by their units", () => {
    const own = surveyWith([{ name: "G", at: 4850 }]);
    const [{ conversion }] = matchFields(own, network).pairs;
    // 1 uJy = 1e-29 erg/s/cm2/Hz; f_lambda = f_nu c / pivot^2
    expect(conversion.factor).toBeCloseTo((1e-29 * 2.99792458e18) / 4850 ** 2 / 1e-19, 12);
    const back = matchFields(network, own).pairs.find(({ own: i }) => network.fields[i].name === "g")!;
    expect(back.conversion.factor).toBeCloseTo((1e-19 * 4800 ** 2) / (1e-29 * 2.99792458e18), 12);
  });

  it("that cannot be one are an error", () => {
    const wrong = (bands: readonly BandRow[], properties: readonly object[] = []): (() => unknown) => {
      return () => matchFields(surveyWith(bands, properties), network);
    };
    expect(wrong([{ name: "g", at: 6200 }])).toThrow(
      "own.yaml: band g is at 6200 Angstrom, 1000 wide, in the checkpoint at 4800 Angstrom, 1000 wide: not the same; " +
        'give it another name, or say "sameAs: g" in its row',
    );
    expect(wrong([{ name: "a", at: 6200, sameAs: "rr" }])).toThrow(
      'own.yaml: a: sameAs: the checkpoint has no field "rr" (did you mean "r"?)',
    );
    expect(
      wrong([
        { name: "a", at: 6200, sameAs: "r" },
        { name: "b", at: 6200, sameAs: "r" },
      ]),
    ).toThrow("own.yaml: a and b are both said to be r; expected one of them");
    const mass = { name: "MASS", kind: "log", unit: "mag", description: "mass", range: [5, 13] };
    expect(wrong([], [mass])).toThrow(
      'field MASS is in "mag", in the checkpoint in "dex"; another field needs another',
    );
    expect(wrong([], [{ ...mass, kind: "linear" }])).toThrow("field MASS is linear, in the checkpoint log");
  });

  it("of the surveys that come with the package: LSST's bands as J-PAS's, every narrow band as itself", () => {
    const [lsst, minijpas] = ["lsst", "minijpas"].map((name) => loadSurvey(name));
    expect(pairsOf(lsst, minijpas)).toEqual([
      "uLSST ~ u (wavelength)",
      "gLSST = gSDSS (wavelength)",
      "rLSST = rSDSS (wavelength)",
      "iLSST ~ iSDSS (wavelength)",
      "yLSST ~ J1007 (wavelength)",
      "z = z (name)",
    ]);
    expect(pairsOf(minijpas, minijpas).filter((pair) => !pair.endsWith("(name)"))).toEqual([]);
    const renamed = minijpas.file.bands.map((row) => ({ ...row, name: `${row.name}_x` }));
    const other = surveyOf({ ...minijpas.file, bands: renamed, layouts: [] }, "other.yaml");
    const again = pairsOf(other, minijpas).filter((pair) => pair.includes("_x"));
    expect(again.map((pair) => pair.replace("_x", ""))).toEqual(
      minijpas.file.bands.map(({ name }) => `${name} = ${name} (wavelength)`),
    );
  });
});
