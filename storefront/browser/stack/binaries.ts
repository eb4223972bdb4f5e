import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join, resolve } from "node:path";

/** The checkout: the folder above `storefront/`. */
export const checkout = resolve(import.meta.dirname, "../../..");

/** The programs of this system that the tests start. */
export type Program = "flashsale" | "flashsale-gateway" | "flashsale-worker" | "stripe-stand-in";

/** Path of a built program; says what to build when it is not there. */
export function binary(program: Program): string {
  const path = join(directory(), program);
  try {
    accessSync(path, constants.X_OK);
  } catch {
    throw new Error(
      `${path} is not built; in storefront/ run \`npm run build\`, then \`cargo build ` +
        "-p flashsale-cli -p flashsale-gateway -p flashsale-worker --bins`, or set FLASHSALE_BIN_DIR",
    );
  }
  return path;
}

/** Where Cargo puts debug binaries. */
function directory(): string {
  const { FLASHSALE_BIN_DIR, CARGO_TARGET_DIR } = process.env;
  if (FLASHSALE_BIN_DIR) return FLASHSALE_BIN_DIR;
  if (CARGO_TARGET_DIR) return join(CARGO_TARGET_DIR, "debug");
  const metadata = execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], {
    cwd: checkout,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  const { target_directory: target } = JSON.parse(metadata) as { target_directory: string };
  return join(target, "debug");
}
