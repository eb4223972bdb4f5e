// Whole journeys of a buy, through a shop as pages have it, against a gateway that fails on demand.
import { describe, expect, test } from "vitest";

import {
  fakeLocks,
  gateway,
  openTab,
  pass,
  press,
  setLocks,
  shown,
  state,
  storageEvents,
  wish,
  setUpJourney,
} from "../testing/journey";
import { PREFIX } from "./journal";

setUpJourney();

describe("a buy that goes well", () => {
  test("is in line at once, falls in line, and is confirmed by the event", async () => {
    const shop = await openTab();
    gateway.jobs.set("other", {
      jobId: "other",
      userId: "x",
      productId: "shoe",
      ticket: 1,
      outcome: null,
    });
    gateway.keys.set("x", "other");
    await press(shop);
    expect(state(shop)).toEqual({ is: "queued", position: 2 });
    await pass(1500);
    expect(gateway.asked()).toHaveLength(1);
    gateway.tell("lane-progress", { productId: "shoe", settled: 1, waiting: 1 });
    expect(state(shop)).toEqual({ is: "queued", position: 1 });
    gateway.tell("lane-progress", { productId: "shoe", settled: 0, waiting: 5 });
    expect(state(shop)).toEqual({ is: "queued", position: 1 });
    gateway.settle(shown(shop)?.jobId ?? "", "confirmed", 4711);
    expect(state(shop)).toEqual({ is: "confirmed", orderId: 4711 });
    expect(gateway.buys()).toHaveLength(1);
  });

  test("is written down before it is sent", async () => {
    const shop = await openTab();
    gateway.isDown = true;
    await press(shop);
    const kept = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    expect(kept).toHaveLength(1);
    expect(gateway.buys()[0]?.key).toBe(kept[0]?.slice(PREFIX.length));
  });

  test("hears its outcome although the event overtook the answer", async () => {
    const shop = await openTab();
    const pressed = shop.buying.press(wish);
    await pass(6);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 5);
    await pass(50);
    await pressed;
    expect(state(shop)).toEqual({ is: "confirmed", orderId: 5 });
    expect(gateway.asked()).toHaveLength(0);
  });

  test("asks when its turn is past and no event came", async () => {
    const shop = await openTab();
    await press(shop);
    await pass(1500);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 6, true);
    gateway.tell("lane-progress", { productId: "shoe", settled: 1, waiting: 0 });
    await pass(1600);
    expect(state(shop)).toEqual({ is: "confirmed", orderId: 6 });
  });

  test.each(["sold_out", "limit_reached", "failed"])("may end as %s", async (outcome) => {
    const shop = await openTab();
    await press(shop);
    gateway.settle(gateway.onlyJob().jobId, outcome);
    expect(state(shop)).toEqual({ is: outcome });
  });
});

describe("one wish, one order", () => {
  test("a double press, also when the first one ends in between", async () => {
    const shop = await openTab();
    void shop.buying.press(wish);
    void shop.buying.press(wish);
    await pass(60);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 1);
    await press(shop);
    void shop.buying.again(wish);
    await pass(300);
    expect(gateway.jobs.size).toBe(1);
    expect(gateway.buys()).toHaveLength(1);
  });

  test("a final outcome stays until another one is asked for", async () => {
    const shop = await openTab();
    await press(shop);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 1);
    await pass(5000);
    await press(shop);
    expect(gateway.jobs.size).toBe(1);
    const again = shop.buying.again(wish);
    await pass(500);
    await again;
    expect(gateway.jobs.size).toBe(2);
    expect(state(shop)?.is).toBe("queued");
    expect(shop.buying.buys.get().map((buy) => buy.state.is)).toEqual(["queued", "confirmed"]);
  });

  test("asking for another one joins what is pending", async () => {
    const shop = await openTab();
    await press(shop);
    await pass(5000);
    void shop.buying.again(wish);
    await pass(100);
    expect(gateway.jobs.size).toBe(1);
    expect(gateway.buys()).toHaveLength(1);
  });

  test("what one tab is sending, another one that comes does not send", async () => {
    gateway.latency = 3000;
    const one = await openTab();
    void one.buying.press(wish);
    await pass(1);
    const two = await openTab();
    await pass(4000);
    expect(gateway.buys()).toHaveLength(1);
    expect([state(one)?.is, state(two)?.is]).toEqual(["queued", "queued"]);
  });

  test("another tab keeps to what this one was asked to wait", async () => {
    gateway.latency = 3000;
    const more = { headers: { "Retry-After": "30" } };
    gateway.treatments.push({ does: "refuse", status: 429, kind: "quota-exceeded", more });
    const one = await openTab();
    void one.buying.press(wish);
    await pass(1);
    await openTab();
    await pass(20_000);
    expect(gateway.buys()).toHaveLength(1);
  });

  test.each([
    ["with", fakeLocks],
    ["without", () => undefined],
  ])("presses in two tabs are one buy, and both tabs tell of it, %s Web Locks", async (_, make) => {
    setLocks(make());
    const one = await openTab();
    const two = await openTab();
    const presses = [one.buying.press(wish), two.buying.press(wish)];
    await pass(200);
    storageEvents();
    await pass(200);
    await Promise.all(presses);
    expect(gateway.jobs.size).toBe(1);
    expect(shown(two)?.key).toBe(shown(one)?.key);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 9);
    expect([state(one)?.is, state(two)?.is]).toEqual(["confirmed", "confirmed"]);
  });

  test.each(["cut", "lose"] as const)(
    "the connection breaks (%s): the same key again",
    async (does) => {
      gateway.treatments.push({ does }, { does });
      const shop = await openTab();
      await press(shop);
      expect(state(shop)).toMatchObject({ is: "sending", because: "network", attempts: 1 });
      await pass(5000);
      expect(state(shop)?.is).toBe("queued");
      expect(gateway.buys()).toHaveLength(3);
      expect(new Set(gateway.buys().map(({ key }) => key)).size).toBe(1);
      expect(gateway.jobs.size).toBe(1);
    },
  );
});
