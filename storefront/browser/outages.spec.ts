import { blockSockets, blockWebSockets } from "./pages/network";
import { SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

test("the gateway is killed while a shopper waits: the page recovers, the outcome is right", async ({
  page,
  openShop,
}) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  const letGo = shop.holdLanes();
  await sale.card().buy.click();
  await sale.card().position();

  const bringBack = shop.takeGatewayAway();
  await expect(sale.connectionLost).toBeVisible();
  // What was known stays on the page.
  await expect(sale.card().says(/You are in line, position 1/)).toBeVisible();
  letGo();
  // The order is made while nobody can tell the page.
  await expect.poll(() => shop.orders()).toBe(1);
  bringBack();
  await expect(sale.connectionLost).toBeHidden();
  await sale.card().orderNumber();
  await sale.card().showsStock(19);
  expect(await shop.orders()).toBe(1);
});

test("a gateway that is back at once is no more than a blink", async ({ page, openShop }) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  shop.killGateway();
  await shop.restock(5);
  await sale.card().showsStock(25);
  await expect(sale.connectionLost).toBeHidden();
  await sale.card().buy.click();
  await sale.card().orderNumber();
});

test("a press while the gateway is away is bought when it is back", async ({ page, openShop }) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  const bringBack = shop.takeGatewayAway();
  await expect(sale.connectionLost).toBeVisible();
  await sale.card().buy.click();
  await expect(sale.card().says(/We cannot reach the shop/)).toBeVisible();
  bringBack();
  await sale.card().orderNumber();
  expect(await shop.jobs()).toBe(1);
  expect(await shop.orders()).toBe(1);
});

test("a phone without network for a while tells the truth afterwards", async ({
  page,
  context,
  openShop,
}) => {
  const shop = await openShop({ products: [{ name: "Lamp", stock: 3 }] });
  const sale = await SalePage.open(page, shop);
  const letGo = shop.holdLanes();
  await sale.card().buy.click();
  await sale.card().position();
  await context.setOffline(true);
  await expect(sale.connectionLost).toBeVisible();
  letGo();
  await expect.poll(() => shop.orders()).toBe(1);
  await shop.buyAs("ann");
  await shop.buyAs("bob");
  await expect.poll(() => shop.orders()).toBe(3);
  await context.setOffline(false);
  await sale.card().orderNumber();
  await expect(sale.connectionLost).toBeHidden();
  await sale.card().showsStock(0);
});

test("where sockets are blocked, stock and outcome come by polling", async ({ page, openShop }) => {
  const shop = await openShop();
  await blockSockets(page);
  const sale = await SalePage.open(page, shop);
  const card = sale.card();
  await card.showsStock(20);
  const letGo = shop.holdLanes();
  for (const shopper of ["ann", "bob"]) await shop.buyAs(shopper);
  await card.buy.click();
  expect(await card.position()).toBe(3);
  letGo();
  await card.orderNumber();
  await card.showsStock(17);
  await shop.restock(10);
  await card.showsStock(27);
  await expect(sale.connectionLost).toBeHidden();
});

test("where only WebSockets are blocked, Socket.io falls back to its own polling", async ({
  page,
  openShop,
}) => {
  const shop = await openShop();
  await blockWebSockets(page);
  const polled = page.waitForResponse((response) => response.url().includes("transport=polling"));
  const sale = await SalePage.open(page, shop);
  await sale.card().showsStock(20);
  await polled;
  await shop.restock(10);
  await sale.card().showsStock(30);
  await sale.card().buy.click();
  await sale.card().orderNumber();
});

test("Redis does not answer for a while: the buy is kept and sent again", async ({
  page,
  openShop,
  stores,
}) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  const letGo = stores.holdRedis();
  try {
    const answered = page.waitForResponse((response) => response.url().endsWith("/buy"));
    await sale.card().buy.click();
    expect((await answered).status()).toBe(503);
    await expect(sale.card().says("The shop is busy. We keep trying for you.")).toBeVisible();
  } finally {
    letGo();
  }
  await sale.card().orderNumber();
  expect(await shop.orders()).toBe(1);
});
