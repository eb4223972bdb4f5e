import { describe, expect, test } from "vitest";

import { gateway, openTab, pass, press, state, setUpJourney } from "../testing/journey";

setUpJourney();

describe("being asked to wait", () => {
  test.each([
    [429, "quota-exceeded"],
    [503, "lane-full"],
    [503, "not-replicated"],
    [503, "unavailable"],
  ])("%d %s: not before Retry-After", async (status, kind) => {
    const more = { headers: { "Retry-After": "7" } };
    gateway.treatments.push({ does: "refuse", status, kind, more });
    const shop = await openTab();
    await press(shop);
    expect(state(shop)).toMatchObject({ is: "sending", because: kind });
    window.dispatchEvent(new Event("online"));
    await pass(6900);
    expect(gateway.buys()).toHaveLength(1);
    await pass(1000);
    expect(state(shop)?.is).toBe("queued");
    const [first, second] = gateway.buys();
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(7000);
  });

  test.each([
    [408, "request-timeout"],
    [500, "internal-error"],
  ])("%d %s is tried again", async (status, kind) => {
    gateway.treatments.push({ does: "refuse", status, kind });
    const shop = await openTab();
    await press(shop);
    await pass(2000);
    expect(state(shop)?.is).toBe("queued");
  });

  test("a press a moment before the opening is sent again at the opening", async () => {
    const shop = await openTab();
    const opensAt = new Date(Date.now() + 3000).toISOString();
    const more = { opensAt };
    gateway.treatments.push({ does: "refuse", status: 403, kind: "sale-not-open", more });
    await press(shop);
    expect(state(shop)).toMatchObject({ is: "sending", because: "sale-not-open" });
    await pass(2500);
    expect(gateway.buys()).toHaveLength(1);
    await pass(800);
    expect(state(shop)?.is).toBe("queued");
  });
});

describe("being turned away", () => {
  test.each([
    [409, "sold-out"],
    [409, "price-higher"],
    [403, "sale-closed"],
    [403, "subject-unsupported"],
    [403, "insufficient-scope"],
    [404, "unknown-product"],
    [400, "body-invalid"],
  ])("%d %s is final, and a new press is a new wish", async (status, kind) => {
    gateway.treatments.push({ does: "refuse", status, kind });
    const shop = await openTab();
    await press(shop);
    expect(state(shop)).toEqual({ is: "refused", problem: kind, opensAt: null });
    await pass(60_000);
    expect(gateway.buys()).toHaveLength(1);
    await press(shop);
    const [first, second] = gateway.buys().map(({ key }) => key);
    expect(second).toBeDefined();
    expect(second).not.toBe(first);
  });

  test("a higher price is shown at once, and a new press agrees to it", async () => {
    gateway.treatments.push({ does: "refuse", status: 409, kind: "price-higher" });
    const shop = await openTab();
    await pass(60_000);
    const [sale] = gateway.sales;
    const products = sale?.products as Record<string, unknown>[];
    gateway.sales = [{ ...sale, products: products.map((one) => ({ ...one, price: 5900 })) }];
    await press(shop);
    await pass(100);
    const [product] = shop.catalogue.sale("drop").get().sale?.products ?? [];
    expect(product?.price).toBe(5900);
  });

  test("an opening that is far away is shown", async () => {
    const opensAt = new Date(Date.now() + 3_600_000).toISOString();
    gateway.treatments.push({
      does: "refuse",
      status: 403,
      kind: "sale-not-open",
      more: { opensAt },
    });
    const shop = await openTab();
    await press(shop);
    expect(state(shop)).toEqual({ is: "refused", problem: "sale-not-open", opensAt });
  });

  test("a key that was used for something else is changed", async () => {
    gateway.treatments.push({ does: "refuse", status: 422, kind: "idempotency-key-reused" });
    const shop = await openTab();
    await press(shop);
    await pass(100);
    expect(state(shop)?.is).toBe("queued");
    expect(new Set(gateway.buys().map(({ key }) => key)).size).toBe(2);
  });
});
