import { join } from "node:path";
import { createRng, readWholeCatalog, select, simulate, State } from "../../dist/index.js";
import { allRows } from "../../dist/survey/catalog.js";

/** Galaxies as training saw them, and the same with something wrong that nobody tells the network of. */

const bandsOf = (fields) => fields.flatMap(({ band }, j) => (band === undefined ? [] : [{ j, ...band }]));

/** A copy of a catalogue with every row changed; `at` is where the row begins. */
function changed(catalog, change) {
  const copy = select(catalog, allRows(catalog));
  const n = copy.fields.length;
  for (let row = 0; row < copy.rowCount; row++) change(copy, row * n, createRng(`trust ${row}`));
  return copy;
}

function scale({ value, error }, at, factor) {
  value[at] *= factor;
  error[at] *= factor;
}

/** Swapped bands are at least so far apart [Angstrom]. */
const APART = 1500;
/** So many bands have another zero-point, 1 sigma [mag]. */
const SHIFTED = 10;
const SHIFT = 0.1;

/** Each galaxy with half of the red light of the next one on top, in its colours. */
function blended(home) {
  const bands = bandsOf(home.fields);
  const n = home.fields.length;
  const red = bands.find(({ group, pivot }) => group === "broad" && pivot > 6000).j;
  const isThere = (at) => home.state[at] === State.measured;
  return changed(home, (copy, at) => {
    const other = (at + n) % (home.rowCount * n);
    const share = (0.5 * home.value[at + red]) / home.value[other + red];
    if (!isThere(at + red) || !isThere(other + red) || !(share > 0)) return;
    for (const { j } of bands) {
      if (isThere(at + j) && isThere(other + j)) copy.value[at + j] += share * home.value[other + j];
    }
  });
}

/** Light of the same flux density in every band, over the mean of the object's own. */
const STRAY = 0.3;

/** Each galaxy with stray light on top. */
const strayLight = (home) =>
  changed(home, ({ fields, value, state }, at) => {
    const seen = bandsOf(fields).filter(({ j }) => state[at + j] === State.measured);
    const own = seen.reduce((sum, { j }) => sum + value[at + j] / seen.length, 0);
    for (const { j } of seen) value[at + j] += STRAY * own;
  });

/** What can happen to fluxes between a telescope and a table. */
function spoilt(home) {
  const bands = bandsOf(home.fields);
  const optical = bands.filter(({ group }) => group !== "uv");
  const pick = (rng) => optical[rng.integer(optical.length)];
  const all = (factor) =>
    changed(home, (copy, at) => {
      for (const { j } of bands) scale(copy, at + j, factor);
    });
  const survey = createRng("zero-points");
  const offsets = Array.from({ length: SHIFTED }, () => [pick(survey).j, 10 ** (0.4 * SHIFT * survey.normal())]);
  return {
    "two bands swapped": changed(home, (copy, at, rng) => {
      const [a, far] = [pick(rng), (b) => Math.abs(b.pivot - a.pivot) > APART];
      const others = optical.filter(far);
      const b = others[rng.integer(others.length)];
      for (const column of [copy.value, copy.error, copy.state]) {
        [column[at + a.j], column[at + b.j]] = [column[at + b.j], column[at + a.j]];
      }
    }),
    "one band x 2": changed(home, (copy, at, rng) => scale(copy, at + pick(rng).j, 2)),
    "ten zero-points off by 0.1 mag rms": changed(home, (copy, at) => {
      for (const [j, factor] of offsets) scale(copy, at + j, factor);
    }),
    "blended with a neighbour, half as bright": blended(home),
    "stray light, a third as bright": strayLight(home),
    "units x 1000": all(1000),
    "units / 1000": all(1e-3),
  };
}

/** The same objects, all of them called galaxies. */
function calledGalaxies(catalog) {
  const j = catalog.fields.findIndex(({ kind }) => kind === "category");
  return changed(catalog, (copy, at) => {
    copy.value[at + j] = copy.fields[j].classes.indexOf("galaxy");
    copy.error[at + j] = 0;
    copy.state[at + j] = State.measured;
  });
}

/** Home, and what is not home, by title; `seed` makes others. */
export async function trustSets({ survey, folder, rows, seed }) {
  const made = async (name, request) => {
    const out = join(folder, `${seed}-${name}.parquet`);
    await simulate({ survey: survey.name, seed: `${seed} ${name}`, out, ...request });
    return (await readWholeCatalog(out, survey)).catalog;
  };
  const home = await made("home", { n: rows });
  const stars = await made("stars", { n: Math.ceil(rows / 2), kinds: { star: 1 } });
  const quasars = await made("quasars", { n: Math.ceil(rows / 2), kinds: { quasar: 1 } });
  return {
    home,
    ...spoilt(home),
    stars,
    "stars called galaxies": calledGalaxies(stars),
    quasars,
    "quasars called galaxies": calledGalaxies(quasars),
  };
}
