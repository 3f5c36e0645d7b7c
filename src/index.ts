/**
 * The library: what scripts and notebooks import. Each verb of the command line is a function: `simulate`, `prepare`,
 * `pretrain`, `finetune`, `adapt`, `resume`, `query`, `evaluate`, `look`. All take one request, whose optional `reporter`
 * is told how far they are; the training verbs also take an AbortSignal.
 */
export { createEngine } from "./engine/engine.ts";
export type { Engine, EngineOptions } from "./engine/contract.ts";
export { UserError } from "./errors.ts";
export { look, type LookRequest } from "./explore/look.ts";
export type { BesideTable } from "./explore/page.ts";
export { simulateWithPage, type SimulationPage } from "./explore/simulation.ts";
export { evaluate, type EvaluateRequest, type Evaluation } from "./inference/evaluation.ts";
export { sampleJoint } from "./inference/sampling.ts";
export type { FieldAnswer } from "./inference/field-answer.ts";
export { createPredictor, type Answers, type AskOptions, type Predictor } from "./inference/predict.ts";
export { query, type QueryRequest } from "./inference/query.ts";
export { summarise, type Summary } from "./inference/summary.ts";
export { readAll } from "./io/columns.ts";
export { openTable, writeTable } from "./io/formats.ts";
export { type Bar, type Reporter, silent } from "./progress.ts";
export type { Curve, Distribution, Moments } from "./model/distribution.ts";
export { createWarp, reweighted, warped } from "./model/warped.ts";
export { createRng, type Rng } from "./random.ts";
export { loadRecipe, type Recipe } from "./recipe.ts";
export { figures } from "./report/figures.ts";
export { renderPng } from "./report/svg.ts";
export { simulateBuiltin } from "./simulate/builtin.ts";
export { simulate, type SimulateRequest } from "./simulate/simulate.ts";
export { simulateFromSpectra } from "./simulate/spectra.ts";
export type { Catalog } from "./survey/catalog.ts";
export { State, type Field } from "./survey/field.ts";
export { readCatalog, readWholeCatalog, toCatalog } from "./survey/read.ts";
export { loadSurvey, type Survey } from "./survey/survey.ts";
export { catalogFromValues } from "./survey/values.ts";
export { loadCheckpoint, type Checkpoint, type LoadOptions } from "./train/checkpoint.ts";
export { exportCheckpoint, type ExportOptions } from "./train/export.ts";
export { prepare, type PrepareRequest } from "./tokens/prepare.ts";
export {
  adapt,
  type AdaptRequest,
  finetune,
  type FinetuneRequest,
  pretrain,
  type PretrainRequest,
  resume,
  type ResumeRequest,
  type RunSetting,
  type TrainingRecipe,
} from "./train/verbs.ts";
