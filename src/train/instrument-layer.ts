/** What a target's photometry says, put into a network. */
import { parameterIn } from "../model/parameters.ts";
import { type Checkpoint, initialState } from "./checkpoint.ts";
import { coderOf } from "./config.ts";
import { correctTemplates } from "./spectral-correction.ts";
import type { Instrument } from "./zero-points.ts";

/** The network with zero-points and noise factors put into its instrument layer. */
export function withZeroPoints(network: Checkpoint, { zeroPoints }: Instrument): Checkpoint {
  const average = network.state.average.slice();
  const lnFlux = parameterIn(average, network.layout, "calibration.lnFlux");
  const lnNoise = parameterIn(average, network.layout, "calibration.lnNoise");
  for (const [i, one] of zeroPoints.entries()) [lnFlux[i], lnNoise[i]] = [one.lnFlux, one.lnNoise];
  return { ...network, config: { ...network.config, isCalibrated: true }, state: initialState(average) };
}

/** The same, and the spectra of the galaxies that it carries corrected; its answers stay recalibrated as simulations taught. */
export function withInstrument(source: Checkpoint, instrument: Instrument): Checkpoint {
  const { templates, ...rest } = source;
  const coder = coderOf(source.config, templates);
  const carried =
    templates === undefined ? {} : { templates: correctTemplates(coder, templates, instrument.correction) };
  return withZeroPoints({ ...rest, ...carried }, instrument);
}
