import { SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

test("a reload in line keeps the place", async ({ page, openShop }) => {
  const shop = await openShop();
  const card = (await SalePage.open(page, shop)).card();
  const letGo = shop.holdLanes();
  await shop.buyAs("ann");
  await card.buy.click();
  expect(await card.position()).toBe(2);
  await page.reload();
  expect(await card.position()).toBe(2);
  expect(await shop.jobs()).toBe(2);
  letGo();
  await card.orderNumber();
  await page.reload();
  await card.orderNumber();
  expect(await shop.orders()).toBe(2);
});

test("an outcome that came while the page was closed is there on return", async ({
  page,
  context,
  openShop,
}) => {
  const shop = await openShop();
  const card = (await SalePage.open(page, shop)).card();
  const letGo = shop.holdLanes();
  await card.buy.click();
  await card.position();
  await page.close();
  letGo();
  await expect.poll(() => shop.orders()).toBe(1);
  const sale = await SalePage.open(await context.newPage(), shop);
  await sale.card().orderNumber();
});

test("an order is still there when the sale is closed, and when it is gone", async ({
  page,
  context,
  openShop,
}) => {
  const shop = await openShop({ closesInSeconds: 8 });
  const sale = await SalePage.open(page, shop);
  await sale.card().buy.click();
  const number = await sale.card().orderNumber();
  await expect(page.getByText("Sale over"), "it closes by itself").toBeVisible();
  await page.close();

  const later = await context.newPage();
  await SalePage.open(later, shop);
  await later.goto(`${shop.front}/my-orders`);
  const mine = later.getByRole("list", { name: "My orders" });
  await expect(mine).toContainText(`It’s yours, order ${number}`);
  await expect(mine).toContainText(shop.product().name);

  await shop.withdraw();
  await later.goto(`${shop.front}/shop/${shop.sale}`);
  await expect(later.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(later.getByRole("article", { name: shop.product().name })).toHaveCount(0);
  await later.goto(`${shop.front}/my-orders`);
  await expect(mine).toContainText(`It’s yours, order ${number}`);
});

test("an outcome is found even when the sale is withdrawn before the shopper returns", async ({
  page,
  context,
  openShop,
}) => {
  const shop = await openShop();
  const card = (await SalePage.open(page, shop)).card();
  const letGo = shop.holdLanes();
  await card.buy.click();
  await card.position();
  await page.close();
  letGo();
  await expect.poll(() => shop.orders()).toBe(1);
  await shop.withdraw();
  const later = await context.newPage();
  await later.goto(`${shop.front}/my-orders`);
  await expect(later.getByRole("list", { name: "My orders" })).toContainText(
    /It’s yours, order \d+/,
  );
});

test("my orders are in order, newest first, and nobody else's", async ({
  page,
  newShopper,
  openShop,
}) => {
  const shop = await openShop({
    products: [
      { name: "Lamp", stock: 5 },
      { name: "Kettle", stock: 5 },
    ],
  });
  const sale = await SalePage.open(page, shop);
  for (const name of ["Lamp", "Kettle"]) {
    const card = sale.card(shop.product(name));
    await card.buy.click();
    await card.orderNumber();
  }
  await page.goto(`${shop.front}/my-orders`);
  const items = page.getByRole("list", { name: "My orders" }).getByRole("listitem");
  await expect(items).toHaveCount(2);
  await expect(items.first()).toContainText("Kettle");
  await expect(items.last()).toContainText("Lamp");

  const other = await newShopper();
  await other.goto(`${shop.front}/my-orders`);
  await expect(other.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(other.getByText(/It’s yours/)).toHaveCount(0);
});
