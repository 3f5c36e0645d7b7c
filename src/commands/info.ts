import { existsSync, statSync } from "node:fs";
import { UserError } from "../errors.ts";
import { openTable } from "../io/formats.ts";
import { isHats } from "../io/hats.ts";
import { splitTableName } from "../io/table-name.ts";
import { isPrepared, type Manifest, readManifest } from "../survey/prepared.ts";
import { formatSources } from "../survey/sources.ts";
import { learnedCalibration, magnitudesOf } from "../train/calibration.ts";
import { loadCheckpoint } from "../train/checkpoint.ts";
import type { TableRecord } from "../train/config.ts";
import { readLog, validationOf } from "../train/run.ts";
import { checkpointPath, USUAL_CHECKPOINT } from "../train/shipped.ts";
import { counted, number } from "../text.ts";
import { defineCommand } from "./shared.ts";
import { printTable, say } from "./terminal.ts";

async function showTable(path: string): Promise<void> {
  const source = await openTable(path);
  try {
    for (const note of source.notes?.() ?? []) say(note);
    say(`${source.path}: ${source.format}, ${source.rowCount ?? "unknown number of"} rows`);
    for (const [key, value] of Object.entries(source.metadata)) say(`  ${key}: ${value.slice(0, 100)}`);
    printTable(
      ["column", "type", "per row", "unit", "meaning"],
      source.schema.map((c) => [c.name, c.type, String(c.width), c.unit ?? "", c.description ?? ""]),
    );
  } finally {
    await source.close();
  }
}

function showPrepared(path: string, manifest: Manifest): void {
  const { survey, sources, split, parts, droppedRows, droppedValues, caleidoVersion } = manifest;
  const tiles = split.by === "tile" ? `: ${split.heldOutTiles.length} of ${split.tiles} held out for test` : "";
  const dropped = [
    ...Object.entries(droppedRows).map(([reason, { count }]) => `${counted(count, "row")} ${reason}`),
    ...Object.entries(droppedValues).map(([reason, { count }]) => `${counted(count, "value")}: ${reason}`),
  ];
  printTable(
    ["prepared tables", path],
    [
      ["survey", survey],
      ["sources", sources.map((one) => `${one.path} (${one.layout}, ${counted(one.rows, "row")})`).join("\n")],
      ["labels by", [...new Set(sources.map(({ labels }) => formatSources(labels)))].join("\n")],
      ["split", `by ${split.by}${tiles}`],
      ...Object.entries(parts).map(([part, { rows, shards }]) => [
        part,
        `${counted(rows, "row")} in ${counted(shards, "shard")}`,
      ]),
      ["not used", dropped.join("\n")],
      ["Caleido", caleidoVersion],
    ],
  );
}

function describeTable({ path, role, observation }: TableRecord): string {
  const about = [role === "train" ? [] : role, observation === undefined ? [] : "observed anew in every batch"].flat();
  return about.length === 0 ? path : `${path} (${about.join(", ")})`;
}

function showCheckpoint(path: string): void {
  const checkpoint = loadCheckpoint(path);
  const { config, layout } = checkpoint;
  const validation = validationOf(config, readLog(checkpointPath(path)));
  printTable(
    ["checkpoint", path],
    [
      ["survey", `${config.survey.name}: ${config.survey.title}`],
      [
        "fields",
        `${config.survey.fields.length} (${config.survey.fields.filter((f) => f.band !== undefined).length} bands)`,
      ],
      ["parameters", layout.total.toLocaleString("en-US")],
      ["clean galaxies that it carries", config.model.nTemplate.toLocaleString("en-US")],
      ["network", JSON.stringify(config.model)],
      [
        "step",
        `${config.step} of ${config.training.steps}${config.best === undefined ? "" : `, validation lowest at ${config.best.step}`}`,
      ],
      ["validation loss [nats]", validation === undefined ? "" : number(validation)],
      ["zero-points learned", config.isCalibrated ? "yes" : "no"],
      ["trained on", config.data.map(describeTable).join("\n")],
      ["labels by", [...new Set(config.data.map(({ labels }) => formatSources(labels ?? {})))].join("\n")],
      ["Caleido", config.caleidoVersion],
    ],
  );
  if (!config.isCalibrated) return;
  printTable(
    ["band", "learned zero-point correction [mag]", "noise factor"],
    learnedCalibration(path, checkpoint).map(({ field, lnFlux, noise }) => {
      return [config.survey.fields[field].name, magnitudesOf(lnFlux).toFixed(3), noise.toFixed(3)];
    }),
  );
}

export const infoCommand = defineCommand<{ path: string }>({
  command: "info [path]",
  describe: "show what a table, prepared tables or a checkpoint hold",
  builder: (yargs) =>
    yargs.positional("path", {
      type: "string",
      default: USUAL_CHECKPOINT,
      describe: "table, prepared folder, checkpoint or run folder, or the name of a network that comes along",
    }),
  handler: async ({ path }) => {
    const isNamed = checkpointPath(path) !== path;
    if (isNamed || path === USUAL_CHECKPOINT) return showCheckpoint(path);
    const { file } = splitTableName(path);
    if (!existsSync(file)) throw new UserError(`${path}: no such file or folder; expected a table or a checkpoint`);
    const manifest = isPrepared(path) ? readManifest(path) : undefined;
    if (manifest !== undefined) showPrepared(path, manifest);
    else if (statSync(file).isDirectory() && !isHats(file)) showCheckpoint(path);
    else await showTable(path);
  },
});
