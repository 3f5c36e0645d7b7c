/** Numbers as people read them. */

/** `1 galaxy`, `1,200 galaxies`. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
}

/** `40 s`, `5 min 23 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

/** Three or four significant digits, no exponent where it can be avoided. */
export function number(x: number): string {
  if (!Number.isFinite(x)) return "-";
  const size = Math.abs(x);
  if (size === 0) return "0";
  if (size >= 1e5 || size < 1e-4) return x.toExponential(2);
  if (size >= 1000) return x.toFixed(0);
  return x.toFixed(Math.max(0, size < 1 ? 3 - Math.floor(Math.log10(size)) - 1 : 3 - Math.floor(Math.log10(size))));
}

/** `42 %`; with one digit, or as many as told, where a whole number would hide a small part: `0.3 %`. */
export function percent(fraction: number, digits = fraction > 0 && fraction < 0.01 ? 1 : 0): string {
  return `${(100 * fraction).toFixed(digits)} %`;
}
