import type { Page } from "@playwright/test";

import { looksRight } from "./pages/looks";
import { SalePage } from "./pages/sale-page";
import type { Shop } from "./stack/shop";
import type { Stores } from "./stack/stores";
import { expect, test } from "./test";

/** The number of the order that a test makes up. */
const ORDER = 4711;

/** How long the made-up order may wait for its payment, in milliseconds. */
const WINDOW = 40_000;

/**
 * Buys, and says of that what a worker would. The real one stands still meanwhile; the orders of this file
 * are in Redis and in messages alone.
 */
async function owe(page: Page, shop: Shop, stores: Stores) {
  const sale = await SalePage.open(page, shop);
  const card = sale.card();
  const letGo = shop.holdLanes();
  await card.buy.click();
  await card.position();
  const key = (part: string) => `fs:{${shop.sale}}:${part}`;
  const [jobId = "", record = ""] = (await stores.redis("HGETALL", key("jobs"))).split("\n");
  const [, , productId = "", userId = ""] = record.split(" ");
  const confirmed = [[userId, jobId, ORDER]];
  const head = { sale: shop.sale, product: productId };

  const expiresAt = Date.now() + WINDOW;
  const pending = `p ${expiresAt}`;
  await stores.redis("HSET", key("orders"), `${ORDER}`, pending);
  await stores.redis("HSET", key("jobs"), jobId, `c ${ORDER} ${productId} ${userId}`);
  const settled = { ...head, stock: null, version: 0, confirmed, states: [pending], rejected: [] };
  await stores.redis("PUBLISH", "fs:events", JSON.stringify(settled));

  /** The order is paid or cancelled; shoppers hear of it unless `isQuiet`. */
  const change = async (state: string, isQuiet = false) => {
    await stores.redis("HSET", key("orders"), `${ORDER}`, state);
    const changed = { ...head, orders: [[userId, jobId, ORDER, state]] };
    if (!isQuiet) await stores.redis("PUBLISH", "fs:orders", JSON.stringify(changed));
  };
  return { card, change, letGo };
}

test("an order that is not paid in time counts down and is gone", async ({
  page,
  openShop,
  stores,
}) => {
  const shop = await openShop({ payment: { windowSeconds: 600 } });
  const { card, change, letGo } = await owe(page, shop, stores);
  const unpaid = card.says(/^It’s yours, order 4711, pay until \d+:\d\d:\d\d [AP]M$/);
  await expect(unpaid).toBeVisible();
  const timer = card.article.getByRole("timer", { name: "Time left to pay" });
  await expect(timer).toHaveText(/^00:00:\d\d$/);
  const before = await timer.innerText();
  await expect(timer).not.toHaveText(before);
  expect((await timer.innerText()) < before).toBe(true);
  await looksRight(page, "an order to be paid");

  await page.reload();
  await expect(unpaid).toBeVisible();
  await expect(timer).toBeVisible();
  await expect(card.says(/The time to pay is over/)).toBeVisible({ timeout: 2 * WINDOW });
  await change("x expired");
  await expect(card.says("Order 4711 is cancelled")).toBeVisible();
  await expect(card.says("It was not paid in time, so it went back on sale.")).toBeVisible();
  await looksRight(page, "an order that was cancelled");
  await page.reload();
  await expect(card.says("Order 4711 is cancelled")).toBeVisible();
  await page.goto(`${shop.front}/my-orders`);
  const mine = page.getByRole("list", { name: "My orders" });
  await expect(mine).toContainText("It was not paid in time, so it went back on sale.");
  await expect(page.getByText(/It’s yours/)).toHaveCount(0);
  letGo();
});

test("an order is paid, and its money goes back, while the shopper looks", async ({
  page,
  context,
  openShop,
  stores,
}) => {
  const shop = await openShop({ payment: { windowSeconds: 600 } });
  const { card, change, letGo } = await owe(page, shop, stores);
  await expect(card.says(/pay until/)).toBeVisible();
  await change("c");
  await expect(card.says(/^It’s yours, order 4711$/)).toBeVisible();
  await expect(page.getByText(/pay until/)).toHaveCount(0);
  await page.close();

  // An order that was paid is asked for no more; who hears of its end is told.
  const later = await context.newPage();
  const sale = await SalePage.open(later, shop);
  await expect(sale.card().says(/^It’s yours, order 4711$/)).toBeVisible();
  await change("x refunded");
  await expect(sale.card().says("Your money is on its way back to you.")).toBeVisible();
  letGo();
});

test("an order that was cancelled while the page was closed is shown so on return", async ({
  page,
  context,
  openShop,
  stores,
}) => {
  const shop = await openShop({ payment: { windowSeconds: 600 } });
  const { card, change, letGo } = await owe(page, shop, stores);
  await expect(card.says(/pay until/)).toBeVisible();
  await page.close();
  await change("x staff", true);
  const sale = await SalePage.open(await context.newPage(), shop);
  await expect(sale.card().says("The shop cancelled it.")).toBeVisible();
  letGo();
});
