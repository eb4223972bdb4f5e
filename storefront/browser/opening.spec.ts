import type { Page } from "@playwright/test";

import { SalePage } from "./pages/sale-page";
import { expect, test } from "./test";

/** Has the browser's clock be wrong by this much; it ticks on as before. */
async function setClockWrong(page: Page, hours: number): Promise<void> {
  await page.addInitScript((error) => {
    const now = Date.now.bind(Date);
    Object.defineProperty(performance, "timeOrigin", { value: performance.timeOrigin + error });
    class WrongDate extends Date {
      constructor(...given: unknown[]) {
        super(...((given.length === 0 ? [now() + error] : given) as [number]));
      }
      static override now(): number {
        return now() + error;
      }
    }
    globalThis.Date = WrongDate as DateConstructor;
  }, hours * 3_600_000);
}

for (const hours of [0, 1, -1]) {
  test(`the countdown runs by the server's clock when the browser's is ${hours} h off`, async ({
    page,
    openShop,
  }) => {
    const shop = await openShop({ opensInSeconds: 3700 });
    await setClockWrong(page, hours);
    const sale = await SalePage.open(page, shop);
    const shownBefore = await sale.secondsLeft();
    const left = ((shop.manifest.opensAt ?? 0) - Date.now()) / 1000;
    expect(shownBefore).toBeGreaterThan(left - 2);
    expect(shownBefore).toBeLessThan(left + 2);
    await expect.poll(() => sale.secondsLeft()).toBeLessThan(shownBefore);
  });
}

for (const hours of [0, 1, -1]) {
  test(`the button wakes at the opening without a reload, clock ${hours} h off`, async ({
    page,
    openShop,
  }) => {
    const shop = await openShop({ opensInSeconds: 5 });
    await setClockWrong(page, hours);
    const sale = await SalePage.open(page, shop);
    const { buy } = sale.card();
    await expect(buy).toBeDisabled();
    await expect(buy).toContainText("Opens soon");
    await page.evaluate(() => Reflect.set(window, "sameDocument", true));

    await expect(buy).toBeEnabled();
    const late = Date.now() - (shop.manifest.opensAt ?? 0);
    expect(late, "not before the opening").toBeGreaterThan(-50);
    expect(late, "within a second or so of it").toBeLessThan(1500);
    await expect(sale.timer).toBeHidden();
    await buy.click();
    await sale.card().orderNumber();
    expect(await page.evaluate(() => Reflect.get(window, "sameDocument") as unknown)).toBe(true);
    expect(await shop.orders()).toBe(1);
  });
}
