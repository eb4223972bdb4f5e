import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { SalePage } from "./pages/sale-page";
import { freePort, startVite } from "./stack/front";
import { expect, test } from "./test";

test("the sale page loads at most 100 kB of JavaScript, gzipped", async ({ page, openShop }) => {
  const shop = await openShop();
  const scripts: { url: string; bytes: number }[] = [];
  const reading: Promise<void>[] = [];
  page.on("response", (response) => {
    if (response.request().resourceType() !== "script") return;
    const read = async (): Promise<void> => {
      const body = await response.body();
      const headers = response.headers();
      const encoding = headers["content-encoding"] ?? "none";
      // What fits into a packet is not worth the work.
      if (body.length > 1000) expect(encoding, response.url()).toMatch(/^(br|gzip)$/);
      expect(headers["cache-control"], response.url()).toContain("immutable");
      scripts.push({ url: response.url(), bytes: gzipSync(body, { level: 9 }).length });
    };
    reading.push(read());
  });
  const socket = page.waitForEvent("websocket");
  await SalePage.open(page, shop);
  await socket;
  await page.waitForLoadState("networkidle");
  await Promise.all(reading);
  const sum = scripts.reduce((bytes, script) => bytes + script.bytes, 0);
  console.log(`JavaScript at first load: ${(sum / 1000).toFixed(1)} kB in ${scripts.length} files`);
  expect(scripts.length).toBeGreaterThan(0);
  expect(sum, JSON.stringify(scripts)).toBeLessThanOrEqual(100_000);
});

test("the shop is built in under five seconds", async () => {
  test.setTimeout(120_000);
  expect(await fastest(5, build)).toBeLessThan(5);
});

test("the development server is ready within a second", async () => {
  test.setTimeout(120_000);
  expect(await fastest(1, start)).toBeLessThan(1);
});

/** What else a machine is busy with only ever adds: the best of at most eight, in seconds. */
async function fastest(enough: number, run: () => Promise<number>): Promise<number> {
  let best = Infinity;
  for (let runs = 0; runs < 8 && best >= enough; runs += 1) best = Math.min(best, await run());
  return best;
}

async function build(): Promise<number> {
  const outDir = await mkdtemp(join(tmpdir(), "dist-"));
  const vite = startVite(["build", "--outDir", outDir, "--emptyOutDir"]);
  const [, took = "", unit] = await vite.says(/built in ([\d.]+) ?(ms|s)/);
  await vite.ended;
  await rm(outDir, { recursive: true });
  expect(vite.status).toBe(0);
  return Number(took) / (unit === "ms" ? 1000 : 1);
}

async function start(): Promise<number> {
  const vite = startVite(["--host=127.0.0.1", `--port=${await freePort()}`, "--strictPort"]);
  const [, took] = await vite.says(/ready in (\d+)\s+ms/);
  vite.signal("SIGTERM");
  await vite.ended;
  return Number(took) / 1000;
}
