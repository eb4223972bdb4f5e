import { describe, expect, test } from "vitest";

import { gateway, openTab, pass, press, state, setUpJourney } from "../testing/journey";

setUpJourney();

/** How long an order may wait for its payment. */
const WINDOW = 60_000;

/** A tab whose buy is an order that has to be paid. */
async function openUnpaid() {
  const shop = await openTab();
  await press(shop);
  const { jobId } = gateway.onlyJob();
  const expiresAt = Date.now() + WINDOW;
  gateway.owe(jobId, 7, expiresAt);
  await pass(100);
  return { shop, jobId, expiresAt };
}

describe("an order that has to be paid", () => {
  test("says until when, and is not asked for as long as that is", async () => {
    const { shop, expiresAt } = await openUnpaid();
    expect(state(shop)).toStrictEqual({ is: "confirmed", orderId: 7, expiresAt });
    const before = gateway.asked().length;
    await pass(WINDOW);
    expect(gateway.asked()).toHaveLength(before);
    // Pressing again buys nothing as long as it is shown.
    await press(shop);
    expect(gateway.buys()).toHaveLength(1);
  });

  test("is paid", async () => {
    const { shop, jobId } = await openUnpaid();
    gateway.change(jobId, { id: 7, state: "completed" });
    expect(state(shop)).toStrictEqual({ is: "confirmed", orderId: 7 });
    const before = gateway.asked().length;
    await pass(3 * WINDOW);
    expect(gateway.asked()).toHaveLength(before);
  });

  test("is cancelled, and stays so whatever is told again", async () => {
    const { shop, jobId, expiresAt } = await openUnpaid();
    gateway.change(jobId, { id: 7, state: "cancelled", reason: "expired" });
    const cancelled = { is: "cancelled", orderId: 7, reason: "expired" };
    expect(state(shop)).toStrictEqual(cancelled);
    gateway.owe(jobId, 7, expiresAt);
    gateway.settle(jobId, "confirmed", 7);
    await pass(3 * WINDOW);
    expect(state(shop)).toStrictEqual(cancelled);
    // Whoever wants it still buys anew.
    const again = shop.buying.again({
      sale: "drop",
      productId: "shoe",
      productName: "Shoe",
      price: 4900,
      currency: "USD",
    });
    await pass(60);
    await again;
    expect(state(shop)?.is).toBe("queued");
    expect(new Set(gateway.buys().map(({ key }) => key)).size).toBe(2);
  });

  test("may be cancelled before anybody hears that it was confirmed", async () => {
    const shop = await openTab();
    await press(shop);
    const { jobId } = gateway.onlyJob();
    gateway.change(jobId, { id: 7, state: "cancelled", reason: "staff" });
    expect(state(shop)).toStrictEqual({ is: "cancelled", orderId: 7, reason: "staff" });
  });

  test.each([
    ["paid", { id: 7, state: "completed" }, { is: "confirmed", orderId: 7 }],
    [
      "cancelled",
      { id: 7, state: "cancelled", reason: "expired" },
      { is: "cancelled", orderId: 7, reason: "expired" },
    ],
  ] as const)("is asked for when nobody said that it was %s", async (_, order, expected) => {
    const { shop, jobId } = await openUnpaid();
    gateway.change(jobId, order, true);
    await pass(WINDOW + 26_000);
    expect(state(shop)).toStrictEqual(expected);
  });

  test("is asked for every now and then while it is not decided", async () => {
    const { shop, expiresAt } = await openUnpaid();
    const before = gateway.asked().length;
    await pass(WINDOW + 200_000);
    expect(state(shop)).toStrictEqual({ is: "confirmed", orderId: 7, expiresAt });
    const asked = gateway.asked().length - before;
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(15);
  });

  test("that nobody knows any more is not bought again", async () => {
    const { shop, expiresAt } = await openUnpaid();
    gateway.jobs.clear();
    await pass(WINDOW + 200_000);
    expect(gateway.buys()).toHaveLength(1);
    expect(state(shop)).toStrictEqual({ is: "confirmed", orderId: 7, expiresAt });
  });
});

describe("after a reload", () => {
  test("it is asked for at once", async () => {
    const { shop, jobId, expiresAt } = await openUnpaid();
    shop.close();
    const reloaded = await openTab();
    expect(state(reloaded)).toStrictEqual({ is: "confirmed", orderId: 7, expiresAt });
    reloaded.close();
    gateway.change(jobId, { id: 7, state: "cancelled", reason: "declined" }, true);
    const later = await openTab();
    const cancelled = { is: "cancelled", orderId: 7, reason: "declined" };
    expect(state(later)).toStrictEqual(cancelled);
    later.close();
    const before = gateway.asked().length;
    const tomorrow = await openTab();
    await pass(WINDOW);
    expect(state(tomorrow)).toStrictEqual(cancelled);
    expect(gateway.asked()).toHaveLength(before);
  });

  test("one that was paid or had to be paid nowhere is asked for once more", async () => {
    const shop = await openTab();
    await press(shop);
    const { jobId } = gateway.onlyJob();
    gateway.settle(jobId, "confirmed", 7);
    shop.close();
    const before = gateway.asked().length;
    const same = await openTab();
    await pass(WINDOW);
    expect(gateway.asked()).toHaveLength(before + 1);
    expect(state(same)).toStrictEqual({ is: "confirmed", orderId: 7 });
    same.close();
    gateway.change(jobId, { id: 7, state: "cancelled", reason: "refunded" }, true);
    const later = await openTab();
    expect(state(later)).toStrictEqual({ is: "cancelled", orderId: 7, reason: "refunded" });
    later.close();
    const asked = gateway.asked().length;
    await openTab();
    expect(gateway.asked()).toHaveLength(asked);
  });

  test("one that nobody knows any more stays as it was told", async () => {
    const shop = await openTab();
    await press(shop);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 7);
    shop.close();
    gateway.jobs.clear();
    const later = await openTab();
    await pass(WINDOW);
    expect(state(later)).toStrictEqual({ is: "confirmed", orderId: 7 });
    expect(gateway.buys()).toHaveLength(1);
  });

  test("and when the network is back", async () => {
    const { shop, jobId } = await openUnpaid();
    gateway.die();
    gateway.change(jobId, { id: 7, state: "completed" }, true);
    await pass(5000);
    gateway.rise();
    await pass(2000);
    expect(state(shop)).toStrictEqual({ is: "confirmed", orderId: 7 });
  });

  test("in another tab, too", async () => {
    const { shop, jobId } = await openUnpaid();
    const other = await openTab();
    gateway.change(jobId, { id: 7, state: "cancelled", reason: "shopper" });
    for (const tab of [shop, other]) expect(state(tab)?.is).toBe("cancelled");
  });
});
