import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkXml } from "../report/xml.ts";
import { caleido, expectMistake, newFolder, succeed } from "./cli.ts";

function readPage(folder: string, name: string): string {
  const page = readFileSync(join(folder, name), "utf8");
  checkXml(page.replaceAll(/<meta [^>]*\/>/g, ""));
  expect(page).not.toMatch(/NaN|undefined|Infinity/);
  return page;
}

const captions = (page: string): number => page.split("<figcaption>").length - 1;

describe("simulate and look", () => {
  it("write a page of figures, the same table with it and without it", async () => {
    const folder = newFolder("look");
    const args = ["simulate", "--n", "200", "--seed", "look", "--noise-scale", "1.5"];
    await succeed([...args, "--out", "sims.csv", "--figures", "png"], folder);
    await succeed([...args, "--out", "plain.csv", "--no-report"], folder);
    expect(readFileSync(join(folder, "sims.csv"), "utf8")).toBe(readFileSync(join(folder, "plain.csv"), "utf8"));
    expect(existsSync(join(folder, "plain.html"))).toBe(false);

    const page = readPage(folder, "sims.html");
    expect(page).toContain("caleido simulate --n 200 --seed look --noise-scale 1.5");
    expect(page).toMatch(/14 &lt; rSDSS &lt; 22\.5/);
    expect(page).toContain("200 redshifts");
    for (const words of ["Kewley et al. 2001", "95 % complete", "limiting magnitude", "Why bands are missing"]) {
      expect(page).toContain(words);
    }
    const pictures = readdirSync(join(folder, "png"));
    expect(pictures.length).toBe(captions(page));
    for (const name of ["redshift", "mass-redshift", "photometry", "noise", "depth", "widths", "bpt", "m-sfr"]) {
      expect(pictures.map((file) => file.slice(3))).toContain(`${name}.png`);
    }

    const told = await succeed(["look", "sims.csv", "--beside", "plain.csv"], folder);
    expect(told.stderr).toContain("200 rows");
    const look = readPage(folder, "sims.look.html");
    expect(look).toContain("A look at sims.csv");
    expect(look).toContain("plain.csv");
    // a table beside itself: no distance
    expect(look.match(/KS 0\.000/g)?.length).toBe(5);
    expect(captions(look)).toBe(captions(page) + 1);
  });

  it("show what little a table has", async () => {
    const folder = newFolder("little");
    writeFileSync(join(folder, "z.csv"), "object_id,z\na,0.1\nb,0.2\nc,99\n");
    await succeed(["look", "z.csv", "--out", "pages/z.html"], folder);
    const page = readPage(folder, "pages/z.html");
    expect(captions(page)).toBe(1);
    expect(page).toContain("outside the possible range of z");
    expect(page).toContain("2 redshifts");
  });

  it("looks at one table", async () => {
    expectMistake(await caleido(["look"], newFolder("none")), /look: expected 1 argument, got 0/);
  });

  it.each([
    ["states without a network", ["--latent"], /--latent: expected --checkpoint, a network whose states are shown/],
    ["an object without states", ["--checkpoint", "caleido-jpas", "--object", "a"], /--object: expected --latent/],
    ["what is given without states", ["--given", "bands"], /--given: expected --latent/],
    ["a number of the strange without a network", ["--strangest", "3"], /--strangest: expected --checkpoint/],
  ])("refuses %s", async (_, options, says) => {
    const folder = newFolder("states");
    writeFileSync(join(folder, "z.csv"), "object_id,z\na,0.1\n");
    expectMistake(await caleido(["look", "z.csv", ...options], folder), says);
    expect(existsSync(join(folder, "z.look.html"))).toBe(false);
  });

  it.each([
    ["a table that is not there", ["--beside", "none.csv"], /none\.csv/],
    ["an unknown survey", ["--beside", "z.csv", "--beside-survey", "minijaps"], /"minijaps".*minijpas/],
    ["a survey without a table", ["--beside-survey", "minijpas"], /--beside-survey: expected a table, --beside/],
    [
      "more surveys than tables",
      ["--beside", "z.csv", "--beside-survey", "minijpas", "--beside-survey", "minijpas"],
      /--beside-survey: given 2 times.*once for each of the 1 table/,
    ],
    ["an unknown choice", ["--non-detections", "guess"], /--non-detections: "guess" is not one of "forced", "limit"/],
    ["limits that leave nothing", ["--bright", "23"], /limits in rSDSS leave nothing: brightest 23, faintest 22\.5/],
    ["a value out of range, by the name of its flag", ["--missing-fraction", "2"], /--missing-fraction: .*<=1/],
    ["figures without a page", ["--no-report", "--figures", "png"], /--figures: .*--no-report/],
  ])("refuse %s before they simulate", async (_, options, says) => {
    const folder = newFolder("refuse");
    writeFileSync(join(folder, "z.csv"), "object_id,z\na,0.1\n");
    expectMistake(await caleido(["simulate", "--n", "5", "--out", "sims.csv", ...options], folder), says);
    expect(existsSync(join(folder, "sims.csv"))).toBe(false);
  });
});
