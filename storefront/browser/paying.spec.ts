import { SalePage } from "./pages/sale-page";
import { looksRight } from "./pages/looks";
import { Till } from "./stack/till";
import { expect, test } from "./test";

const payment = { windowSeconds: 600, provider: "pay" };

test("an order is paid at the provider's page", async ({ page, openShop }) => {
  const till = await Till.open();
  const shop = await openShop({ payment }, till.environment, till.listen);
  const sale = await SalePage.open(page, shop);
  const card = sale.card();
  await card.buy.click();
  await expect(card.says(/^It’s yours, order \d+, pay until/)).toBeVisible();
  const pay = card.article.getByRole("button", { name: "Pay now" });
  await expect(pay).toBeVisible();
  await looksRight(page, "an order that can be paid");
  await pay.click();

  await expect(page.getByRole("heading", { name: "Pay 4900 USD" })).toBeVisible();
  await page.getByRole("link", { name: "Back to the shop" }).click();
  await card.article.getByRole("button", { name: "Pay now" }).click();
  await page.getByRole("button", { name: "Pay" }).click();

  await page.waitForURL(`**/shop/${shop.sale}`);
  await expect(card.says(/^It’s yours, order \d+$/)).toBeVisible();
  await expect(pay).toHaveCount(0);
  await shop.audit();
  await till.close();
});

test("an order is given back, and what cannot be paid says so", async ({ page, openShop }) => {
  const till = await Till.open();
  const shop = await openShop({ payment }, till.environment, till.listen);
  const sale = await SalePage.open(page, shop);
  const card = sale.card();
  await card.buy.click();
  const pay = card.article.getByRole("button", { name: "Pay now" });
  await expect(pay).toBeVisible();
  await till.close();
  await pay.click();
  await expect(card.says("The payment page cannot be reached. Please try again.")).toBeVisible();
  await expect(pay).toBeEnabled();

  await page.goto(`${shop.front}/my-orders`);
  await page.getByRole("button", { name: "Cancel order" }).click();
  await expect(page.getByText("You cancelled it.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Pay now" })).toHaveCount(0);
  await shop.audit();
});

test("where the shop sees to payments by itself, nothing can be pressed", async ({
  page,
  openShop,
}) => {
  const shop = await openShop({ payment: { windowSeconds: 600 } });
  const sale = await SalePage.open(page, shop);
  await sale.card().buy.click();
  await expect(sale.card().says(/pay until/)).toBeVisible();
  await expect(page.getByRole("timer", { name: "Time left to pay" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Pay now" })).toHaveCount(0);
});
