import { join } from "node:path";
import { createRng, readWholeCatalog, select, simulate, State } from "../../dist/index.js";
import { allRows } from "../../dist/survey/catalog.js";

/** Galaxies that a network trained at home is asked about: fewer than `rows` of each set, or as many. */

/**
 * Median S/N and number of bands below which a real spectrum tells more of its own noise, and of a redshift found by other
 * means, than of networks; redshifts of which a network knows.
 */
const LEAST_SNR = 10;
const LEAST_BANDS = 35;
const REDSHIFTS = [0.005, 1.2];

/** A smooth distortion: waves in ln(lambda), rest frame, that are this long [smallest, largest], and this large together. */
const WAVES = 5;
const LENGTHS = [0.05, 0.6];
const DISTORTION = 0.04;
/** So many bands of the survey have another zero-point, 1 sigma [mag]. */
const SHIFTED = 10;
const SHIFT = 0.1;

const bandsOf = (fields) => fields.flatMap(({ band }, j) => (band === undefined ? [] : [{ j, pivot: band.pivot }]));

/** Evenly spaced rows, at most `most`. */
const thin = (rows, most) =>
  rows.length <= most
    ? rows
    : Array.from({ length: most }, (_, i) => rows[Math.floor(((i + 0.5) * rows.length) / most)]);

/** Rows with a redshift that networks know, and bands enough to tell it. */
function usable({ fields, value, error, state, rowCount }) {
  const n = fields.length;
  const bands = bandsOf(fields);
  const z = fields.findIndex(({ kind }) => kind === "redshift");
  return Array.from({ length: rowCount }, (_, row) => row).filter((row) => {
    const ratios = bands.flatMap(({ j }) => {
      const at = row * n + j;
      return state[at] === State.measured ? [value[at] / error[at]] : [];
    });
    const redshift = value[row * n + z];
    ratios.sort((a, b) => a - b);
    return (
      ratios.length >= LEAST_BANDS &&
      ratios[ratios.length >> 1] >= LEAST_SNR &&
      redshift > REDSHIFTS[0] &&
      redshift < REDSHIFTS[1]
    );
  });
}

/** The galaxies with spectra that no simulation has and zero-points that nobody was told of; errors keep their S/N. */
function distorted(catalog) {
  const copy = select(catalog, allRows(catalog));
  const { fields, value, error, rowCount } = copy;
  const n = fields.length;
  const bands = bandsOf(fields);
  const z = fields.findIndex(({ kind }) => kind === "redshift");
  const survey = createRng("shifted bands");
  const offset = new Float64Array(n);
  for (let k = 0; k < SHIFTED; k++) offset[bands[survey.integer(bands.length)].j] = SHIFT * survey.normal();
  for (let row = 0; row < rowCount; row++) {
    const rng = createRng(`distorted ${row}`);
    const stretch = 1 + value[row * n + z];
    const waves = Array.from({ length: WAVES }, () => ({
      size: DISTORTION * Math.sqrt(2 / WAVES) * rng.normal(),
      length: LENGTHS[0] * (LENGTHS[1] / LENGTHS[0]) ** rng.uniform(),
      phase: 2 * Math.PI * rng.uniform(),
    }));
    for (const { j, pivot } of bands) {
      const place = 2 * Math.PI * Math.log(pivot / stretch);
      const wave = waves.reduce((sum, one) => sum + one.size * Math.sin(place / one.length + one.phase), 0);
      const factor = Math.exp(wave) * 10 ** (-0.4 * offset[j]);
      value[row * n + j] *= factor;
      error[row * n + j] *= factor;
    }
  }
  return copy;
}

/**
 * Sets by title. `home`: what training saw. `other universe`: MIUSCAT's stars, one attenuation law, no nebular continuum, one
 * metallicity for all stars, J-NEP's depths, more galaxies at high redshift. Real spectra: three SDSS galaxies and those of
 * FORS2, in the bands they cover, where they are and moved; theirs is the light of a fibre and of a slit. All but `home` and `distorted` through measured curves.
 */
export async function abroadSets({ survey, data, folder, rows }) {
  const made = async (name, request) => {
    const out = join(folder, `${name}.parquet`);
    await simulate({ survey: survey.name, seed: name, out, ...request });
    const { catalog } = await readWholeCatalog(out, survey);
    return catalog;
  };
  const filters = join(data, "filters");
  const home = await made("home", { n: rows });
  const universe = await made("universe", {
    survey: "jnep",
    n: rows,
    filters,
    ssp: [join(data, "miuscat-ssp")],
    physics: { attenuation: "calzetti", enrichment: 0, nebularContinuum: false },
    redshift: { median: 0.45 },
  });
  const sdss = [join(data, "sdss-spectra")];
  const fors2 = [join(data, "fors2-spectra/fors2-spectra.fits.gz")];
  const observed = async (name, options) => {
    // as many rows of the few SDSS galaxies as a quarter of all
    const draws = Math.ceil(rows / 12);
    const near = await made(`${name}-sdss`, { spectra: sdss, filters, draws, ...options });
    const far = await made(`${name}-fors2`, { spectra: fors2, filters, draws: 3, ...options });
    return [near, far];
  };
  const some = (catalog, most = rows) => select(catalog, thin(usable(catalog), most));
  const [nearby, distant] = await observed("real", {});
  const [nearbyMoved, distantMoved] = await observed("moved", { observed: { moveRedshift: [0.05, 0.8] } });
  return {
    home,
    "distorted home": distorted(home),
    "other universe": universe,
    "SDSS spectra": some(nearby, Math.ceil(rows / 4)),
    "FORS2 spectra": some(distant),
    "SDSS spectra, moved": some(nearbyMoved, Math.ceil(rows / 4)),
    "FORS2 spectra, moved": some(distantMoved),
  };
}
