import type { Layout } from "../model/parameters.ts";
import type { CheckpointConfig } from "./config.ts";

/** The model card that travels with a checkpoint: what it is, what it was trained on, how to use it. */
export function modelCard(config: CheckpointConfig, layout: Layout, validation: number): string {
  const bands = config.survey.fields.filter((field) => field.band !== undefined);
  const properties = config.survey.fields.filter((field) => field.band === undefined);
  const data = config.data.map(({ path, role, sha256 }) => `- \`${path}\` (${role}, SHA-256 ${sha256})`);
  return `---
library_name: caleido
tags: [astronomy, galaxies, photometric-redshift, foundation-model]
---
# Caleido checkpoint: ${config.survey.title}

A network that answers any subset of a galaxy's fields from any other, each answer a probability distribution.
${layout.total} parameters; trained ${config.training.steps} steps of ${config.training.batch} galaxies with Caleido ${config.caleidoVersion}.
Validation loss: ${validation.toFixed(4)} nats per target (fixed random subsets of held-out parents).

- bands (${bands.length}, ${bands[0]?.unit ?? ""}): ${bands.map((field) => field.name).join(", ")}
- properties: ${properties.map((field) => (field.unit === "" ? field.name : `${field.name} [${field.unit}]`)).join(", ")}
- zero-points of the target survey learned: ${config.isCalibrated ? "yes" : "no"}

Trained on:
${data.join("\n")}

Use: \`caleido query table.parquet --checkpoint <this folder> --given bands --want z,LOGM --out answers.parquet\`

Files: \`model.safetensors\` holds the averaged weights under their plain names (and the raw ones as \`raw.*\`),
\`optimizer.safetensors\` the optimiser's moments, \`config.json\` everything needed to rebuild the network,
\`model.onnx\` where the engine compiles, the averaged network for 64 galaxies at a time (encoded inputs, raw marginals of every field),
\`tokenizer.json\` the vocabulary, \`log.jsonl\` the run's log.
`;
}
