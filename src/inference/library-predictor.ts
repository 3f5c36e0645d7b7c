import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import type { Column } from "../io/table.ts";
import type { Rng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { distributionsOf } from "./library-answers.ts";
import type { Amplitude } from "./library-graph.ts";
import type { Library } from "./library.ts";
import { type EvidenceOptions, evidenceOf } from "./library-likelihood.ts";
import { drawRows, type Posterior, posteriorOf } from "./library-posterior.ts";
import { libraryPrior, underLibraryPrior } from "./library-prior.ts";
import { createScanner, KEPT } from "./library-scan.ts";
import { type Answers, withoutWanted } from "./predict.ts";
import type { Prior } from "./prior.ts";

/** Answers of a library, with what they were made of. */
export interface LibraryAnswers extends Answers {
  /** [rowCount] */
  readonly posteriors: readonly Posterior[];
}

/** A library as something to ask: what {@link Predictor} is to a network. */
export interface LibraryPredictor {
  readonly coder: FieldCoder;
  /**
   * p(field | given) for every field wanted, one distribution per row: the library's galaxies weighted by the likelihood of
   * what is given and observed of that row. What is wanted is never given.
   * @throws UserError where a given band, or a wanted field, is not in the library.
   */
  predict(
    catalog: Catalog,
    rows: ArrayLike<number>,
    isGiven: Uint8Array,
    wanted: readonly number[],
    onDone?: (share: number) => void,
  ): Promise<LibraryAnswers>;
  /** Joint draws [row, draw, field] in the fields' units: galaxies of the library drawn by weight. */
  draw(answers: LibraryAnswers, draws: number, rngOf: (row: number) => Rng): Float64Array;
  dispose(): Promise<void>;
}

export interface LibraryChoice {
  /** How bright a library's galaxy may be; default: `free`. */
  readonly amplitude?: Amplitude;
  /** Error of the library's fluxes, as a fraction of the observed flux; default: 0. */
  readonly modelError?: number;
  /** Instead of the library's own distribution of a field, which is then never given. */
  readonly prior?: Prior | undefined;
}

/** @throws UserError for an amplitude or an error out of bounds. */
function checkedChoice({ amplitude = "free", modelError = 0 }: LibraryChoice): EvidenceOptions {
  if (typeof amplitude === "number" && !(amplitude >= 0.01 && amplitude <= 100)) {
    throw new UserError(`amplitude ${amplitude}: expected free, absolute, or a deviation from 0.01 to 100`);
  }
  if (!(modelError >= 0 && modelError < 1)) {
    throw new UserError(`model error ${modelError}: expected a fraction of the flux, 0 up to 1`);
  }
  return { amplitude, modelError };
}

/**
 * @throws UserError where a band is given, or a field wanted, that no galaxy of the library has. Other properties that it
 * does not know say nothing, and are not used.
 */
function checkFields(
  { fields, has, path }: Library,
  catalog: Catalog,
  isGiven: Uint8Array,
  wanted: readonly number[],
): void {
  const n = fields.length;
  const isSeen = (j: number): boolean => {
    for (let at = j; at < catalog.rowCount * n; at += n) if (catalog.state[at] !== State.notObserved) return true;
    return false;
  };
  fields.forEach(({ band, name }, j) => {
    if (has[j] === 1) return;
    if (wanted.includes(j)) throw new UserError(`${path}: the library has no ${name}, which is wanted`);
    if (band === undefined || isGiven[j] === 0 || !isSeen(j)) return;
    throw new UserError(`${path}: the library has no band ${name}, which is given; leave it out of --given`);
  });
}

export function createLibraryPredictor(
  engine: Engine,
  library: Library,
  coder: FieldCoder,
  choice: LibraryChoice = {},
): LibraryPredictor {
  const options = checkedChoice(choice);
  const scanner = createScanner(engine, library);
  const prior = choice.prior === undefined ? undefined : libraryPrior(library, choice.prior);
  return {
    coder,
    async predict(catalog, rows, isGiven, wanted, onDone) {
      const given = withoutWanted(isGiven, prior === undefined ? wanted : [prior.field, ...wanted]);
      checkFields(library, catalog, given, wanted);
      const evidence = Array.from(rows, (row) => evidenceOf(library, catalog, row, given, options));
      const reservoir = await scanner.scan(evidence, onDone);
      const posteriors = evidence.map((own, i) => {
        const posterior = posteriorOf(library, reservoir, i, own);
        return prior === undefined ? posterior : underLibraryPrior(library, posterior, prior);
      });
      const scales = Float64Array.from(rows, (row) => coder.scaleOf(catalog, row, given));
      const encoded = distributionsOf(coder, library, posteriors, wanted, scales);
      return { rowCount: rows.length, wanted, scales, encoded, posteriors };
    },
    draw({ posteriors, wanted }, draws, rngOf) {
      const out = new Float64Array(posteriors.length * draws * wanted.length);
      posteriors.forEach((posterior, i) => {
        out.set(drawRows(library, posterior, wanted, draws, rngOf(i)), i * draws * wanted.length);
      });
      return out;
    },
    dispose: () => scanner.dispose(),
  };
}

/** Columns that say how far a library's answers can be trusted. */
export function qualityColumns({ posteriors }: LibraryAnswers): Column[] {
  const float = (name: string, description: string, of: (p: Posterior) => number): Column => ({
    name,
    type: "float32",
    width: 1,
    description,
    data: Float32Array.from(posteriors, of),
  });
  return [
    {
      name: "library_state",
      type: "string",
      width: 1,
      description:
        "ok; sparse: the library has too few galaxies like this one, the answer is as wide as its nearest are apart",
      data: posteriors.map(({ isSparse }) => (isSparse ? "sparse" : "ok")),
    },
    float(
      "library_ess",
      `effective number of the library's galaxies behind the answer, a sample of ${KEPT} at most`,
      (p) => p.effectiveSize,
    ),
    float("library_chi2", "chi-square of the best match over the given bands, model error included", (p) => p.chi2),
    float("library_bands", "given bands with a flux", (p) => p.bands),
  ];
}
