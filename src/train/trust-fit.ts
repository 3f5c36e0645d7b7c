import { createTrustBasis, type TrustInputName, trustInputNames, type TrustRule } from "../model/trust-rule.ts";
import { minimise } from "./minimise.ts";

/** Redshifts of which it is known whether they are right to 0.03 (1 + z). */
export interface KnownRedshifts {
  readonly count: number;
  /** [count, trustInputNames] */
  readonly inputs: Float64Array;
  /** [count] 0 or 1 */
  readonly isRight: ArrayLike<number>;
}

/** Fewer redshifts, or fewer of them that are right or that are wrong, say nothing worth a rule. */
const [FEWEST, FEWEST_OF_EACH] = [300, 20];
/** Of a coefficient's square, and of the square of its step to the next one: of what it differs from odds that are right. */
const [RIDGE, SMOOTH] = [1.5, 4];

/** A step that makes what is known likelier by less is the last [nats, all redshifts together]. */
const GAIN = 1e-3;

/** Knots of functions of one input. */
const knots: Readonly<Record<TrustInputName, readonly number[]>> = {
  odds: [-4, -1, 1, 2.5, 4, 5.5, 6.9],
  belonging: [-6.9, -3, 0, 3, 6.9],
  residual: [-1, -0.3, 0.1, 0.4, 0.8, 1.3, 2, 3],
  given: [0, 0.25, 0.5, 0.75, 1],
  signal: [0, 1, 2, 3, 4, 5, 6],
  misfit: [-2, -1, 0, 0.5, 1, 2, 4],
  likely: [0, 0.7, 1.5, 2.5, 4, 6, 8],
  firstClass: [0, 0.5, 1],
};
/** The same of functions of two: a misfit means more where S/N is high, or where the answer is sure. */
const coarse = {
  odds: [-3, 1, 4, 6.9],
  residual: [-1, 0, 0.4, 1, 2, 3],
  signal: [0, 1.5, 3, 4.5, 6],
  belonging: [-6.9, 0, 6.9],
} as const satisfies Partial<Record<TrustInputName, readonly number[]>>;
const pairs: readonly (readonly (keyof typeof coarse)[])[] = [
  ["odds", "residual"],
  ["residual", "signal"],
  ["odds", "belonging"],
];

type TermInputs = Pick<TrustRule["terms"][number], "of">;

const allTerms: readonly TermInputs[] = [
  ...trustInputNames.map((name) => ({ of: [{ name, knots: [...knots[name]] }] })),
  ...pairs.map((pair) => ({ of: pair.map((name) => ({ name, knots: [...coarse[name]] })) })),
];

/** Coefficients of a term where the odds are right, and nothing else tells more. */
const startOf = ({ of: [{ name, knots: own }, second] }: TermInputs): number[] =>
  own.flatMap((x) => (second === undefined ? [name === "odds" ? x : 0] : second.knots.map(() => 0)));

/** Pairs of coefficients at neighbouring knots, [a, b] each. */
function neighbours(terms: readonly TermInputs[]): readonly (readonly [number, number])[] {
  let first = 0;
  return terms.flatMap(({ of }) => {
    const [rows, columns] = of.length === 1 ? [1, of[0].knots.length] : of.map((one) => one.knots.length);
    const at = (i: number, k: number): number => first + i * columns + k;
    const found = Array.from({ length: rows * columns }, (_, c) => [Math.floor(c / columns), c % columns]).flatMap(
      ([i, k]) => [
        ...(k + 1 < columns ? [[at(i, k), at(i, k + 1)] as const] : []),
        ...(i + 1 < rows ? [[at(i, k), at(i + 1, k)] as const] : []),
      ],
    );
    first += rows * columns;
    return found;
  });
}

/**
 * The rule under which what is known is likeliest: logistic regression on functions that are linear between knots, with a
 * penalty on what they change of the odds, and on the steps of that from knot to knot (P-splines: Eilers & Marx 1996, Stat.
 * Sci. 11, 89), so that knots that nothing was seen at go with those beside them. Undefined where too little is known.
 */
export function fitTrustRule({ count, inputs, isRight }: KnownRedshifts, poorFrom: number): TrustRule | undefined {
  const n = trustInputNames.length;
  const right = Array.from({ length: count }, (_, i) => isRight[i]).reduce((sum, one) => sum + one, 0);
  if (count < FEWEST || Math.min(right, count - right) < FEWEST_OF_EACH) return undefined;
  const isTold = (name: TrustInputName): boolean => {
    const c = trustInputNames.indexOf(name);
    return Array.from({ length: count }, (_, i) => inputs[i * n + c]).some((x) => !Number.isNaN(x));
  };
  const terms = allTerms.filter(({ of }) => of.every(({ name }) => isTold(name)));
  const { size, active, place } = createTrustBasis(terms);
  const index = new Int32Array(count * active);
  const share = new Float64Array(count * active);
  for (let i = 0; i < count; i++) place(inputs.subarray(i * n, (i + 1) * n), index, share, i * active);
  const steps = neighbours(terms);
  const start = terms.flatMap(startOf);
  /** What is added to `start`, then the offset, which nothing holds back. */
  const at = new Float64Array(size + 1);
  minimise(
    (x, gradient) => {
      gradient.fill(0);
      let loss = 0;
      for (let c = 0; c < size; c++) {
        loss += 0.5 * RIDGE * x[c] * x[c];
        gradient[c] = RIDGE * x[c];
      }
      for (const [a, b] of steps) {
        const step = x[b] - x[a];
        loss += 0.5 * SMOOTH * step * step;
        gradient[a] -= SMOOTH * step;
        gradient[b] += SMOOTH * step;
      }
      for (let i = 0; i < count; i++) {
        let logit = x[size];
        for (let f = i * active; f < (i + 1) * active; f++) logit += share[f] * (start[index[f]] + x[index[f]]);
        const sign = isRight[i] === 1 ? 1 : -1;
        const wrong = 1 / (1 + Math.exp(sign * logit));
        // -ln p, exact also where p is next to 0
        loss += Math.max(0, -sign * logit) + Math.log1p(Math.exp(-Math.abs(logit)));
        const slope = -sign * wrong;
        for (let f = i * active; f < (i + 1) * active; f++) gradient[index[f]] += slope * share[f];
        gradient[size] += slope;
      }
      return loss;
    },
    at,
    GAIN,
  );
  start.forEach((x, c) => (at[c] += x));
  return ruleOf(terms, at, { answers: count, poorFrom });
}

/** Coefficients of all terms, and the offset behind them, as a rule. */
function ruleOf(
  terms: readonly TermInputs[],
  at: Float64Array,
  rest: Pick<TrustRule, "answers" | "poorFrom">,
): TrustRule {
  const rounded = (x: number): number => Number(x.toFixed(4));
  let first = 0;
  const own = terms.map(({ of }) => {
    const size = of.reduce((product, one) => product * one.knots.length, 1);
    first += size;
    return { of, coefficients: Array.from(at.subarray(first - size, first), rounded) };
  });
  return { ...rest, offset: rounded(at[first]), terms: own };
}
