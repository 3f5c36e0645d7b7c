/** Axes: what the user wants to see (label, unit, scale), and the linear coordinates, ticks and labels that draw it. */

export interface Axis {
  readonly label: string;
  /** As in a survey file (`1e-19 erg/s/cm2/A`, `Angstrom`, `dex`); absent or empty for pure numbers. */
  readonly unit?: string;
  /** Default linear. asinh is linear within +-knee and logarithmic outside: for quantities that may be negative. */
  readonly scale?: "linear" | "log" | "asinh";
  /** Of the asinh scale, in the axis' unit. Default 1. */
  readonly knee?: number;
  /** Ends in the axis' unit; from the data when absent. */
  readonly domain?: readonly [number, number];
}

/** A field on an axis: the first words of its description; logarithms name their unit there. */
export function fieldAxis({ description, unit }: { readonly description: string; readonly unit: string }): Axis {
  const label = [
    ["log10", "log"],
    ["Msun", "M☉"],
    ["Zsun", "Z☉"],
    ["Halpha", "Hα"],
    ["Hbeta", "Hβ"],
    ["Hgamma", "Hγ"],
    ["Hdelta", "Hδ"],
  ].reduce((text, [from, to]) => text.replaceAll(from, to), description.split(", ")[0]);
  return unit === "" || unit === "dex" ? { label } : { label, unit };
}

/** An axis fixed to data. Plots are linear in `forward(value)`. */
export interface AxisScale {
  readonly label: string;
  /** Undefined where the value has no place on the axis (log of 0): the point is not drawn. */
  forward(this: void, value: number): number;
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  /** Label of a tick, which is in forward coordinates. */
  format(this: void, tick: number): string;
}

interface ScaleRule {
  forward(value: number, knee: number): number;
  /** Tick values in the axis' unit, and the decimals of their labels (undefined: powers of ten). */
  ticks(low: number, high: number, knee: number): { values: number[]; decimals: number | undefined };
  inverse(v: number, knee: number): number;
}

const scales: Record<NonNullable<Axis["scale"]>, ScaleRule> = {
  linear: { forward: (v) => v, inverse: (v) => v, ticks: (low, high) => linearTicks(low, high, 5) },
  log: {
    forward: (v) => (v > 0 ? Math.log10(v) : Number.NaN),
    inverse: (v) => 10 ** v,
    ticks: (low, high) => logTicks(low, high),
  },
  asinh: {
    forward: (v, knee) => Math.asinh(v / knee),
    inverse: (v, knee) => knee * Math.sinh(v),
    ticks: (low, high, knee) => ({ values: asinhTicks(low, high, knee), decimals: undefined }),
  },
};

/**
 * Fixes `axis` to the data of all `samples`: without a domain it runs from the 0.5th to the 99.5th percentile of the
 * finite values, widened by 4 %, and always holds the values in `include`.
 */
export function fitAxis(axis: Axis, samples: readonly ArrayLike<number>[], include: readonly number[] = []): AxisScale {
  const rule = scales[axis.scale ?? "linear"];
  const knee = axis.knee ?? 1;
  const forward = (value: number) => rule.forward(value, knee);
  const [low, high] =
    axis.domain === undefined
      ? dataDomain(samples, include, forward)
      : [forward(axis.domain[0]), forward(axis.domain[1])];
  const [from, to] = [rule.inverse(Math.min(low, high), knee), rule.inverse(Math.max(low, high), knee)];
  const { values, decimals } = rule.ticks(from, to, knee);
  const slack = 1e-9 * Math.abs(high - low);
  const ticks = values
    .map(forward)
    .sort((a, b) => a - b)
    .filter((t) => t >= Math.min(low, high) - slack && t <= Math.max(low, high) + slack);
  return {
    label: axisLabel(axis),
    forward,
    domain: [low, high],
    ticks,
    format: (tick) => formatTick(rule.inverse(tick, knee), decimals),
  };
}

/** At most `most` ticks, 0 among them where it was one, none closer to the ends than `edge` of the axis: for small panels. */
export function sparseTicks(scale: AxisScale, most: number, edge = 0): AxisScale {
  const [low, high] = scale.domain;
  const inner = scale.ticks.filter((t) => Math.min(t - low, high - t) >= edge * (high - low) - 1e-9);
  const every = Math.ceil(inner.length / most);
  const zero = Math.max(
    0,
    inner.findIndex((t) => Math.abs(t) < 1e-12),
  );
  return { ...scale, ticks: inner.filter((_, i) => (i - zero) % every === 0) };
}

/** Least room between labels [px]. */
const BETWEEN = 5;

/** As many of the ticks, evenly chosen, as have room for labels of `widthOf` px along `length` px. */
export function roomyTicks(scale: AxisScale, length: number, widthOf: (text: string) => number): AxisScale {
  const [low, high] = scale.domain;
  const at = (tick: number): number => (length * (tick - low)) / (high - low);
  const widths = scale.ticks.map((tick) => widthOf(scale.format(tick)));
  const isTight = scale.ticks.some(
    (tick, i) => i > 0 && Math.abs(at(tick) - at(scale.ticks[i - 1])) < (widths[i] + widths[i - 1]) / 2 + BETWEEN,
  );
  if (!isTight || scale.ticks.length < 3) return scale;
  return roomyTicks(sparseTicks(scale, Math.ceil(scale.ticks.length / 2)), length, widthOf);
}

/** `label [unit]`, the unit in print form. */
export function axisLabel(axis: Axis): string {
  return axis.unit === undefined || axis.unit === "" ? axis.label : `${axis.label} [${printUnit(axis.unit)}]`;
}

/** `1e-19 erg/s/cm2/A` -> `10⁻¹⁹ erg s⁻¹ cm⁻² Å⁻¹`. Words it doesn't know stay as they are. */
export function printUnit(unit: string): string {
  return unit
    .split(/\s+/)
    .map((word) => {
      const power = /^1e([+-]?\d+)$/.exec(word);
      if (power !== null) return `10${superscript(Number(power[1]))}`;
      return word
        .split("/")
        .map((part, i) => {
          const [, name, exponent] = /^(.*?)(\d*)$/.exec(part)!;
          const shown = name === "A" || name === "Angstrom" ? "Å" : name === "Msun" ? "M☉" : name;
          const n = (i === 0 ? 1 : -1) * (exponent === "" ? 1 : Number(exponent));
          return n === 1 ? shown : shown + superscript(n);
        })
        .join(" ");
    })
    .join(" ");
}

function superscript(n: number): string {
  return Array.from(String(n), (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)])).join("");
}

function dataDomain(
  samples: readonly ArrayLike<number>[],
  include: readonly number[],
  forward: (v: number) => number,
): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const sample of samples) {
    const sorted = Float64Array.from(sample, forward).filter(Number.isFinite).sort();
    if (sorted.length === 0) continue;
    low = Math.min(low, sorted[Math.floor(0.005 * (sorted.length - 1))]);
    high = Math.max(high, sorted[Math.ceil(0.995 * (sorted.length - 1))]);
  }
  for (const value of include.map(forward).filter(Number.isFinite)) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const margin = high > low ? 0.04 * (high - low) : 0.05 * Math.abs(high) + 0.05;
  return [low - margin, high + margin];
}

/** About `count` round values, and the decimals that tell them apart. */
export function linearTicks(low: number, high: number, count: number): { values: number[]; decimals: number } {
  const raw = (high - low) / count;
  if (!(raw > 0)) return { values: [low], decimals: 2 };
  const power = 10 ** Math.floor(Math.log10(raw));
  const lead = raw / power;
  const step = power * (lead < 1.5 ? 1 : lead < 3.2 ? 2 : lead < 7 ? 5 : 10);
  const values: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) values.push(i * step);
  return { values, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** Decades, with 3 (under 3.2 decades) or 2 and 5 (under two) between them; round steps within a third of a decade. */
function logTicks(low: number, high: number): { values: number[]; decimals: number | undefined } {
  const decades = Math.log10(high / low);
  if (decades < 0.34) return linearTicks(low, high, 4);
  const every = Math.max(1, Math.ceil(decades / 7));
  const values: number[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
    if (e % every !== 0) continue;
    values.push(...(decades < 2 ? [1, 2, 5] : decades < 3.2 ? [1, 3] : [1]).map((m) => m * 10 ** e));
  }
  return { values, decimals: undefined };
}

function asinhTicks(low: number, high: number, knee: number): number[] {
  const first = Math.ceil(Math.log10(knee) - 1e-9);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  if (largest < 3 * knee) return linearTicks(low, high, 5).values;
  const decades = Math.log10(largest / 10 ** first);
  const steps = decades < 1.7 ? [1, 3] : [1];
  const values = [0];
  for (let e = first; e <= first + decades; e++) for (const m of steps) values.push(m * 10 ** e, -m * 10 ** e);
  return values;
}

/** A true minus sign. Decimals undefined: as short as it goes, powers of ten beyond 10,000 and below 0.001. */
export function formatTick(value: number, decimals: number | undefined): string {
  const size = Math.abs(value);
  let text: string;
  if (size < 1e-12) text = "0";
  else if (size >= 0.99e5 || size < 0.99e-3) {
    const exponent = Math.floor(Math.log10(size) + 1e-9);
    const lead = Number((size / 10 ** exponent).toPrecision(3));
    text = `${lead === 1 ? "" : `${lead}×`}10${superscript(exponent)}`;
  } else text = decimals === undefined ? String(Number(size.toPrecision(4))) : size.toFixed(decimals);
  return value < 0 && text !== "0" ? `−${text}` : text;
}
