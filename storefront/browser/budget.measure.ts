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
    expect(response.headers()["content-encoding"], response.url()).toMatch(/^(br|gzip)$/);
    expect(response.headers()["cache-control"], response.url()).toContain("immutable");
    reading.push(
      response.body().then((body) => {
        scripts.push({ url: response.url(), bytes: gzipSync(body, { level: 9 }).length });
      }),
    );
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
  const outDir = await mkdtemp(join(tmpdir(), "dist-"));
  const build = startVite(["build", "--outDir", outDir, "--emptyOutDir"]);
  const [, took = "", unit] = await build.says(/built in ([\d.]+) ?(ms|s)/);
  await build.ended;
  await rm(outDir, { recursive: true });
  expect(build.status).toBe(0);
  expect(Number(took) / (unit === "ms" ? 1000 : 1)).toBeLessThan(5);
});

test("the development server is ready within a second", async () => {
  const server = startVite(["--host=127.0.0.1", `--port=${await freePort()}`, "--strictPort"]);
  const [, took] = await server.says(/ready in (\d+)\s+ms/);
  server.signal("SIGTERM");
  await server.ended;
  expect(Number(took)).toBeLessThan(1000);
});
