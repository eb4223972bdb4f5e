import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import type { Page } from "@playwright/test";

import { binary, checkout } from "./stack/binaries";
import { Child } from "./stack/child";
import { expect, test } from "./test";

const token = "operations-token-of-the-pictures";

/** A sale of `examples/` on the real stack, with stores of its own. */
class Example {
  readonly address: string;
  private readonly up: Child;

  private constructor(up: Child) {
    this.up = up;
    this.address = /^gateway +(http:\S+)$/m.exec(up.output)?.[1] ?? "";
  }

  static async open(file: string, ...args: string[]): Promise<Example> {
    const path = join(checkout, "examples", file);
    const up = new Child(binary("flashsale"), ["up", path, ...args], {
      FLASHSALE_OPERATIONS_TOKEN: token,
    });
    await up.says(/^still up/m);
    return new Example(up);
  }

  /** Sends simulated shoppers; settles when the last has an outcome. */
  async crowd(product: string, ...shape: string[]): Promise<void> {
    const environment = Object.fromEntries(
      [...this.up.output.matchAll(/(FLASHSALE_\w+_URL)='([^']+)'/g)].map(([, name, url]) => [
        name ?? "",
        url ?? "",
      ]),
    );
    const want = product === "" ? [] : ["--product", product];
    const load = ["load", "--url", this.address, ...want, "--double-press", "0", ...shape];
    await new Child(binary("flashsale"), load, environment).ended;
  }

  /** Stops the worker until the function that this returns is called: the lane stands still. */
  holdLanes(): () => void {
    const workers = this.up.childrenNamed("flashsale-worker");
    const tell = (signal: NodeJS.Signals) => {
      for (const pid of workers) process.kill(pid, signal);
    };
    tell("SIGSTOP");
    return () => {
      tell("SIGCONT");
    };
  }

  async stop(): Promise<void> {
    this.up.signal("SIGINT");
    this.up.signal("SIGTERM");
    await this.up.ended;
  }
}

async function take(page: Page, name: string): Promise<void> {
  const directory = join(checkout, "docs", "pictures");
  await mkdir(directory, { recursive: true });
  await page.mouse.move(0, 0);
  const path = join(directory, `${name}.jpg`);
  await page.screenshot({ path, type: "jpeg", quality: 88, animations: "disabled" });
}

test("the shop before, during and after a sale", async ({ page }) => {
  const sale = await Example.open("sneaker-drop.yaml", "--opens-in", "12s");
  await page.goto(`${sale.address}/shop/sneaker-drop`);
  const product = page.getByRole("article", { name: /Nimbus Runner/ });
  await expect(product.getByTestId("stock")).toHaveText(/500/);
  await product.locator("img").evaluate((image: HTMLImageElement) => image.decode());
  await take(page, "shop-before");

  const buy = product.getByRole("button", { name: /^Buy/ });
  await expect(buy).toBeEnabled({ timeout: 30_000 });
  await sale.crowd("sneaker-001", "--crowd", "180", "--impatient", "0", "--greedy", "0");
  await expect(product.getByTestId("stock")).toHaveText(/320/);
  const letGo = sale.holdLanes();
  const others = sale.crowd("sneaker-001", "--crowd", "250", "--impatient", "0", "--greedy", "0");
  await expect
    .poll(async () => depth(sale, "sneaker-drop"), { intervals: [100] })
    .toBeGreaterThan(200);
  await buy.click();
  await expect(product.getByText(/You are in line, position/).first()).toBeVisible();
  await take(page, "shop-during");

  letGo();
  await expect(product.getByText(/It’s yours, order/).first()).toBeVisible();
  await others;
  await sale.crowd("sneaker-001", "--crowd", "100");
  await expect(product.getByTestId("stock")).toHaveText(/sold out|(^|\D)0\D/i);
  await take(page, "shop-after");
  await sale.stop();
});

test("the operations page during the crowd", async ({ page }) => {
  const market = await Example.open("winter-market.yaml");
  await page.goto(`${market.address}/ops#token=${token}`);
  await expect(page.getByRole("region", { name: "winter-market", exact: true })).toBeVisible();
  // An evening in half a minute: calm, a rush, calm again, and the rush of the end.
  await market.crowd("", "--rate", "40", "--duration", "8");
  await market.crowd("", "--crowd", "1600", "--arrival-seconds", "8");
  await market.crowd("", "--rate", "60", "--duration", "6");
  const rush = market.crowd("", "--crowd", "6000", "--arrival-seconds", "6");
  await expect
    .poll(async () => (await buysOf(market)) > 300, { intervals: [200], timeout: 20_000 })
    .toBe(true);
  await take(page, "operations");
  await rush;
  await market.stop();
});

interface Figures {
  sales: { sale: string; lanes: { depth: number }[]; buys: Record<string, number> }[];
}

async function figures(example: Example): Promise<Figures> {
  const headers = { Authorization: `Bearer ${token}` };
  return (await (
    await fetch(`${example.address}/operations/figures`, { headers })
  ).json()) as Figures;
}

async function depth(example: Example, name: string): Promise<number> {
  const sale = (await figures(example)).sales.find(({ sale }) => sale === name);
  return sale?.lanes.reduce((sum, lane) => sum + lane.depth, 0) ?? 0;
}

async function buysOf(example: Example): Promise<number> {
  const sums = (await figures(example)).sales.map(({ buys }) =>
    Object.values(buys).reduce((sum, count) => sum + count, 0),
  );
  return Math.max(0, ...sums);
}
