/**
 * The library: what scripts and notebooks import. Each verb of the command line is a function: `simulate`, `prepare`,
 * `pretrain`, `finetune`, `adapt`, `resume`, `query`, `advise`, `repair`, `evaluate`, `look`. All take one request, whose optional `reporter`
 * is told how far they are; the training verbs also take an AbortSignal.
 */
export { createEngine } from "./engine/engine.ts";
export type {
  Arrays,
  ArraySpec,
  Compiled,
  CompileOptions,
  DType,
  Engine,
  EngineOptions,
  NdArray,
  Signature,
  TensorFunction,
  Tensors,
} from "./engine/contract.ts";
export { UserError } from "./errors.ts";
export { look, type LookRequest } from "./explore/look.ts";
export type { LatentWish } from "./explore/latent.ts";
export type { BesideTable } from "./explore/page.ts";
export { simulateWithPage, type SimulationPage } from "./explore/simulation.ts";
export type { Advice, Realised } from "./inference/advice.ts";
export { advise, type AdviseRequest } from "./inference/advise.ts";
export { evaluate, type EvaluateRequest, type Evaluation } from "./inference/evaluation.ts";
export {
  type Budget,
  type BudgetCell,
  type BudgetMethod,
  type BudgetRequest,
  labelBudget,
} from "./inference/budget.ts";
export type { BudgetScoreName, BudgetScores } from "./inference/budget-scores.ts";
export type { WayName } from "./train/ways.ts";
export type { ShiftTest, TargetPopulation } from "./inference/target-prior.ts";
export type { ZeroPoint } from "./train/zero-points.ts";
export { createLibrary, type Library, type LibraryOptions, openLibrary } from "./inference/library.ts";
export {
  createLibraryPredictor,
  type LibraryAnswers,
  type LibraryChoice,
  type LibraryPredictor,
} from "./inference/library-predictor.ts";
export { type Consistency, orderConsistency } from "./inference/consistency.ts";
export { derived, type Derived, type Wish } from "./inference/derived.ts";
export type { Light } from "./inference/light.ts";
export { drawJoint, type DrawOptions, sampleJoint } from "./inference/sampling.ts";
export type { FieldAnswer } from "./inference/field-answer.ts";
export {
  createPredictor,
  type Answers,
  type AppliedPrior,
  type AskOptions,
  type NetworkAnswers,
  type Predictor,
  type PredictorOptions,
  type Respondent,
} from "./inference/predict.ts";
export { type Asked, type NetworkQuestion, type TrustEvidence, type TrustWord, trustWords } from "./inference/trust.ts";
export { type Prior, readPrior } from "./inference/prior.ts";
export { type PriorAnswers, type PriorPredictor, withPrior } from "./inference/prior-swap.ts";
export { query, type QueryRequest } from "./inference/query.ts";
export { repair, type RepairRequest } from "./inference/repair.ts";
export { type AnomalyScores, scoreAnomalies } from "./inference/anomaly.ts";
export { type LatentOptions, latentSpace, type LatentSpace, umapOf } from "./inference/latent.ts";
export { principalComponents, type PrincipalComponents } from "./inference/principal.ts";
export { linearProbe, type ProbeScore, type ProbeTarget } from "./inference/probe.ts";
export { askSpectrum, type SpectrumAnswer, type SpectrumQuestion } from "./inference/spectrum-answers.ts";
export { occlude, type Occlusion } from "./inference/occlusion.ts";
export { summarise, type Summary } from "./inference/summary.ts";
export { readAll } from "./io/columns.ts";
export { openTable, writeTable } from "./io/formats.ts";
export { type Bar, type Reporter, silent } from "./progress.ts";
export type { Components, Curve, Distribution, Moments, ScoreWarp } from "./model/distribution.ts";
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
export type { Reader } from "./survey/reading.ts";
export { readCatalog, readWholeCatalog, toCatalog } from "./survey/read.ts";
export { draftSurvey, type DraftOptions, type SurveyDraft } from "./survey/draft.ts";
export { surveyGrammar, surveyJsonSchema } from "./survey/grammar.ts";
export { loadSurvey, type Survey } from "./survey/survey.ts";
export { catalogFromValues } from "./survey/values.ts";
export { calibrate, type CalibrateRequest, type CalibratedFields } from "./train/calibrate.ts";
export { type PopulationRequest, recordPopulation } from "./train/population.ts";
export {
  type Population,
  type PopulationHistogram,
  populationHistogramSchema,
  populationSchema,
} from "./train/population-schema.ts";
export { loadCheckpoint, type Checkpoint, type LoadOptions } from "./train/checkpoint.ts";
export { exportCheckpoint, type ExportOptions } from "./train/export.ts";
export { prepare, type PrepareRequest } from "./tokens/prepare.ts";
export {
  adapt,
  type AdaptationRequest,
  type BeforeAfter,
  type Domain,
  type LearnedZeroPoint,
  resumeAdaptation,
  type ViewSummary,
} from "./inference/adaptation.ts";
export type { HeldOutScores } from "./inference/adaptation-scores.ts";
export type { BandOffset, DomainView, Measured } from "./inference/domain.ts";
export type { DomainVerdict, Finding, FindingLevel } from "./inference/domain-findings.ts";
export type { Told as ToldApart } from "./inference/told-apart.ts";
export {
  type AdaptRequest,
  finetune,
  type FinetuneRequest,
  pretrain,
  type PretrainRequest,
  resume,
  type ResumeRequest,
  type TrainingRecipe,
} from "./train/verbs.ts";
export type { RunSetting } from "./train/run-tables.ts";
export type { PdfOptions } from "./inference/answers.ts";
export { type EnsembleForm, ensembleForms, type EnsembleOptions } from "./inference/ensemble.ts";
export type { QuestionScores, TruthAnswers } from "./inference/evaluate.ts";
export type { ClassMetricName, ClassScore, ClassScores } from "./inference/class-scores.ts";
export type { FieldCalibration } from "./inference/coverage.ts";
export type { Insight } from "./inference/insight.ts";
export type { Units } from "./inference/resampling.ts";
export type { RawSpectra } from "./inference/network-spectra.ts";
export type { SpectrumScores } from "./inference/spectrum-scores.ts";
export type { SpectrumResults } from "./inference/spectrum-section.ts";
export type { Agreement } from "./inference/synthetic-photometry.ts";
export type { CellCode } from "./tokens/cells.ts";
export { type SpectrumOutConfig, spectrumOutSchema } from "./model/spectrum-decoder.ts";
export type { Lags } from "./model/lags.ts";
export { type QuestionResult, type QuestionSet, questionSets } from "./inference/evaluation.ts";
export type { Amplitude } from "./inference/library-graph.ts";
export type { Posterior } from "./inference/library-posterior.ts";
export type { LibraryStore } from "./inference/library-store.ts";
export { type MethodName, methodNames } from "./inference/methods.ts";
export type { FieldGap, Gap, OracleAnswers } from "./inference/oracle.ts";
export type { Chain, ChainStep, Network, RawAnswers, RngOf, States } from "./inference/network.ts";
export type { JointSamples } from "./inference/sampling.ts";
export { redshiftSummaryNames, summaryNames } from "./inference/summary.ts";
export type { Column, ColumnSchema, ReadOptions, Table, TableHeader, TablePick, TableSource } from "./io/table.ts";
export type { Layout, ParameterSpec } from "./model/parameters.ts";
export type { Interpolation, Reweighted, Warp } from "./model/warped.ts";
export { recipeSchema, type RecipeOptions } from "./recipe.ts";
export type { Figure } from "./report/svg.ts";
export type { ReportSection, ReportTable } from "./report/html.ts";
export type { ObservationOptions } from "./simulate/observation.ts";
export type { SimulationInput, SimulationOptions } from "./simulate/options.ts";
export type { LabelTable } from "./simulate/joined.ts";
export type { SpectraRequest, Tally } from "./simulate/spectra.ts";
export type { BindOptions } from "./survey/bind-fields.ts";
export { apertureSchema } from "./survey/layout.ts";
export type { ApertureKind, Extinction } from "./survey/layout.ts";
export { type ArrayColumn, concat, hide, instrumentOf, select } from "./survey/catalog.ts";
export type {
  Arm,
  ArrayField,
  Band,
  CategoryField,
  FieldKind,
  ImageField,
  Instrument,
  ScalarField,
  SpectrumField,
  SpectrumGrid,
  WavelengthCurve,
} from "./survey/field.ts";
export { resample, type Resampled, wavelengthsOf } from "./survey/spectrum-grid.ts";
export { parseFieldList } from "./survey/field-list.ts";
export type { CatalogBatch, CatalogOptions } from "./survey/read.ts";
export type { Counted, ImfName } from "./survey/imf.ts";
export type { ReadReport } from "./survey/report.ts";
export type { SurveyFile } from "./survey/survey-schema.ts";
export type { Vocabulary } from "./survey/vocabulary.ts";
export {
  createFieldCoder,
  type FieldCoder,
  fitStandardisation,
  type Moments as FieldMoments,
  type Standardisation,
} from "./tokens/standardise.ts";
export type { BestWeights, TrainState } from "./train/checkpoint.ts";
export type { Progress } from "./train/loop.ts";
export type { LogLine } from "./train/run.ts";
export { trainingSchema } from "./train/config.ts";
export type { CheckpointConfig, NetworkCoder, TrainingConfig } from "./train/config.ts";
export { baselines, spectralBaselines } from "./inference/baselines.ts";
export type {
  Baseline,
  BaselineContext,
  BaselineName,
  FittedBaseline,
  RivalName,
  SpectralBaseline,
  SpectralName,
} from "./inference/baselines.ts";
export { fitTemplates } from "./inference/baseline-spectra.ts";
export type { Spectra, TemplateFitter, TemplateOptions, TemplateRedshift } from "./inference/baseline-spectra.ts";
export type { Peak } from "./inference/spectrum-peaks.ts";
export type { Scan } from "./inference/spectrum-redshift.ts";
export type { TrainingSet } from "./inference/baseline-labels.ts";
export type { BinnedBy, ClassBin, Details, FieldBins, OddsCut, ScoreBin } from "./inference/metric-bins.ts";
export { type DropoutPdf, dropoutPdfs, type DropoutScores } from "./inference/dropout-scores.ts";
export type { Recovery } from "./inference/recovery.ts";
export {
  type CurvePoint,
  type Kept,
  type PurityCut,
  qualities,
  type QualityName,
  type Screening,
} from "./inference/screening.ts";
export { metrics } from "./inference/metrics.ts";
export type { FieldScore, Metric, MetricName, Predictions, Residuals } from "./inference/metrics.ts";
export type { Estimate } from "./inference/weighted.ts";
export type { ClassAnswers } from "./inference/class-scores.ts";
export type { Statistic } from "./inference/weighted.ts";
export type { HeadSpec } from "./model/heads.ts";
export type { Axis } from "./report/axis.ts";
export type { ColumnData, ColumnType } from "./io/table.ts";
export type { Family, Part, Readout } from "./model/readouts.ts";
export type { Templates } from "./model/template-fit.ts";
export type { Fit, FluxScale } from "./model/templates.ts";
export type { Recalibration, FieldRecalibration, CovariateName } from "./model/recalibration.ts";
export type { TrustInputName, TrustRule, TrustTerm } from "./model/trust-rule.ts";
export type { Recalibrator } from "./inference/recalibrator.ts";
export type { RecipeVerb } from "./recipe.ts";
export type { AdviceBar, AdviceData } from "./report/figure-advice.ts";
export type { ConsistencyData, ConsistencyEnds } from "./report/figure-consistency.ts";
export type { BandLinesData, BandStatesData, ObservedBand, PhotometryData } from "./report/figure-bands.ts";
export type { CalibrationData, PhotozData, PropertyData } from "./report/figure-accuracy.ts";
export type { CoverageData, CoverageShare } from "./report/figure-coverage.ts";
export type { SelectionCurve, SelectionData } from "./report/figure-selection.ts";
export type { TrendData, TrendPoint } from "./report/figure-trend.ts";
export type { CornerData, PdfData, PdfExample, StackData } from "./report/figure-posterior.ts";
export type { Curve as SampleCurve, HistogramData, HistogramSeries, ScatterData } from "./report/figure-sample.ts";
export type { SedBand, SedData } from "./report/figure-spectrum.ts";
export type { AnsweredData, AnsweredSpectrum } from "./report/figure-answered.ts";
export type { SpectraData, SpectrumShown } from "./report/figure-spectra.ts";
export type { LatentData, LatentPanel } from "./report/figure-latent.ts";
export type { OcclusionBar, OcclusionData } from "./report/figure-occlusion.ts";
export type { HiddenBand, StrangeData } from "./report/figure-strange.ts";
export type {
  AdaptationData,
  ComparisonData,
  ComparisonPanel,
  Curve as LossCurve,
  GapData,
  LossData,
} from "./report/figure-training.ts";
export type { Cell } from "./report/html.ts";
export { covariateNames, fieldRecalibrationSchema, recalibrationSchema } from "./model/recalibration.ts";
export { trustInputNames, trustRuleSchema } from "./model/trust-rule.ts";
export { observationSchema } from "./simulate/observation.ts";
export { simulationOptions } from "./simulate/options.ts";
export type { Reason } from "./survey/report.ts";
export { surveySchema } from "./survey/survey-schema.ts";
export { groupNames, type GroupName } from "./survey/vocabulary.ts";
