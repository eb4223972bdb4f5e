import { numberIn, SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

test("one press leads to a place in line and then to an order", async ({ page, openShop }) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  const card = sale.card();
  await card.showsStock(20);
  const letGo = shop.holdLanes();
  for (const shopper of ["ann", "bob", "cem"]) await shop.buyAs(shopper);
  await card.buy.click();
  expect(await card.position()).toBe(4);
  expect(await shop.orders()).toBe(0);
  letGo();
  const number = await card.orderNumber();
  const [order] = await shop.ordersByNumber(number);
  expect(order?.product_id).toBe(shop.product().id);
  await card.showsStock(16);
  await shop.audit();
});

test("the position falls while the lane moves", async ({ page, openShop }) => {
  const shop = await openShop({ worker: { batchSize: 1 } });
  await shop.slowDown(0.8);
  const sale = await SalePage.open(page, shop);
  const letGo = shop.holdLanes();
  for (let shopper = 1; shopper <= 6; shopper += 1) await shop.buyAs(`shopper-${shopper}`);
  const card = sale.card();
  await card.buy.click();
  const positions = [await card.position()];
  expect(positions).toEqual([7]);
  letGo();
  while (await card.place.isVisible()) {
    const position = numberIn(await card.place.innerText({ timeout: 1000 }).catch(() => ""));
    if (position > 0 && position !== positions.at(-1)) positions.push(position);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  await card.orderNumber();
  expect(positions.length, `positions seen: ${positions.join(", ")}`).toBeGreaterThan(3);
  expect(positions).toEqual([...positions].sort((a, b) => b - a));
});

test("a product that is sold out says so at once", async ({ page, openShop }) => {
  const shop = await openShop({ products: [{ name: "Last lamp", stock: 1 }] });
  const sale = await SalePage.open(page, shop);
  const letGo = shop.holdLanes();
  // The only unit is spoken for, so the turnstile turns the next shopper away.
  await shop.buyAs("ann");
  const card = sale.card();
  const pressedAt = Date.now();
  await card.buy.click();
  await expect(card.says(/^Sold out$/)).toBeVisible();
  expect(Date.now() - pressedAt, "without delay").toBeLessThan(2000);
  letGo();
  await expect.poll(() => shop.orders()).toBe(1);
  await card.showsStock(0);
  await shop.audit();
});

test("stock that is taken back while one waits ends in sold out", async ({ page, openShop }) => {
  const shop = await openShop({ products: [{ name: "Lamp", stock: 2 }] });
  const sale = await SalePage.open(page, shop);
  const letGo = shop.holdLanes();
  const card = sale.card();
  await card.buy.click();
  expect(await card.position()).toBe(1);
  await shop.restock(-2);
  letGo();
  await expect(card.says(/^Sold out$/)).toBeVisible();
  expect(await shop.orders()).toBe(0);
  await shop.audit();
});

test("who has their share already is told so", async ({ page, openShop }) => {
  const shop = await openShop({ products: [{ name: "Lamp", stock: 9, maxPerUser: 2 }] });
  const card = (await SalePage.open(page, shop)).card();
  await card.buy.click();
  await card.orderNumber();
  // The second unit is bought elsewhere, where this page does not see it.
  const [shopper = ""] = await shop.shoppers();
  await shop.buyAs(shopper);
  await expect.poll(() => shop.orders()).toBe(2);
  await card.buyAgain();
  await expect(card.says("You have your share already")).toBeVisible();
  expect(await shop.orders()).toBe(2);
  await shop.audit();
});

test("an order that cannot be settled is said to have gone wrong", async ({ page, openShop }) => {
  const shop = await openShop({ attempts: 1 });
  await shop.refuseOrders();
  const sale = await SalePage.open(page, shop);
  const card = sale.card();
  await card.buy.click();
  await expect(card.says("Something went wrong with this order")).toBeVisible();
  await card.showsStock(20);
  expect(await shop.orders()).toBe(0);
});

test("yen have no decimals, on the sale's page and among the orders", async ({
  page,
  openShop,
}) => {
  const shop = await openShop({
    currency: "JPY",
    products: [{ name: "Lamp", stock: 2, price: 12900 }],
  });
  const sale = await SalePage.open(page, shop);
  await expect(sale.card().says("¥12,900")).toBeVisible();
  await expect(page.getByText("12,900.00")).toHaveCount(0);
  await sale.card().buy.click();
  await sale.card().orderNumber();
  await page.getByRole("link", { name: "See my orders" }).click();
  await expect(page.getByText("¥12,900")).toBeVisible();
  expect(await shop.prices()).toEqual([12_900]);
});
