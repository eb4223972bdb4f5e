// Whole journeys of a buy, through a shop as pages have it, against a gateway that fails on demand.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { FakeGateway, aSale } from "../live/fake-gateway";
import { createShop } from "../live/shop";
import type { Shop } from "../live/shop";
import type { Buy } from "./buy";
import { fakeLocks } from "./fake-locks";
import { PREFIX } from "./journal";

const wish = { sale: "drop", productId: "shoe", productName: "Shoe", price: 4900 };

let gateway: FakeGateway;
let locks: LockManager | undefined;
let stops: (() => void)[];

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
  vi.useFakeTimers({ shouldAdvanceTime: false });
  vi.setSystemTime(Date.UTC(2030, 0, 1));
  gateway = new FakeGateway();
  locks = fakeLocks();
  stops = [];
});

afterEach(() => {
  for (const stop of stops) stop();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** A tab that shows the shop, after its first second. */
async function openTab(tokenAddress?: string): Promise<Shop & { close: () => void }> {
  const shop = createShop({
    fetch: gateway.fetch,
    openSocket: gateway.openSocket,
    locks,
    random: () => 0.5,
    place: {
      location: {
        href: `https://shop.example.com/shop/drop${tokenAddress ?? ""}`,
        hash: tokenAddress ?? "",
        assign: vi.fn(),
      },
      history: { state: null, replaceState: vi.fn() },
    },
  });
  const close = shop.start();
  stops.push(close);
  await pass(1000);
  return { ...shop, close };
}

const shown = (shop: Shop): Buy | null => shop.buying.current("drop", "shoe").get();
const state = (shop: Shop) => shown(shop)?.state;

async function press(shop: Shop) {
  const pressed = shop.buying.press(wish);
  await pass(60);
  await pressed;
}

/** Another tab wrote: the browser tells the others. */
function storageEvents() {
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(PREFIX)) window.dispatchEvent(new StorageEvent("storage", { key }));
  }
}

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
    await pass(100);
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

  test.each([
    ["with", fakeLocks],
    ["without", () => undefined],
  ])("presses in two tabs are one buy, and both tabs tell of it, %s Web Locks", async (_, make) => {
    locks = make();
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

describe("being asked to wait", () => {
  test.each([
    [429, "quota-exceeded"],
    [503, "lane-full"],
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
    [403, "sale-closed"],
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

  test("dismissed ones leave the panel and stay in the list", async () => {
    gateway.treatments.push({ does: "refuse", status: 409, kind: "sold-out" });
    const shop = await openTab();
    await press(shop);
    shop.buying.dismiss("drop", "shoe");
    expect(shown(shop)).toBeNull();
    expect(shop.buying.buys.get()).toHaveLength(1);
  });
});

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

describe("whose buys", () => {
  const token = (name: string, exp = Date.now() / 1000 + 3600) =>
    `h.${btoa(JSON.stringify({ sub: name, exp }))}.s`;

  const signInAs = (name: string) => {
    const made = token(name);
    gateway.tokens.set(made, name);
    return `#token=${made}`;
  };

  beforeEach(() => {
    gateway.isAuthOn = true;
  });

  test("another shopper on this device does not see them", async () => {
    const anna = await openTab(signInAs("anna"));
    await press(anna);
    gateway.settle(gateway.onlyJob().jobId, "confirmed", 1);
    expect(state(anna)?.is).toBe("confirmed");
    expect(gateway.buys()[0]?.authorization).toMatch(/^Bearer h\./);
    anna.close();
    sessionStorage.clear();
    const ben = await openTab(signInAs("ben"));
    expect(ben.buying.buys.get()).toEqual([]);
    ben.close();
    sessionStorage.clear();
    const annaAgain = await openTab(signInAs("anna"));
    expect(annaAgain.buying.buys.get()).toHaveLength(1);
  });

  test("a press before the sign-in is kept and sent after it", async () => {
    const stranger = await openTab();
    expect(stranger.identity.session.get().needsSignIn).toBe(true);
    expect(gateway.sockets).toHaveLength(0);
    expect(stranger.connection.get()).toBe("polling");
    await press(stranger);
    expect(state(stranger)).toMatchObject({ is: "sending", because: "unauthorized" });
    expect(gateway.buys()).toHaveLength(0);
    stranger.close();
    await pass(60_000);
    const anna = await openTab(signInAs("anna"));
    await pass(100);
    expect(state(anna)?.is).toBe("queued");
    expect(gateway.onlyJob().userId).toBe("anna");
  });

  test("a press before the sign-in is not another one's hours later", async () => {
    const stranger = await openTab();
    await press(stranger);
    stranger.close();
    await pass(3_600_000);
    const ben = await openTab(signInAs("ben"));
    await pass(1000);
    expect(ben.buying.buys.get()).toEqual([]);
    expect(gateway.buys()).toHaveLength(0);
  });

  test("a token that is refused on the way: kept, and sent after signing in again", async () => {
    const anna = await openTab(signInAs("anna"));
    gateway.tokens.clear();
    await press(anna);
    expect(anna.identity.session.get()).toMatchObject({ needsSignIn: true, userId: null });
    anna.close();
    const again = await openTab(signInAs("anna"));
    await pass(100);
    expect(state(again)?.is).toBe("queued");
  });

  test("a token that ends while the page is open is noticed", async () => {
    const made = token("anna", Date.now() / 1000 + 60);
    gateway.tokens.set(made, "anna");
    const anna = await openTab(`#token=${made}`);
    expect(anna.identity.session.get()).toMatchObject({ needsSignIn: false, userId: "anna" });
    await pass(60_000);
    expect(anna.identity.session.get()).toMatchObject({ needsSignIn: true, userId: null });
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
