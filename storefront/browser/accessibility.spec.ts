import { looksRight } from "./pages/looks";
import { SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

// What moves has faded in when it is judged.
test.use({ contextOptions: { reducedMotion: "reduce" } });

test("axe finds nothing before the opening, on the sale and in the list", async ({
  page,
  openShop,
}) => {
  const shop = await openShop({
    opensInSeconds: 600,
    products: [
      { name: "Brass lantern", stock: 20, description: "Hand-made, numbered." },
      { name: "Copper kettle", stock: 3, maxPerUser: 1 },
    ],
  });
  const sale = await SalePage.open(page, shop);
  await expect(sale.timer).toBeVisible();
  await looksRight(page, "before the opening");
  await page.goto(shop.front);
  await expect(page.getByRole("link", { name: shop.title })).toBeVisible();
  await looksRight(page, "the list of sales");
});

test("axe finds nothing while one buys", async ({ page, openShop }) => {
  const shop = await openShop();
  const card = (await SalePage.open(page, shop)).card();
  await expect(card.buy).toBeEnabled();
  await looksRight(page, "open");
  const letGo = shop.holdLanes();
  await card.buy.click();
  await card.position();
  await looksRight(page, "in line");
  letGo();
  await card.orderNumber();
  await looksRight(page, "confirmed");
  await page.goto(`${shop.front}/my-orders`);
  await expect(page.getByRole("list", { name: "My orders" })).toBeVisible();
  await looksRight(page, "my orders");
});

test("axe finds nothing where one is turned away", async ({ page, openShop }) => {
  const shop = await openShop({ products: [{ name: "Lamp", stock: 1 }] });
  const card = (await SalePage.open(page, shop)).card();
  const letGo = shop.holdLanes();
  await shop.buyAs("ann");
  await card.buy.click();
  await expect(card.says(/^Sold out$/)).toBeVisible();
  await looksRight(page, "refused");
  letGo();
  await expect(card.article).toContainText("Sold out");
  await looksRight(page, "sold out");
});

test("axe finds nothing when a buy ends without an order", async ({ page, openShop }) => {
  const shop = await openShop({ attempts: 1 });
  await shop.refuseOrders();
  const card = (await SalePage.open(page, shop)).card();
  await card.buy.click();
  await expect(card.says("Something went wrong with this order")).toBeVisible();
  await looksRight(page, "failed");
});

test("axe finds nothing when a shopper has their share", async ({ page, openShop }) => {
  const shop = await openShop({ products: [{ name: "Lamp", stock: 5, maxPerUser: 2 }] });
  const card = (await SalePage.open(page, shop)).card();
  await card.buy.click();
  await card.orderNumber();
  const [shopper = ""] = await shop.shoppers();
  await shop.buyAs(shopper);
  await expect.poll(() => shop.orders()).toBe(2);
  await card.buyAgain();
  await expect(card.says("You have your share already")).toBeVisible();
  await looksRight(page, "limit reached");
});

test("axe finds nothing when nobody answers", async ({ page, openShop }) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  const bringBack = shop.takeGatewayAway();
  await expect(sale.connectionLost).toBeVisible();
  await sale.card().buy.click();
  await expect(sale.card().says(/We cannot reach the shop/)).toBeVisible();
  await looksRight(page, "connection lost");
  bringBack();
});

test("axe finds nothing where there is nothing", async ({ page, openShop }) => {
  const shop = await openShop({ closesInSeconds: 3 });
  const sale = await SalePage.open(page, shop);
  await expect(sale.card().buy).toBeDisabled();
  await looksRight(page, "closed");
  for (const path of ["/my-orders", "/shop/no-such-sale", "/no/such/page", "/ops"]) {
    await page.goto(`${shop.front}${path}`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await looksRight(page, path);
  }
});

test("each page has a title of its own", async ({ page, openShop }) => {
  const shop = await openShop();
  const titles = new Set<string>();
  const paths = ["/", `/shop/${shop.sale}`, "/my-orders", "/ops", "/no/such/page"];
  for (const path of paths) {
    await page.goto(`${shop.front}${path}`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    titles.add(await page.title());
  }
  expect([...titles]).toHaveLength(paths.length);
});

test("who wants less motion gets none", async ({ page, openShop }) => {
  const shop = await openShop({ opensInSeconds: 4 });
  const sale = await SalePage.open(page, shop);
  await page.evaluate(() => {
    const moving: string[] = [];
    Reflect.set(window, "moving", moving);
    const look = (): void => {
      for (const animation of document.getAnimations()) {
        const { duration } = animation.effect?.getComputedTiming() ?? {};
        // Motion that is switched off by making it too short to see is off.
        if (Number(duration) > 10) moving.push(JSON.stringify(animation.effect));
      }
      requestAnimationFrame(look);
    };
    look();
  });
  const letGo = shop.holdLanes();
  await expect(sale.card().buy).toBeEnabled();
  await sale.card().buy.click();
  await sale.card().position();
  letGo();
  await sale.card().orderNumber();
  const bringBack = shop.takeGatewayAway();
  await expect(sale.connectionLost).toBeVisible();
  bringBack();
  expect(await page.evaluate(() => Reflect.get(window, "moving") as string[])).toEqual([]);
});
