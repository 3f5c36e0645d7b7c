import type { Layout } from "../model/parameters.ts";
import type { CheckpointConfig } from "./config.ts";

/** What the files of a checkpoint are; `isSmall`: of its small form. */
function filesOf(isSmall: boolean, hasTemplates: boolean): string {
  const weights = isSmall
    ? "`model.safetensors` holds the averaged weights,"
    : "`model.safetensors` holds the averaged weights under their plain names (and the raw ones as `raw.*`),\n" +
      "`optimizer.safetensors` the optimiser's moments,";
  const log = isSmall ? "" : ", `log.jsonl` the run's log";
  return `${weights} \`config.json\` everything needed to rebuild the network,
${hasTemplates ? "`templates.safetensors` the clean galaxies (fluxes, encoded properties, classes),\n" : ""}\`model.onnx\` where the engine compiles, the averaged network for 64 galaxies at a time (encoded inputs, raw marginals of every field),
\`tokenizer.json\` the vocabulary${log}; \`sha256sum -c SHA256SUMS\` checks them.`;
}

/**
 * The model card that travels with a checkpoint: what it is, what it was trained on, how to use it. `validation`: its
 * loss [nats], where it is known; `isSmall`: without what training goes on from.
 */
export function modelCard(
  config: CheckpointConfig,
  layout: Layout,
  validation: number | undefined,
  isSmall = false,
): string {
  const { step, training } = config;
  const steps = step < training.steps ? `${step} of ${training.steps}` : `${training.steps}`;
  const loss = validation === undefined ? "not recorded" : `${validation.toFixed(4)} nats per target`;
  const bands = config.survey.fields.filter((field) => field.band !== undefined);
  const properties = config.survey.fields.filter((field) => field.band === undefined);
  const data = config.data.map(({ path, role, sha256, observation }) => {
    const anew = observation === undefined ? "" : ", observed anew in every batch";
    return `- \`${path}\` (${role}${anew}, SHA-256 ${sha256})`;
  });
  return `---
library_name: caleido
tags: [astronomy, galaxies, photometric-redshift, foundation-model]
---
# Caleido checkpoint: ${config.survey.title}

A network that answers any subset of a galaxy's fields from any other, each answer a probability distribution.
${layout.total} parameters${config.model.nTemplate === 0 ? "" : ` and ${config.model.nTemplate} clean galaxies, with which every question is fitted`}; trained ${steps} steps of ${training.batch} galaxies with Caleido ${config.caleidoVersion}.
Validation loss: ${loss} (fixed random subsets of held-out parents).

- bands (${bands.length}, ${bands[0]?.unit ?? ""}): ${bands.map((field) => field.name).join(", ")}
- properties: ${properties.map((field) => (field.unit === "" ? field.name : `${field.name} [${field.unit}]`)).join(", ")}
- zero-points of the target survey learned: ${config.isCalibrated ? "yes" : "no"}

Trained on:
${data.join("\n")}

Use: \`caleido query table.parquet --checkpoint <this folder> --given bands --want z,LOGM --out answers.parquet\`

Files: ${filesOf(isSmall, config.model.nTemplate > 0)}
`;
}
