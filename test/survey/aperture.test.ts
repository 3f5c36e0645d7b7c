import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { simulate } from "../../src/simulate/simulate.ts";
import { apertureOf, checkAperture } from "../../src/survey/aperture.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { prepare } from "../../src/tokens/prepare.ts";

const survey = loadSurvey("minijpas");
let folder: string;
const at = (name: string): string => join(folder, name);
const make = (name: string, input: object): Promise<number> =>
  simulate({ survey: "minijpas", out: at(name), n: 12, workers: 0, redshift: { max: 0.2 }, ...input });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "caleido-aperture-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(["total.parquet", "total.fits", "total.ecsv", "total.arrow", "total.vot"])(
  "%s says that its fluxes are total",
  async (name) => {
    await make(name, {});
    expect(await apertureOf(at(name), survey)).toBe("total");
  },
);

test("apertures are told apart by the seeing, and go into prepared folders; tables of two kinds don't mix", async () => {
  await make("own.parquet", { aperture: { diameter: 3, seeing: "own" } });
  await make("matched.parquet", { aperture: { diameter: 3 } });
  expect(await apertureOf(at("own.parquet"), survey)).toBe("aperture");
  expect(await apertureOf(at("matched.parquet"), survey)).toBe("psf-corrected");
  await prepare({ tables: [at("own.parquet")], survey: "minijpas", out: at("prepared") });
  expect(await apertureOf(at("prepared"), survey)).toBe("aperture");
  await expect(
    prepare({ tables: [at("own.parquet"), at("matched.parquet")], survey: "minijpas", out: at("mixed") }),
  ).rejects.toThrow(
    /matched\.parquet has psf-corrected fluxes, .*own\.parquet has aperture: expected tables of one kind/,
  );
});

test("a network is refused other light than it learned, where both are known", () => {
  const learned = [{ aperture: "total" as const }];
  expect(() => checkAperture("aperture", learned, "cat.fits")).toThrow(
    "cat.fits: aperture fluxes, expected total ones as the network was trained on; --any-aperture asks all the same",
  );
  for (const [asked, on] of [
    ["total", learned],
    [undefined, learned],
    ["aperture", [{}]],
    ["aperture", [...learned, { aperture: "aperture" as const }]],
    ["aperture", []],
  ] as const) {
    expect(() => checkAperture(asked, on, "cat.fits")).not.toThrow();
  }
});

test("layouts of public tables say of what light they are", () => {
  const kinds = Object.fromEntries(survey.layouts.map(({ name, aperture }) => [name, aperture]));
  expect(kinds).toEqual({ "cefca-aper3": "aperture", "cefca-auto": "total", "cefca-psfcor": "psf-corrected" });
});
