/**
 * Fine-tuning, as a user's script: a network that knows the J-PAS bands learns a property it has never heard of, here the
 * mass of the central black hole, from a few hundred galaxies, and is asked for it.
 *
 * After `npm ci && npm run quickstart` (which trains the network to start from), in this folder, with Node 22.18 or later:
 *   node fine-tune.ts
 * Older Node: `npx tsc fine-tune.ts --module nodenext --target es2022 --skipLibCheck` and run the .js file.
 * CALEIDO_CHECKPOINT names another checkpoint to start from, CALEIDO_STEPS how long to train.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import {
  createEngine,
  createPredictor,
  createRng,
  drawJoint,
  figures,
  finetune,
  loadCheckpoint,
  loadRecipe,
  loadSurvey,
  openTable,
  readWholeCatalog,
  renderPng,
  simulate,
  type Table,
  writeTable,
} from "../dist/index.js";

const folder = "fine-tune";
mkdirSync(folder, { recursive: true });
const init = process.env.CALEIDO_CHECKPOINT ?? "../runs/quickstart/pretrain";

// 1. A survey of one's own: miniJPAS and one property more. A survey is data; what it doesn't say it takes over.
writeFileSync(
  `${folder}/blackholes.yaml`,
  `name: blackholes
title: miniJPAS with black hole masses
extends: [minijpas]
headline: [LOGMBH, z]
properties:
  - { name: LOGMBH, kind: log, unit: dex, description: "log10 black hole mass [Msun]", range: [3, 11] }
`,
);

// 2. A table with the new property. Here simulated galaxies get one: 0.2 % of the stellar mass with 0.3 dex of scatter;
//    yours would come from a catalogue: FITS, VOTable, CSV, Parquet, ... with a column LOGMBH.
await simulate({ survey: "minijpas", out: `${folder}/plain.parquet`, n: 600, seed: "fine-tune" });
const plain = await openTable(`${folder}/plain.parquet`);
const rng = createRng("black holes");
async function* withBlackHoles(): AsyncGenerator<Table> {
  for await (const table of plain.batches()) {
    const mass = table.columns.find(({ name }) => name === "LOGM")!.data as Float32Array;
    const data = mass.map((logMass) => logMass - 2.7 + 0.3 * rng.normal());
    yield { ...table, columns: [...table.columns, { name: "LOGMBH", type: "float32", width: 1, unit: "dex", data }] };
  }
}
const schema = [...plain.schema, { name: "LOGMBH", type: "float32", width: 1, unit: "dex" } as const];
await writeTable(`${folder}/holes.parquet`, { schema, metadata: {} }, withBlackHoles());
await plain.close();

// 3. Fine-tune. The vocabulary grows by LOGMBH; everything that the network knew is frozen, so that it answers as before.
const engine = await createEngine();
const tuned = await finetune({
  engine,
  init,
  data: [`${folder}/holes.parquet`],
  survey: `${folder}/blackholes.yaml`,
  recipe: loadRecipe("finetune-new-property", [`training.steps=${process.env.CALEIDO_STEPS ?? 400}`]),
  freeze: ["known"],
  out: `${folder}/run-${Date.now()}`,
  reporter: { say: console.log, bar: () => ({ update: () => {}, stop: () => {} }) },
});

// 4. Ask: galaxies that training never saw, the new property from half of the spectrum.
await simulate({ survey: "minijpas", out: `${folder}/unseen.parquet`, n: 200, seed: "unseen" });
const { catalog } = await readWholeCatalog(`${folder}/unseen.parquet`, tuned.config.survey);
const predictor = createPredictor(engine, tuned);
const a = await predictor.ask(catalog, { given: "J0378..J0600", want: ["LOGMBH", "z"] });
console.log("first galaxy: z", a.z.median[0].toFixed(3), "P(z < 0.3)", a.z.cdf(0, 0.3).toFixed(2));
const [low, high] = [a.LOGMBH.quantile(0.16), a.LOGMBH.quantile(0.84)];
console.log("log black hole mass", a.LOGMBH.median[0].toFixed(2), `(${low[0].toFixed(2)} .. ${high[0].toFixed(2)})`);

// 5. What belongs together is drawn together: the ratio of black hole to stellar mass from joint draws, not from marginals.
const draws = 100;
const joint = await drawJoint(predictor, catalog, { given: "bands", want: "LOGMBH,LOGM", draws });
const ratio = Array.from(joint.LOGMBH.subarray(0, draws), (hole, d) => hole - joint.LOGM[d]).sort((x, y) => x - y);
console.log("log M_BH / M* of the first galaxy", ratio[draws >> 1].toFixed(2));

// 6. The old answers are what they were, in every digit: redshifts from all bands, beside the truth, as a figure.
const question = { given: "bands", want: "z" };
const { z } = await predictor.ask(catalog, question);
const source = loadCheckpoint(init);
const former = createPredictor(engine, source);
const { catalog: same } = await readWholeCatalog(`${folder}/unseen.parquet`, source.config.survey);
const { z: before } = await former.ask(same, question);
console.log("largest change of a redshift:", Math.max(...z.median.map((one, i) => Math.abs(one - before.median[i]))));
await former.dispose();
const j = catalog.fields.findIndex(({ name }) => name === "z");
const zSpec = Array.from({ length: catalog.rowCount }, (_, i) => catalog.value[i * catalog.fields.length + j]);
writeFileSync(`${folder}/redshifts.png`, renderPng(figures.photoz.draw({ zSpec, zPhot: z.median }).svg));
console.log("network before:", source.config.survey.fields.length, "fields; now:", tuned.config.survey.fields.length);
console.log("survey file read:", loadSurvey(`${folder}/blackholes.yaml`).title);
await predictor.dispose();
