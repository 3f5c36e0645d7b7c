import { basename } from "node:path";
import type { Argv } from "yargs";
import { UserError } from "../errors.ts";
import { look, type LookRequest } from "../explore/look.ts";
import type { BesideTable } from "../explore/page.ts";
import { counted } from "../text.ts";
import {
  defineCommand,
  type EngineArguments,
  engineOf,
  engineOptions,
  type ReadArguments,
  readOptions,
  readOptionsOf,
} from "./shared.ts";
import { say, terminal } from "./terminal.ts";

/** Options of every report on a table. */
export interface ReportArguments extends ReadArguments {
  readonly figures: string | undefined;
  readonly beside: readonly string[];
  readonly besideSurvey: readonly string[];
}

const READ = "How tables are read:";
const SHOWN = "What is shown:";

export function reportOptions(yargs: Argv, group: string): Argv {
  return readOptions(yargs)
    .group(["layout", "hdu", "unit", "relative-error"], READ)
    .option("figures", { group, type: "string", describe: "folder that also gets every figure as PNG" })
    .option("beside", {
      group,
      type: "string",
      array: true,
      nargs: 1,
      default: [],
      describe: "table of real galaxies to show beside; may be repeated",
    })
    .option("beside-survey", {
      group,
      type: "string",
      array: true,
      nargs: 1,
      default: [],
      describe: "its survey: one for each --beside, or one for all (default: --survey)",
    });
}

/**
 * Tables to show beside: their surveys are named one by one, once for all, or are that of the first table.
 * @throws UserError for another number of surveys.
 */
export function besideTables(args: ReportArguments & { readonly survey: string }): BesideTable[] {
  const { beside, besideSurvey: surveys } = args;
  if (beside.length === 0 && surveys.length > 0) throw new UserError("--beside-survey: expected a table, --beside");
  if (surveys.length > 1 && surveys.length !== beside.length) {
    throw new UserError(
      `--beside-survey: given ${surveys.length} times, expected once for all, or once for each of the ${beside.length} table${beside.length === 1 ? "" : "s"}`,
    );
  }
  // the layout is that of the first table: others have their own
  const reading = readOptionsOf({ ...args, layout: undefined });
  return beside.map((path, i) => ({ path, survey: surveys[i] ?? surveys[0] ?? args.survey, reading }));
}

/** `cat.fits.gz` -> `cat.html`, in the same folder. */
export function reportPath(table: string): string {
  return `${table.replace(/(\.gz)?$/, "").replace(/\.[^./]+$/, "")}.html`;
}

interface Arguments extends ReportArguments, EngineArguments {
  readonly table: string;
  readonly survey: string | undefined;
  readonly checkpoint: string | undefined;
  readonly strangest: number | undefined;
  readonly scores: string | undefined;
  readonly latent: boolean;
  readonly given: string | undefined;
  readonly want: string | undefined;
  readonly object: string | undefined;
  readonly out: string | undefined;
}

const STRANGE = "What a network finds strange:";

/** @throws UserError for options of a network that is not named, and for a number that is none. */
function strangeOf({ checkpoint, strangest, scores }: Arguments): LookRequest["strange"] {
  if (checkpoint === undefined && (strangest ?? scores) !== undefined) {
    throw new UserError(
      `--${strangest === undefined ? "scores" : "strangest"}: expected --checkpoint, a network that judges`,
    );
  }
  if (strangest !== undefined && !(Number.isInteger(strangest) && strangest > 0)) {
    throw new UserError(`--strangest ${strangest}: expected a whole number, at least 1`);
  }
  return {
    ...(strangest === undefined ? {} : { most: strangest }),
    ...(scores === undefined ? {} : { scores }),
  };
}

const LATENT = "What a network makes of the table:";

/** @throws UserError for states without a network, and for options of states that are not asked for. */
function latentOf({ checkpoint, latent, given, want, object }: Arguments): LookRequest["latent"] {
  const wish = Object.entries({ given, want, object }).filter(([, value]) => value !== undefined);
  if (!latent) {
    if (wish.length > 0) throw new UserError(`--${wish[0][0]}: expected --latent, which it belongs to`);
    return undefined;
  }
  if (checkpoint === undefined)
    throw new UserError("--latent: expected --checkpoint, a network whose states are shown");
  return Object.fromEntries(wish);
}

export const lookCommand = defineCommand<Arguments>({
  command: "look <table>",
  describe: "look at a table: what is known, n(z), depth, colours, lines and properties, as a page of figures",
  builder: (yargs) =>
    reportOptions(
      engineOptions(yargs)
        .group(["backend", "device", "threads"], STRANGE)
        .positional("table", { type: "string", describe: "table in any known layout, or a prepared folder" })
        .option("survey", {
          type: "string",
          group: READ,
          describe: "survey file: a name of `caleido datasets`, or a path (default: the network's, else minijpas)",
        })
        .option("checkpoint", {
          group: STRANGE,
          type: "string",
          describe: "checkpoint, run folder or name of a network: its strangest objects are shown first",
        })
        .option("strangest", { group: STRANGE, type: "number", describe: "how many of them (default: 8)" })
        .option("scores", {
          group: STRANGE,
          type: "string",
          describe: "table to write of all objects: how strange they are, and every band",
        })
        .option("latent", {
          group: LATENT,
          type: "boolean",
          default: false,
          describe: "maps of its states of knowledge (PCA, UMAP), what can be read from them, what one answer rests on",
        })
        .option("given", {
          group: LATENT,
          type: "string",
          describe: "fields that the states are of (default: bands and spectra)",
        })
        .option("want", {
          group: LATENT,
          type: "string",
          describe: "field whose answer is taken apart (default: redshift)",
        })
        .option("object", { group: LATENT, type: "string", describe: "id of its object (default: the first)" })
        .option("out", {
          group: SHOWN,
          type: "string",
          describe: "page to write (default: <table>.look.html in this folder)",
        }),
      SHOWN,
    )
      .example("$0 look observed.fits", "missing bands, S/N and depth of a catalogue")
      .example("$0 look observed.fits --checkpoint caleido-jpas", "and the objects that its network finds strange")
      .example("$0 look sims.fits --checkpoint caleido-jpas --latent", "what its states tell that it was not given")
      .example("$0 look sims.parquet --beside observed.fits", "simulations beside observations"),
  handler: async (args) => {
    const { table, survey = "minijpas", figures, checkpoint } = args;
    const [strange, latent] = [strangeOf(args), latentOf(args)];
    // not <table>.html, which the simulation may have written
    const out = args.out ?? reportPath(basename(table)).replace(/html$/, "look.html");
    const count = await look({
      table,
      ...(args.survey === undefined ? {} : { survey }),
      reading: readOptionsOf(args),
      beside: besideTables({ ...args, survey }),
      out,
      reporter: terminal,
      ...(figures === undefined ? {} : { figures }),
      ...(checkpoint === undefined ? {} : { network: { checkpoint, engine: await engineOf(args) } }),
      ...(strange === undefined ? {} : { strange }),
      ...(latent === undefined ? {} : { latent }),
    });
    say(`${out}: ${counted(count, "figure")}`);
  },
});
