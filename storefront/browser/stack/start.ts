import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { binary } from "./binaries";
import { Child } from "./child";
import { manifest } from "./sale";
import { Stores } from "./stores";

/** Starts a PostgreSQL and a Redis of one's own, and ends them when `use` is done. */
export async function withStores(use: (stores: Stores) => Promise<void>): Promise<void> {
  const flashsale = binary("flashsale");
  const directory = await mkdtemp(join(tmpdir(), "stores-"));
  const file = join(directory, "sale.yaml");
  // Stores come with a sale; this one is long over and in nobody's way.
  await writeFile(file, manifest({ closesInSeconds: -60, opensInSeconds: -120 }).text);
  const up = new Child(flashsale, ["up", file]);
  try {
    await up.says(/^still up/m);
    const redis = up.childrenNamed("redis-server")[0];
    if (redis === undefined) throw new Error(`up runs no Redis:\n${up.output}`);
    const stores = new Stores(address(up, "DATABASE"), address(up, "REDIS"), redis);
    await use(stores);
    await stores.close();
  } finally {
    up.signal("SIGINT");
    await up.ended;
    await rm(directory, { recursive: true, force: true });
  }
}

/** An address as `up` prints it in the commands to paste. */
function address(up: Child, store: string): string {
  const found = new RegExp(`FLASHSALE_${store}_URL='([^']+)'`).exec(up.output)?.[1];
  if (found === undefined)
    throw new Error(`up does not tell FLASHSALE_${store}_URL:\n${up.output}`);
  return found;
}
