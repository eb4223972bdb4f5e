import type { Page, Response } from "@playwright/test";

import { SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

/** The answers that a page got to its buys. */
function buyAnswers(page: Page): Response[] {
  const answers: Response[] = [];
  page.on("response", (response) => {
    if (new URL(response.url()).pathname === "/buy") answers.push(response);
  });
  return answers;
}

test("a double press is one order", async ({ page, openShop }) => {
  const shop = await openShop();
  const card = (await SalePage.open(page, shop)).card();
  const letGo = shop.holdLanes();
  await card.buy.dblclick();
  await card.position();
  letGo();
  await card.orderNumber();
  expect(await shop.orders()).toBe(1);
  expect(await shop.jobs()).toBe(1);
});

test("two presses before the page can answer are one order", async ({ page, openShop }) => {
  const shop = await openShop();
  const card = (await SalePage.open(page, shop)).card();
  await card.buy.evaluate((button: HTMLButtonElement) => {
    for (let press = 0; press < 5; press += 1) button.click();
  });
  await card.orderNumber();
  expect(await shop.orders()).toBe(1);
  expect(await shop.jobs()).toBe(1);
});

test("a press in a second tab joins the buy of the first", async ({ page, context, openShop }) => {
  const shop = await openShop();
  const first = (await SalePage.open(page, shop)).card();
  const second = (await SalePage.open(await context.newPage(), shop)).card();
  const letGo = shop.holdLanes();
  await first.buy.click();
  await first.position();
  // The other tab knows by itself.
  await expect(second.says(/You are in line, position 1/)).toBeVisible();
  letGo();
  const number = await first.orderNumber();
  expect(await second.orderNumber()).toBe(number);
  expect(await shop.jobs()).toBe(1);
});

test("presses in two tabs at the same moment are one order", async ({
  page,
  context,
  openShop,
}) => {
  const shop = await openShop();
  const first = (await SalePage.open(page, shop)).card();
  const second = (await SalePage.open(await context.newPage(), shop)).card();
  const letGo = shop.holdLanes();
  // Both fire before either page can hear of the other.
  const press = (button: HTMLButtonElement, at: number): void => {
    setTimeout(() => {
      button.click();
    }, at - Date.now());
  };
  const at = Date.now() + 500;
  await Promise.all([first.buy.evaluate(press, at), second.buy.evaluate(press, at)]);
  await Promise.all([first.position(), second.position()]);
  letGo();
  expect(await first.orderNumber()).toBe(await second.orderNumber());
  expect(await shop.jobs()).toBe(1);
  expect(await shop.orders()).toBe(1);
});

test("a retry after the connection was cut is the same order", async ({ page, openShop }) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  const keys: (string | undefined)[] = [];
  await page.route("**/buy", async (route) => {
    keys.push(route.request().headers()["idempotency-key"]);
    if (keys.length > 1) {
      await route.continue();
      return;
    }
    // The gateway takes the buy; its answer is lost on the way back.
    const answer = await route.fetch();
    expect(answer.status()).toBe(200);
    await route.abort("connectionreset");
  });
  const answers = buyAnswers(page);
  await sale.card().buy.click();
  await sale.card().orderNumber();

  await expect.poll(() => answers.length).toBeGreaterThan(0);
  expect(new Set(keys).size).toBe(1);
  expect(answers[0]?.headers()["idempotent-replayed"]).toBe("true");
  expect(await shop.jobs()).toBe(1);
  expect(await shop.orders()).toBe(1);
  await shop.audit();
});

test("a reload right after the press is the same order", async ({ page, openShop }) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  let lost = 0;
  await page.route("**/buy", async (route) => {
    lost += 1;
    await route.fetch();
    await route.abort("connectionreset").catch(() => undefined);
  });
  await sale.card().buy.click();
  await expect.poll(() => lost).toBeGreaterThan(0);
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await page.reload();
  await sale.card().orderNumber();
  expect(await shop.jobs()).toBe(1);
  expect(await shop.orders()).toBe(1);
});

test("after an order a new press is a new order", async ({ page, openShop }) => {
  const shop = await openShop();
  const card = (await SalePage.open(page, shop)).card();
  await card.buy.click();
  const first = await card.orderNumber();
  await card.buyAgain();
  await expect.poll(() => card.orderNumber()).toBeGreaterThan(first);
  expect(await shop.orders()).toBe(2);
});
