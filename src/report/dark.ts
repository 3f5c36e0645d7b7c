import { SHADES } from "./density.ts";
import { DISTANCES } from "./figure-coverage.ts";
import { RAMP } from "./figure-latent.ts";
import { theme } from "./svg.ts";

/** The theme's colours on a dark ground: the same hues, told apart as well there. */
export const darkTheme = {
  ink: "#e4e6e8",
  faint: "#8d949c",
  grid: "#30363d",
  paper: "#14171a",
  blue: "#4aa8e8",
  orange: "#ff8d42",
  green: "#2fc79b",
  yellow: "#f0b73f",
  purple: "#d884cc",
  sky: "#abdcf8",
} as const satisfies Partial<Record<keyof typeof theme, string>>;

/** Few to many: the more, the further from the ground. */
const DARK_SHADES = ["#1b3850", "#1f4a6d", "#255d8a", "#2f73aa", "#4289c6", "#66a5da", "#97c6ec", "#d3e8fb"];
/** Far too few to far too many. */
const DARK_DISTANCES = ["#a8480f", "#7d3d18", "#4f3322", "#2a3138", "#1f3f58", "#1d5a86", "#1b78b8"];
/** Low to high. */
const DARK_RAMP = ["#8a7fe0", "#5b9fd0", "#3fbdb6", "#58d698", "#aeea66", "#fde94b"];

/** What every colour that a figure may have becomes on a dark ground. */
export const darkOf: ReadonlyMap<string, string> = new Map([
  ...(Object.keys(darkTheme) as (keyof typeof darkTheme)[]).map((name) => [theme[name], darkTheme[name]] as const),
  ...SHADES.map((shade, i) => [shade, DARK_SHADES[i]] as const),
  ...DISTANCES.map((color, i) => [color, DARK_DISTANCES[i]] as const),
  ...RAMP.map((color, i) => [color, DARK_RAMP[i]] as const),
]);

/** Rules that turn figures, which are drawn for a light ground, to a dark one; colours stand in their attributes. */
export function darkRules(): string {
  const rules = [...darkOf].flatMap(([light, dark]) =>
    (["fill", "stroke"] as const).map((name) => `figure [${name}="${light}"]{${name}:${dark}}`),
  );
  return [`figure svg{color:${darkTheme.ink}!important}`, ...rules].join("\n");
}
