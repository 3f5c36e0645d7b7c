import { readdirSync } from "node:fs";
import { join } from "node:path";
import { loadSurvey, readWholeCatalog, State, writeTable } from "../../dist/index.js";
import { allRows, concat } from "../../dist/survey/catalog.js";
import { splitByParent } from "../../dist/survey/split.js";

/** Real spectra with redshifts that others measured, and the simulations of their instruments. */

export const objectRows = (catalog) => allRows(catalog);

/** Rows with a redshift, a spectrum, and no star: z above .001. */
function withRedshift(catalog) {
  const n = catalog.fields.length;
  const z = catalog.fields.findIndex(({ kind }) => kind === "redshift");
  const pixels = catalog.fields.findIndex(({ kind }) => kind === "spectrum");
  const isMeasured = (row, j) => catalog.state[row * n + j] === State.measured;
  return objectRows(catalog).filter(
    (row) => isMeasured(row, z) && isMeasured(row, pixels) && catalog.value[row * n + z] > 0.001,
  );
}

/** Ids, redshifts and pixels as a table of our own. */
export async function writeCatalog(path, catalog) {
  const n = catalog.fields.length;
  const z = catalog.fields.findIndex(({ kind }) => kind === "redshift");
  const field = catalog.fields.find(({ kind }) => kind === "spectrum");
  const { width, value, ivar } = catalog.arrays.get(field.name);
  const columns = [
    { name: "object_id", type: "string", width: 1, data: [...catalog.objectId] },
    {
      name: "z",
      type: "float32",
      width: 1,
      data: Float32Array.from(objectRows(catalog), (row) => catalog.value[row * n + z]),
    },
    { name: field.name, type: "float32", width, unit: field.unit, data: value },
    { name: `${field.name}_ivar`, type: "float32", width, data: ivar },
  ];
  const schema = columns.map(({ name, type, width, unit }) => ({
    name,
    type,
    width,
    ...(unit === undefined ? {} : { unit }),
  }));
  await writeTable(
    path,
    { schema, metadata: {} },
    (async function* () {
      yield { rowCount: catalog.rowCount, columns };
    })(),
  );
}

/**
 * What each set is: `simulation` and `recipe` make its network, `read` gives the real spectra and their parts: all, and of large ones the
 * half of the objects that a network is fine-tuned on and the other half.
 */
export function spectraSets(data) {
  const fors2 = join(data, "fors2-spectra/fors2-spectra.fits.gz");
  const sdss = join(data, "sdss-spectra");
  const desi = join(data, "desi-spectra");
  const few = (catalog) => ({ real: catalog, parts: { all: withRedshift(catalog), train: [], test: [] } });
  return [
    {
      name: "fors2",
      title: "FORS2, z .04 - 3.9",
      path: fors2,
      recipe: "fors2-spectra",
      simulation: { n: 8000 },
      async read() {
        const { catalog: real } = await readWholeCatalog(fors2, loadSurvey("fors2"));
        const rows = withRedshift(real);
        const half = splitByParent(
          Array.from(rows, (row) => real.objectId[row]),
          { train: 0.5, validation: 0, calibration: 0, test: 0.5 },
        );
        const [train, test] = [half.train, half.test].map((some) => some.map((i) => rows[i]));
        return { real, parts: { all: rows, train, test } };
      },
    },
    {
      name: "sdss",
      title: "SDSS",
      path: sdss,
      recipe: "sdss-spectra",
      simulation: { n: 10000, kinds: { galaxy: 1, quasar: 0.3 } },
      read: async () => few((await readWholeCatalog(sdss, loadSurvey("sdss"))).catalog),
    },
    {
      name: "desi-spectra",
      title: "DESI",
      path: desi,
      recipe: "desi-spectra",
      simulation: { n: 2500, kinds: { galaxy: 1, quasar: 0.2 } },
      async read() {
        const survey = loadSurvey("desi-spectra");
        const files = readdirSync(desi).filter((name) => name.startsWith("coadd-"));
        const all = [];
        for (const file of files) all.push((await readWholeCatalog(join(desi, file), survey)).catalog);
        return few(concat(all));
      },
    },
  ];
}
