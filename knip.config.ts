import type { KnipConfig } from "knip";

/**
 * Two runs (see test/run.js). `--production`: code that the package itself never reaches, tests apart; what a file uses
 * and exports for its test alone is fine. Without it: exports, files and dependencies that nothing at all uses.
 */
const isProduction = process.argv.includes("--production");

export default {
  entry: [
    "src/cli.ts!",
    "src/index.ts!",
    "src/simulate/worker.ts!",
    "src/engine/session-worker.ts!",
    "test/**/*.test.ts",
    "test/engine/parity.ts", // compiled and loaded by `npm run bench device`
    "test/commands/resident.js", // a process of its own
  ],
  project: ["src/**/*.ts!", "test/**/*.{ts,js}"],
  ignoreExportsUsedInFile: isProduction ? true : { interface: true, type: true },
  // resolved by path: the fonts of PNG figures
  ignoreDependencies: ["dejavu-fonts-ttf"],
} satisfies KnipConfig;
