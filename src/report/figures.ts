import { drawCalibration, drawPhotoz, drawProperty } from "./figure-accuracy.ts";
import { drawAdvice } from "./figure-advice.ts";
import { drawAnswered } from "./figure-answered.ts";
import { drawBandLines, drawBandStates, drawPhotometry } from "./figure-bands.ts";
import { drawConsistency } from "./figure-consistency.ts";
import { drawCoverage } from "./figure-coverage.ts";
import { drawLatent } from "./figure-latent.ts";
import { drawOcclusion } from "./figure-occlusion.ts";
import { drawCorner, drawPdfs, drawStack } from "./figure-posterior.ts";
import { drawHistogram, drawScatter } from "./figure-sample.ts";
import { drawSelection } from "./figure-selection.ts";
import { drawSpectra } from "./figure-spectra.ts";
import { drawSeds } from "./figure-spectrum.ts";
import { drawAdaptation, drawComparison, drawGaps, drawLoss } from "./figure-training.ts";
import { drawTrend } from "./figure-trend.ts";
import { drawStrange } from "./figure-strange.ts";
import type { FigureKind } from "./svg.ts";

/** Every figure: arrays in, SVG and caption out. Adding one is one function and one row. */
export const figures = {
  pdfs: { title: "Predicted distributions", draw: drawPdfs },
  stack: { title: "Stacked distribution", draw: drawStack },
  photoz: { title: "Photometric against spectroscopic redshift", draw: drawPhotoz },
  property: { title: "Predicted against true", draw: drawProperty },
  calibration: { title: "Calibration", draw: drawCalibration },
  seds: { title: "Spectral energy distributions", draw: drawSeds },
  spectra: { title: "Spectra", draw: drawSpectra },
  answered: { title: "Spectra asked for", draw: drawAnswered },
  strange: { title: "Objects unlike the others", draw: drawStrange },
  latent: { title: "States of knowledge", draw: drawLatent },
  occlusion: { title: "What an answer rests on", draw: drawOcclusion },
  loss: { title: "Training", draw: drawLoss },
  comparison: { title: "Methods compared", draw: drawComparison },
  gaps: { title: "Distance from the exact answer", draw: drawGaps },
  trend: { title: "Scores by magnitude", draw: drawTrend },
  coverage: { title: "Coverage by field", draw: drawCoverage },
  selection: { title: "Right answers told from wrong ones", draw: drawSelection },
  consistency: { title: "Answers in either order", draw: drawConsistency },
  corner: { title: "Joint samples", draw: drawCorner },
  adaptation: { title: "Adaptation", draw: drawAdaptation },
  histogram: { title: "Distribution", draw: drawHistogram },
  scatter: { title: "Two quantities", draw: drawScatter },
  bandLines: { title: "By band", draw: drawBandLines },
  bandStates: { title: "What is known in each band", draw: drawBandStates },
  advice: { title: "What further observations would tell", draw: drawAdvice },
  photometry: { title: "Observed photometry", draw: drawPhotometry },
} satisfies Record<string, FigureKind<never>>;
