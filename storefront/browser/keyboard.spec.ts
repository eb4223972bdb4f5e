import type { Locator, Page } from "@playwright/test";

import { SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

/** Presses Tab until the target has the focus; each stop on the way must be seen to have it. */
async function tabTo(page: Page, target: Locator): Promise<string[]> {
  const stops: string[] = [];
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press("Tab");
    stops.push(await focusSeen(page));
    if (await target.evaluate((element) => element === document.activeElement)) return stops;
  }
  throw new Error(`Tab does not lead there, but over ${stops.join(" → ")}`);
}

/** The name of what has the focus, which must show it. */
async function focusSeen(page: Page): Promise<string> {
  const focused = page.locator(":focus");
  await expect(focused).toBeInViewport();
  const { name, isShown } = await focused.evaluate((element) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
    const hasOutline = outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2;
    return {
      name: element.getAttribute("aria-label") ?? element.textContent.trim().slice(0, 40),
      isShown: element.matches(":focus-visible") && (hasOutline || boxShadow !== "none"),
    };
  });
  expect(isShown, `one sees that "${name}" has the focus`).toBe(true);
  return name;
}

test("a shopper buys by keyboard alone, from the list to the order", async ({ page, openShop }) => {
  const shop = await openShop();
  await page.goto(shop.front);
  const link = page.getByRole("link", { name: shop.title });
  await expect(link).toBeVisible();
  await tabTo(page, link);
  await page.keyboard.press("Enter");
  const sale = await SalePage.at(page, shop);
  const letGo = shop.holdLanes();
  await expect(sale.card().buy).toBeEnabled();
  await tabTo(page, sale.card().buy);
  await page.keyboard.press("Enter");
  await sale.card().position();
  // The focus stays where the shopper is, whatever becomes of the button.
  const focusIsInCard = (): Promise<boolean> =>
    sale.card().article.evaluate((article) => article.contains(document.activeElement));
  expect(await focusIsInCard()).toBe(true);
  letGo();
  await sale.card().orderNumber();
  expect(await focusIsInCard()).toBe(true);

  expect(await shop.orders()).toBe(1);
});

test("the first stop leads past the header", async ({ page, openShop }) => {
  const shop = await openShop();
  await SalePage.open(page, shop);
  await page.keyboard.press("Tab");
  expect(await focusSeen(page)).toBe("Skip to the content");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("main")).toBeFocused();
});

test("the space bar buys as well, and held down it buys once", async ({ page, openShop }) => {
  const shop = await openShop();
  const sale = await SalePage.open(page, shop);
  await expect(sale.card().buy).toBeEnabled();
  await sale.card().buy.focus();
  await page.keyboard.down("Space");
  await page.keyboard.down("Space");
  await page.keyboard.up("Space");
  await sale.card().orderNumber();
  await page.keyboard.down("Enter");
  await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  expect(await shop.jobs()).toBe(1);
});

test("another page is heard of and begun at its top", async ({ page, openShop }) => {
  const shop = await openShop();
  await page.goto(shop.front);
  await page.getByRole("link", { name: shop.title }).click();
  await SalePage.at(page, shop);
  const focused = await page.evaluate(() => document.activeElement?.tagName);
  expect(["H1", "MAIN"]).toContain(focused);
});

test("what happens to a buy is spoken: place and order politely, a refusal at once", async ({
  page,
  openShop,
}) => {
  const shop = await openShop({
    products: [
      { name: "Lamp", stock: 5 },
      { name: "Last kettle", stock: 1 },
    ],
  });
  const sale = await SalePage.open(page, shop);
  const letGo = shop.holdLanes();
  const polite = page.getByRole("status");
  await sale.card(shop.product("Lamp")).buy.click();
  await expect(polite.filter({ hasText: "You are in line, position 1" }).first()).toBeAttached();
  await shop.buyAs("ann", shop.product("Last kettle"));
  await sale.card(shop.product("Last kettle")).buy.click();
  await expect(page.getByRole("alert")).toContainText(/sold/i);
  letGo();
  await expect(polite.filter({ hasText: /It’s yours, order \d+/ }).first()).toBeAttached();
});
