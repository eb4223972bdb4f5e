import type { Page } from "@playwright/test";

import { SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

/** Work that is done at once; gateways and shop are the same with more of it. */
const easy = { FLASHSALE_PASS_DIFFICULTY: "10" };

/** The statuses of the answers to `POST /pass`, as they come. */
function passStatuses(page: Page): number[] {
  const statuses: number[] = [];
  page.on("response", (response) => {
    if (new URL(response.url()).pathname === "/pass") statuses.push(response.status());
  });
  return statuses;
}

test("a pass is got before the opening and bought with", async ({ page, openShop }) => {
  const shop = await openShop({ opensInSeconds: 6, turnstile: { pass: "Required" } }, easy);
  const statuses = passStatuses(page);
  const sale = await SalePage.open(page, shop);
  await expect.poll(() => statuses).toEqual([200]);
  const { buy } = sale.card();
  await expect(buy).toBeDisabled();
  await expect(buy).toBeEnabled();
  const without = await shop.buyAs("eve");
  expect(without.status).toBe(403);
  expect(await without.text()).toContain("pass-required");
  const sent = page.waitForRequest((request) => request.url().endsWith("/buy"));
  await buy.click();
  expect((await sent).headers()["flashsale-pass"]).toMatch(/^\d+\.[\w-]{43}$/);
  await sale.card().orderNumber();
  expect(statuses, "one is enough").toEqual([200]);
  expect(await shop.jobs()).toBe(1);
});

test("a pass that no longer counts is replaced without a press", async ({ page, openShop }) => {
  const shop = await openShop({ turnstile: { pass: "Required" } }, easy);
  const statuses = passStatuses(page);
  const sale = await SalePage.open(page, shop);
  await expect.poll(() => statuses).toEqual([200]);
  // The first buy brings one that ended long ago.
  const ended = `1.${"A".repeat(43)}`;
  await page.route(
    "**/buy",
    (route) =>
      route.continue({ headers: { ...route.request().headers(), "flashsale-pass": ended } }),
    { times: 1 },
  );
  const refused = page.waitForResponse((response) => response.status() === 403);
  await sale.card().buy.click();
  expect(await (await refused).text()).toContain("pass-required");
  await sale.card().orderNumber();
  expect(statuses).toEqual([200, 200]);
});
