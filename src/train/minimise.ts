/** A smooth function of a few hundred numbers, and its gradient, written into `gradient`. */
export type Objective = (at: Float64Array, gradient: Float64Array) => number;

/** Pairs of steps and changes of the gradient that stand for the curvature. */
const MEMORY = 8;
/** A step is accepted that goes down by this part of what the slope promises (Armijo 1966). */
const SUFFICIENT = 1e-4;
const MOST_HALVINGS = 30;

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

/** The step that a gradient asks for where the curvature is about known: its inverse times the gradient. */
export type Metric = (gradient: Float64Array) => Float64Array;

/**
 * Goes down from `start`, which is moved, until a step gains less than `tolerance`: L-BFGS with backtracking
 * (Nocedal & Wright 2006, algorithms 7.4 and 3.1), that begins with `metric`. Returns the value.
 */
export function minimise(
  objective: Objective,
  start: Float64Array,
  tolerance: number,
  metric?: Metric,
  mostSteps = 300,
): number {
  const n = start.length;
  const gradient = new Float64Array(n);
  let value = objective(start, gradient);
  const pairs: { step: Float64Array; change: Float64Array; curvature: number }[] = [];
  const [next, nextGradient] = [new Float64Array(n), new Float64Array(n)];
  for (let iteration = 0; iteration < mostSteps; iteration++) {
    const direction = descent(gradient, pairs, metric);
    const slope = dot(direction, gradient);
    if (!(slope < 0)) break;
    let length = pairs.length === 0 && metric === undefined ? Math.min(1, 1 / Math.sqrt(dot(gradient, gradient))) : 1;
    let [lower, halvings] = [Infinity, 0];
    for (; halvings < MOST_HALVINGS; halvings++, length *= 0.5) {
      for (let i = 0; i < n; i++) next[i] = start[i] + length * direction[i];
      lower = objective(next, nextGradient);
      if (lower <= value + SUFFICIENT * length * slope) break;
    }
    if (halvings === MOST_HALVINGS) break;
    const step = next.map((x, i) => x - start[i]);
    const change = nextGradient.map((x, i) => x - gradient[i]);
    const curvature = dot(step, change);
    if (curvature > 0) pairs.push({ step, change, curvature });
    if (pairs.length > MEMORY) pairs.shift();
    const gain = value - lower;
    start.set(next);
    gradient.set(nextGradient);
    value = lower;
    if (gain < tolerance) break;
  }
  return value;
}

/** The direction that the pairs make of the gradient: two loops. */
function descent(
  gradient: Float64Array,
  pairs: readonly { step: Float64Array; change: Float64Array; curvature: number }[],
  metric: Metric | undefined,
): Float64Array {
  let q: Float64Array = gradient.map((x) => -x);
  const shares = new Float64Array(pairs.length);
  for (let p = pairs.length - 1; p >= 0; p--) {
    const { step, change, curvature } = pairs[p];
    shares[p] = dot(step, q) / curvature;
    for (let i = 0; i < q.length; i++) q[i] -= shares[p] * change[i];
  }
  const last = pairs.at(-1);
  const scale = last === undefined ? 1 : last.curvature / dot(last.change, last.change);
  q = metric === undefined ? q.map((x) => scale * x) : metric(q);
  for (const [p, { step, change, curvature }] of pairs.entries()) {
    const back = dot(change, q) / curvature;
    for (let i = 0; i < q.length; i++) q[i] += (shares[p] - back) * step[i];
  }
  return q;
}
