import { SalePage } from "./pages/sale-page";
import { startFront } from "./stack/front";
import type { Shop } from "./stack/shop";
import { startGuardedGateway, type GuardedGateway } from "./stack/tokens";
import { test as base, expect } from "./test";

interface Guarded {
  /** A sale that is bought from through a gateway that wants a sign-in. */
  guarded: { shop: Shop; gateway: GuardedGateway };
}

const test = base.extend<Guarded>({
  guarded: async ({ stores, openShop }, use) => {
    const shop = await openShop();
    const gateway = await startGuardedGateway(stores, "https://id.example.com/sign-in");
    const front = await startFront(gateway.address);
    shop.front = front.address;
    await use({ shop, gateway });
    await front.stop();
    await gateway.stop();
  },
});

test("who is not signed in is led to the sign-in and back", async ({ page, guarded }) => {
  const { shop } = guarded;
  await page.route("https://id.example.com/**", (route) =>
    route.fulfill({ contentType: "text/html", body: "<title>Sign in</title>" }),
  );
  const sale = await SalePage.open(page, shop);
  await sale.card().showsStock(20);
  await page
    .getByRole("link", { name: /sign in/i })
    .or(page.getByRole("button", { name: /sign in/i }))
    .first()
    .click();
  await page.waitForURL("https://id.example.com/**");
  const { searchParams } = new URL(page.url());
  expect(searchParams.get("return_to")).toBe(`${shop.front}/shop/${shop.sale}`);
});

test("a token in the address signs in and is gone from it at once", async ({ page, guarded }) => {
  const { shop, gateway } = guarded;
  const token = gateway.token("ann");
  await page.goto(`${shop.front}/shop/${shop.sale}#token=${token}`);
  const sale = await SalePage.at(page, shop);
  expect(page.url()).toBe(`${shop.front}/shop/${shop.sale}`);
  expect(await page.evaluate(() => history.length)).toBeLessThanOrEqual(2);
  const stored = await page.evaluate(() => JSON.stringify(localStorage));
  expect(stored, "a token is for this tab alone").not.toContain(token);
  await sale.card().buy.click();
  const number = await sale.card().orderNumber();
  expect((await shop.ordersByNumber(number))[0]?.user_id).toBe("ann");
  await page.reload();
  await sale.card().orderNumber();
});

test("another shopper on the same device sees none of the first one's orders", async ({
  page,
  context,
  guarded,
}) => {
  const { shop, gateway } = guarded;
  await page.goto(`${shop.front}/shop/${shop.sale}#token=${gateway.token("ann")}`);
  const sale = await SalePage.at(page, shop);
  await sale.card().buy.click();
  await sale.card().orderNumber();

  const other = await context.newPage();
  await other.goto(`${shop.front}/shop/${shop.sale}#token=${gateway.token("bob")}`);
  const otherSale = await SalePage.at(other, shop);
  await expect(otherSale.card().buy).toBeEnabled();
  await expect(other.getByText(/It’s yours/)).toHaveCount(0);
  await other.goto(`${shop.front}/my-orders`);
  await expect(other.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(other.getByText(/It’s yours/)).toHaveCount(0);
});

test("a token that the gateway does not accept leads back to the sign-in", async ({
  page,
  guarded,
}) => {
  const { shop, gateway } = guarded;
  await page.goto(`${shop.front}/shop/${shop.sale}#token=${gateway.token("ann")}x`);
  await SalePage.at(page, shop);
  await expect(page.getByText(/sign in/i).first()).toBeVisible();
});
