import { describe, expect, test, vi } from "vitest";

import { aSale } from "../testing/fake-gateway";
import { PREFIX } from "./journal";
import { gateway, openTab, pass, press, state, wish, setUpJourney } from "../testing/journey";

setUpJourney();

describe("coming back", () => {
  test("a reload before the answer sends the same key again", async () => {
    const shop = await openTab();
    gateway.treatments.push({ does: "lose" });
    void shop.buying.press(wish);
    await pass(6);
    shop.close();
    await pass(100);
    const reloaded = await openTab();
    await pass(1000);
    expect(state(reloaded)?.is).toBe("queued");
    expect(new Set(gateway.buys().map(({ key }) => key)).size).toBe(1);
    expect(gateway.jobs.size).toBe(1);
  });

  test("a reload while in line asks for the outcome", async () => {
    const shop = await openTab();
    await press(shop);
    shop.close();
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 77, true);
    const reloaded = await openTab();
    expect(state(reloaded)).toEqual({ is: "confirmed", orderId: 77 });
    expect(gateway.buys()).toHaveLength(1);
  });

  test("tomorrow the outcome is still there", async () => {
    const shop = await openTab();
    await press(shop);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 77);
    shop.close();
    await pass(86_400_000);
    gateway.sales = [];
    const tomorrow = await openTab();
    expect(tomorrow.buying.buys.get()[0]?.state).toEqual({ is: "confirmed", orderId: 77 });
  });

  test("a wish from yesterday that was never answered is not sent by itself", async () => {
    const shop = await openTab();
    gateway.die();
    await press(shop);
    shop.close();
    await pass(86_400_000);
    gateway.rise();
    const before = gateway.buys();
    const tomorrow = await openTab();
    expect(state(tomorrow)).toMatchObject({ is: "refused", problem: "network" });
    expect(gateway.buys()).toHaveLength(before.length);
    await press(tomorrow);
    expect(state(tomorrow)?.is).toBe("queued");
    // It may have been taken: the same key finds out.
    expect(gateway.buys().at(-1)?.key).toBe(before[0]?.key);
  });

  test("a gateway that dies and is back: asked again at once, and the outcome is right", async () => {
    const shop = await openTab();
    await press(shop);
    gateway.die();
    expect(shop.connection.get()).not.toBe("live");
    await pass(100);
    expect(shop.connection.get()).toBe("offline");
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 8, true);
    await pass(20_000);
    expect(state(shop)?.is).toBe("queued");
    gateway.rise();
    await pass(1000);
    expect(shop.connection.get()).toBe("live");
    expect(state(shop)).toEqual({ is: "confirmed", orderId: 8 });
  });

  test("without sockets the outcome is asked for", async () => {
    const shop = await openTab();
    for (const socket of gateway.sockets) {
      socket.isConnected = false;
      socket.connect = () => undefined;
      socket.emit("disconnect");
    }
    await pass(100);
    expect(shop.connection.get()).toBe("polling");
    await press(shop);
    await pass(5000);
    gateway.settle(gateway.onlyJob().jobId, "sold_out", undefined, true);
    await pass(16_000);
    expect(state(shop)?.is).toBe("sold_out");
    const asked = gateway.calls.filter(({ path }) => path === "/sales");
    expect(asked.length).toBeGreaterThan(4);
  });
});

describe("an acknowledged buy that Redis lost", () => {
  test("is sent again with the same key", async () => {
    const shop = await openTab();
    await press(shop);
    const { jobId } = gateway.onlyJob();
    gateway.jobs.clear();
    gateway.keys.clear();
    gateway.keys.set("filler", "x");
    await pass(60_000);
    expect(new Set(gateway.buys().map(({ key }) => key)).size).toBe(1);
    expect(gateway.onlyJob().jobId > jobId).toBe(true);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 3);
    await pass(100);
    expect(state(shop)).toEqual({ is: "confirmed", orderId: 3 });
  });

  test("ends as sold out when nothing is left", async () => {
    const shop = await openTab();
    await press(shop);
    gateway.jobs.clear();
    gateway.treatments.push({ does: "refuse", status: 409, kind: "sold-out" });
    await pass(5000);
    expect(state(shop)).toEqual({ is: "sold_out" });
  });

  test("is not bought in another sale", async () => {
    const shop = await openTab();
    await press(shop);
    gateway.jobs.clear();
    shop.close();
    gateway.sales = [aSale({ sale: "other-drop" })];
    const later = await openTab();
    await pass(60_000);
    expect(gateway.buys()).toHaveLength(1);
    expect(later.buying.buys.get()[0]?.state).toEqual({ is: "failed" });
  });

  test("is given up after a few times", async () => {
    const shop = await openTab();
    await press(shop);
    gateway.jobs.clear();
    const clear = setInterval(() => {
      gateway.jobs.clear();
    }, 1);
    await pass(200_000);
    clearInterval(clear);
    expect(state(shop)).toEqual({ is: "failed" });
    expect(gateway.buys().length).toBeLessThanOrEqual(4);
  });
});

describe("storage that does not work", () => {
  test("broken and foreign entries are passed over", async () => {
    localStorage.setItem(`${PREFIX}a`, "{broken");
    localStorage.setItem(`${PREFIX}b`, '{"buy":{"key":"b","state":{"is":"bought"}}}');
    localStorage.setItem(`${PREFIX}c`, "null");
    localStorage.setItem("flashsale:shopper", "<script>");
    const shop = await openTab();
    expect(shop.buying.buys.get()).toEqual([]);
    await press(shop);
    expect(state(shop)?.is).toBe("queued");
    expect(gateway.onlyJob().userId).toMatch(/^shopper-[0-9a-f-]{36}$/);
  });

  test("full or forbidden: everything works as long as the page is open", async () => {
    const full = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
      throw new DOMException("full", "QuotaExceededError");
    });
    const shop = await openTab();
    await press(shop);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 1);
    expect(state(shop)?.is).toBe("confirmed");
    full.mockRestore();
  });
});
