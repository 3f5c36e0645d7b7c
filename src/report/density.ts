import * as Plot from "@observablehq/plot";
import { theme } from "./svg.ts";

/** Up to here every point is a dot unless the figure says otherwise; beyond, points are counted in cells, so that a figure's size doesn't grow with n. */
const MOST_DOTS = 1500;
const CELL = 4; // px
/** Few to many. */
export const SHADES = ["#c9dcee", "#a6c8e4", "#7fb0d8", "#5996c8", "#387bb4", "#1f5f9c", "#10447f", "#082b5c"];

/** A scatter plot of any number of points in forward coordinates, and the words that tell how it was drawn. */
export function densityMarks(
  at: readonly [number, number][],
  mostDots: number = MOST_DOTS,
): { marks: Plot.Markish[]; note: string } {
  if (at.length <= mostDots) {
    const fillOpacity = at.length > 400 ? 0.35 : 0.6;
    const r = at.length > 400 ? 1.8 : 2.4;
    return { marks: [Plot.dot(at, { fill: theme.blue, fillOpacity, r, clip: true })], note: "" };
  }
  const cells: Plot.RenderFunction = (_index, scales, _values, dimensions, context) => {
    const group = context.document.createElementNS("http://www.w3.org/2000/svg", "g");
    for (const [shade, path] of cellPaths(at, scales, dimensions)) {
      const element = context.document.createElementNS("http://www.w3.org/2000/svg", "path");
      element.setAttribute("fill", SHADES[shade]);
      element.setAttribute("d", path);
      group.appendChild(element);
    }
    return group;
  };
  const note = `${at.length.toLocaleString("en-US")} points, counted in cells; the stronger its colour, the more a cell holds (logarithmic).`;
  return { marks: [cells], note };
}

/** One path per shade; cells that touch in a row are joined. */
function cellPaths(
  at: readonly [number, number][],
  scales: Plot.ScaleFunctions,
  size: Plot.Dimensions,
): Map<number, string> {
  const { marginLeft: left, marginTop: top } = size;
  const columns = Math.ceil((size.width - left - size.marginRight) / CELL);
  const rows = Math.ceil((size.height - top - size.marginBottom) / CELL);
  const counts = new Float64Array(columns * rows);
  for (const [x, y] of at) {
    const column = Math.floor((Number(scales.x!(x)) - left) / CELL);
    const row = Math.floor((Number(scales.y!(y)) - top) / CELL);
    if (column >= 0 && column < columns && row >= 0 && row < rows) counts[row * columns + column]++;
  }
  const most = Math.log(counts.reduce((a, b) => Math.max(a, b), 1) + 1);
  const shadeOf = (count: number) =>
    count === 0 ? -1 : Math.min(SHADES.length - 1, Math.floor((SHADES.length * Math.log(count)) / most));
  const paths = new Map<number, string>();
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns;) {
      const shade = shadeOf(counts[row * columns + column]);
      let length = 1;
      while (column + length < columns && shadeOf(counts[row * columns + column + length]) === shade) length++;
      const x = left + column * CELL;
      const y = top + row * CELL;
      const width = Math.min(length * CELL, size.width - size.marginRight - x);
      const height = Math.min(CELL, size.height - size.marginBottom - y);
      if (shade >= 0) paths.set(shade, `${paths.get(shade) ?? ""}M${x},${y}h${width}v${height}h${-width}z`);
      column += length;
    }
  }
  return paths;
}
