import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    // modules are loaded, and compiled, once for all files of a worker: nothing in them is state
    isolate: false,
    globalSetup: ["test/commands/scratch.ts"],
  },
});
