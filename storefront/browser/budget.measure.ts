import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { SalePage } from "./pages/sale-page";
import { checkout } from "./stack/binaries";
import type { Child } from "./stack/child";
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

// Judged by processor time: how long something takes depends on what else the machine does.
test("the shop is built in under five seconds", async () => {
  const outDir = await mkdtemp(join(tmpdir(), "dist-"));
  const vite = startVite(["build", "--outDir", outDir, "--emptyOutDir"], reportProcessorTime);
  await vite.ended;
  await rm(outDir, { recursive: true });
  expect(vite.status).toBe(0);
  expect(await processorTime(vite)).toBeLessThan(5);
});

test("the development server is ready within a second, on two cores", async () => {
  const args = ["--host=127.0.0.1", `--port=${await freePort()}`, "--strictPort"];
  const vite = startVite(args, reportProcessorTime);
  await vite.says(/ready in/);
  vite.signal("SIGTERM");
  await vite.ended;
  expect(await processorTime(vite)).toBeLessThan(2);
});

/** Environment in which a program of Node.js ends with what `processorTime` reads. */
const reportProcessorTime = {
  NODE_OPTIONS: `--import=${join(checkout, "storefront/browser/measure/processor-time.mjs")}`,
};

/** Seconds of processor time that an ended program took. */
async function processorTime(program: Child): Promise<number> {
  const [, seconds] = await program.says(/processor time: ([\d.]+) s/);
  return Number(seconds);
}
