import type { Page } from "@playwright/test";

import { SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

/** Everything the socket of a page receives from now on. */
function socketFrames(page: Page): string[] {
  const frames: string[] = [];
  page.on("websocket", (socket) => {
    socket.on("framereceived", ({ payload }) => frames.push(payload.toString()));
  });
  return frames;
}

test("both see stock fall while one buys, and only the buyer sees the confirmation", async ({
  page,
  newShopper,
  openShop,
}) => {
  const shop = await openShop({ products: [{ name: "Lamp", stock: 7 }] });
  const other = await newShopper();
  const buyerFrames = socketFrames(page);
  const otherFrames = socketFrames(other);
  const [buyerSale, otherSale] = await Promise.all([
    SalePage.open(page, shop),
    SalePage.open(other, shop),
  ]);
  // The figure by socket, so that what comes after is seen to come by socket too.
  await expect.poll(() => otherFrames.join()).toContain("stock-update");

  await buyerSale.card().buy.click();
  await buyerSale.card().orderNumber();
  await buyerSale.card().showsStock(6);
  await otherSale.card().showsStock(6);
  await expect.poll(() => buyerFrames.join()).toContain("order_confirmed");

  // What came to the other after the order was made would have come by the next figure at last.
  await shop.buyAs("a-third-shopper");
  await otherSale.card().showsStock(5);
  expect(otherFrames.join()).not.toContain("order_");
  await expect(other.getByText(/It’s yours/)).toHaveCount(0);
  await expect(other.getByText(/You are in line/)).toHaveCount(0);
  await other.goto(`${shop.front}/my-orders`);
  await expect(other.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(other.getByText(/It’s yours/)).toHaveCount(0);
});

test("the outcome comes by socket, without asking", async ({ page, openShop }) => {
  const shop = await openShop();
  const card = (await SalePage.open(page, shop)).card();
  await page.route("**/orders/**", (route) => route.abort());
  const letGo = shop.holdLanes();
  await card.buy.click();
  await card.position();
  letGo();
  await card.orderNumber();
});
