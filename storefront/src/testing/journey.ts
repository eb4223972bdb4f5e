// What the tests of whole journeys share: a gateway that fails on demand, and tabs that show it.
import { afterEach, beforeEach, vi } from "vitest";

import type { Buy } from "../buying/buy";
import { PREFIX } from "../buying/journal";
import { createShop, type Shop } from "../shop/shop";
import { FakeGateway } from "./fake-gateway";

/** What every press asks for. */
export const wish = {
  sale: "drop",
  productId: "shoe",
  productName: "Shoe",
  price: 4900,
  currency: "USD",
};

/** The gateway of the running test. */
export let gateway: FakeGateway;

let locks: LockManager | undefined;
let stops: (() => void)[];

/** An empty device, a new gateway and a clock that the test moves, before each test. */
export function setUpJourney(): void {
  beforeEach(() => {
    localStorage.clear();
    sessionStorage.clear();
    vi.useFakeTimers();
    vi.setSystemTime(Date.UTC(2030, 0, 1));
    gateway = new FakeGateway();
    locks = fakeLocks();
    stops = [];
  });
  afterEach(() => {
    for (const stop of stops) stop();
    vi.useRealTimers();
  });
}

/** The locks of the tabs that are opened from now on; none on plain http. */
export function setLocks(those: LockManager | undefined): void {
  locks = those;
}

/** Lets time pass, in milliseconds. */
export const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** A tab that shows the shop, after its first second. */
export async function openTab(tokenAddress?: string): Promise<Shop & { close: () => void }> {
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

/** The buy on the panel. */
export const shown = (shop: Shop): Buy | null => shop.buying.current("drop", "shoe").get();
/** Where it stands. */
export const state = (shop: Shop) => shown(shop)?.state;

/** Presses, and waits until that has reached the gateway and back. */
export async function press(shop: Shop) {
  const pressed = shop.buying.press(wish);
  await pass(60);
  await pressed;
}

/** Another tab wrote: the browser tells the others. */
export function storageEvents() {
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(PREFIX)) window.dispatchEvent(new StorageEvent("storage", { key }));
  }
}

/** Web Locks for tests: one holder a name, the others wait in line or until they lose patience. */
export function fakeLocks(): LockManager {
  const tails = new Map<string, Promise<unknown>>();
  const request = async (name: string, { signal }: LockOptions, work: () => Promise<unknown>) => {
    const before = tails.get(name) ?? Promise.resolve();
    const outOfPatience = new Promise((_, reject) => {
      signal?.addEventListener("abort", () => {
        reject(new DOMException("too long", "AbortError"));
      });
    });
    const turn = Promise.race([before, outOfPatience]);
    const mine = turn.then(() => work());
    tails.set(name, Promise.allSettled([before, mine]));
    return mine;
  };
  return { request } as unknown as LockManager;
}
