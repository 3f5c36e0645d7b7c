import { expect, test } from "vitest";
import { withData } from "./data.ts";
import {
  amplitudeOf,
  correlation,
  flattened,
  matchLibrary,
  passbands,
  realGalaxies,
  type Residual,
} from "./residuals.ts";
import { quantile } from "./statistics.ts";

/** Library's size: more for the numbers that model errors are set from (`CALEIDO_RESIDUALS=20000`), which are then printed. */
const size = Number(process.env.CALEIDO_RESIDUALS ?? 600);
const isReport = process.env.CALEIDO_RESIDUALS !== undefined;
const say = (line: string): void => void (isReport && process.stdout.write(`${line}\n`));

const EDGES = [40, 80, 120, 180, 260, 360, 500, 700, 1000, 1500, 2200] as const;
const percent = (x: number): string => (100 * x).toFixed(1);

function describeSet(title: string, some: readonly Residual[], all: ReturnType<typeof passbands>): number[] {
  const amplitudes = some.map(amplitudeOf);
  const levels = [0.1, 0.25, 0.5, 0.75, 0.9].map((q) => percent(quantile(amplitudes, q)));
  say(`${title}: ${some.length} galaxies, amplitude 10/25/50/75/90 %: ${levels.join(" / ")} %`);
  const found = correlation(some, all, EDGES);
  say(
    `  correlation at rest distance: ${found.map((c, k) => `${EDGES[k]}-${EDGES[k + 1]} A ${c.toFixed(2)}`).join(", ")}`,
  );
  return found;
}

withData(
  "sdss-spectra",
  "fors2-spectra",
  "filters",
)("residuals of real spectra from their best match", () => {
  test("are a few per cent, alike in neighbouring bands", { timeout: 1_200_000 }, async () => {
    const all = passbands();
    const real = await realGalaxies(all);
    const galaxies = isReport ? real : real.filter((_, i) => i % 5 === 0);
    const residuals = matchLibrary(galaxies, all, size);
    const flat = residuals.map((one) => flattened(one, all));
    describeSet("all", residuals, all);
    const correlated = describeSet("without a parabola", flat, all);
    const bySnr = [
      [20, 40],
      [40, 80],
      [80, Infinity],
    ] as const;
    for (const [low, high] of bySnr) {
      const some = flat.filter(({ galaxy: { snr } }) => snr >= low && snr < high);
      if (some.length > 0) describeSet(`S/N ${low} - ${high}, without a parabola`, some, all);
    }
    for (const one of flat.filter(({ galaxy }) => !galaxy.name.startsWith("FORS2"))) {
      say(
        `${one.galaxy.name} z ${one.galaxy.redshift.toFixed(3)}: ${percent(amplitudeOf(one))} %, S/N ${one.galaxy.snr.toFixed(0)}`,
      );
    }
    expect(residuals.length).toBeGreaterThan(20);
    const middle = quantile(residuals.map(amplitudeOf), 0.5);
    expect(middle).toBeGreaterThan(0.005);
    expect(middle).toBeLessThan(0.12);
    // neighbours err alike, bands far apart do not
    expect(correlated[1]).toBeGreaterThan(0.1);
    expect(correlated[1]).toBeGreaterThan(correlated.at(-1)! + 0.1);
  });
});
