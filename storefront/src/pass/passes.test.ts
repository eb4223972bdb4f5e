import { expect, test, vi } from "vitest";

import { gateway, openTab, pass, press, setUpJourney, state } from "../testing/journey";
import { aSale } from "../testing/fake-gateway";

setUpJourney();

/** Lets time pass, in milliseconds, and the file with the work be loaded, which takes real time. */
async function passWithWork(ms: number): Promise<void> {
  await pass(ms);
  await vi.dynamicImportSettled();
  await pass(1000);
}

const asks = () => gateway.calls.filter(({ path }) => path === "/pass");

test("a sale that asks for a pass gets one before the press", async () => {
  gateway.sales = [aSale({ passRequired: true })];
  const shop = await openTab();
  await passWithWork(1000);
  expect(asks()).toHaveLength(1);
  await press(shop);
  expect(state(shop)?.is).toBe("queued");
  expect(gateway.buys()).toHaveLength(1);
  expect(asks()).toHaveLength(1);
});

test("a pass is got shortly before the opening, and not earlier", async () => {
  const opensAt = new Date(Date.now() + 3_600_000).toISOString();
  gateway.sales = [aSale({ passRequired: true, status: "Scheduled", opensAt })];
  await openTab();
  await pass(2_900_000);
  expect(asks()).toHaveLength(0);
  await passWithWork(500_000);
  expect(asks()).toHaveLength(1);
});

test("a sale that asks for a pass only now gets one then", async () => {
  const shop = await openTab();
  gateway.sales = [aSale({ passRequired: true })];
  await press(shop);
  await passWithWork(5000);
  expect(state(shop)?.is).toBe("queued");
  expect(asks()).toHaveLength(1);
});

test("where no pass can be got the shopper is told", async () => {
  gateway.sales = [aSale({ passRequired: true })];
  gateway.verifier = "site-verify";
  const shop = await openTab();
  await press(shop);
  await pass(60_000);
  expect(state(shop)).toMatchObject({ is: "refused", problem: "pass-required" });
  expect(gateway.buys()).toHaveLength(0);
});
