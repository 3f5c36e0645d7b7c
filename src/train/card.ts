import type { Layout } from "../model/parameters.ts";
import type { CheckpointConfig } from "./config.ts";

export interface CardOptions {
  /** -ln p per target [nats], where it is known. */
  readonly validation?: number | undefined;
  /** Without what training goes on from. */
  readonly isSmall?: boolean;
  /** Further text in Markdown: scores, limits, licence. */
  readonly sections?: readonly string[];
}

/** What the files of a checkpoint are. */
function filesOf({ model: { nTemplate } }: CheckpointConfig, isSmall: boolean): string {
  const weights = isSmall
    ? "`model.safetensors` holds the averaged weights,"
    : "`model.safetensors` holds the averaged weights under their plain names (and the raw ones as `raw.*`),\n" +
      "`optimizer.safetensors` the optimiser's moments,";
  const templates =
    nTemplate === 0 ? "" : "\n`templates.safetensors` the clean galaxies (fluxes, encoded properties, classes),";
  return `${weights} \`config.json\` everything needed to rebuild the network,${templates}
\`model.onnx\` where the engine compiles, the averaged network for 64 galaxies at a time (encoded inputs, raw marginals of every field),
\`tokenizer.json\` the vocabulary, \`log.jsonl\` the run's log; \`sha256sum -c SHA256SUMS\` checks them.`;
}

/** The recipe with its defaults, as YAML that `--recipe` takes. */
function recipeOf({ survey, model, subsets, optimiser, training }: CheckpointConfig): string {
  const sections = Object.entries({ survey: survey.name, model, subsets, optimiser, training });
  return sections.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join("\n");
}

/** The model card that travels with a checkpoint: what it is, what it was trained on, how to use it. */
export function modelCard(
  config: CheckpointConfig,
  layout: Layout,
  { validation, isSmall = false, sections = [] }: CardOptions = {},
): string {
  const { step, training, best } = config;
  const of = step < training.steps ? `${step} of ${training.steps}` : `${training.steps}`;
  const steps = best === undefined || best.step === step ? `${of} steps` : `${of} steps, weights of step ${best.step},`;
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
${layout.total} parameters${config.model.nTemplate === 0 ? "" : ` and ${config.model.nTemplate} clean galaxies, with which every question is fitted`}; trained ${steps} of ${training.batch} galaxies with Caleido ${config.caleidoVersion}.
Validation loss: ${loss} (fixed random subsets of held-out parents).

- bands (${bands.length}, ${bands[0]?.unit ?? ""}): ${bands.map((field) => field.name).join(", ")}
- properties: ${properties.map((field) => (field.unit === "" ? field.name : `${field.name} [${field.unit}]`)).join(", ")}
- zero-points of the target survey learned: ${config.isCalibrated ? "yes" : "no"}
- survey to cite: ${config.survey.citation.join("; ")}

Trained on:
${data.join("\n")}

\`\`\`yaml
${recipeOf(config)}
\`\`\`

Use: \`caleido query table.parquet --checkpoint <this folder> --given bands --want z,LOGM --out answers.parquet\`

${sections.map((text) => `${text.trim()}\n\n`).join("")}Files: ${filesOf(config, isSmall)}
`;
}
