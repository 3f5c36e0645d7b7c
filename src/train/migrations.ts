import { UserError } from "../errors.ts";

/** Version of `config.json` that this code writes. */
export const FORMAT_VERSION = 2;

type Migration = (config: Record<string, unknown>) => Record<string, unknown>;

/** Version 1 had hashes by path: what each table was for is known only where all were simply trained on. */
const tablesWithRoles: Migration = (config) => ({
  ...config,
  data: Object.entries((config.data ?? {}) as Record<string, unknown>).map(([path, sha256]) => ({
    path,
    sha256,
    role: config.isCalibrated === true ? "unknown" : "train",
  })),
});

/** From version n to n + 1, by n. Old checkpoints pass through every step that is missing. */
const migrations: Readonly<Record<number, Migration>> = { 1: tablesWithRoles };

/** The configuration as this version writes it, unchecked beyond that. @throws UserError for a file that isn't a checkpoint's, or a version this code doesn't know. */
export function migrateConfig(parsed: unknown, path: string): Record<string, unknown> {
  let config = parsed as Record<string, unknown>;
  const isObject = typeof config === "object" && config !== null;
  if (!isObject || typeof config.formatVersion !== "number" || !("model" in config) || !("fields" in config)) {
    throw new UserError(`${path}: not a Caleido checkpoint (no formatVersion, model and fields)`);
  }
  for (let version = config.formatVersion; version < FORMAT_VERSION; version++) {
    const migrate = migrations[version];
    if (migrate === undefined) throw new UserError(`${path}: format version ${version} can't be read`);
    config = { ...migrate(config), formatVersion: version + 1 };
  }
  if (config.formatVersion !== FORMAT_VERSION) {
    throw new UserError(
      `${path}: format version ${String(config.formatVersion)} is newer than this Caleido (${FORMAT_VERSION})`,
    );
  }
  return config;
}
