import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { components } from "../server/schema";
import { createCatalogue } from "./catalogue";
import { aSale } from "../testing/fake-gateway";

type View = components["schemas"]["SalesView"];

const NOW = Date.UTC(2030, 0, 1);
const at = (ms: number) => new Date(NOW + ms).toISOString();
const view = (...sales: Record<string, unknown>[]) =>
  ({ serverTime: at(0), sales }) as unknown as View;

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(NOW);
});
afterEach(() => {
  vi.useRealTimers();
});

const open = (...sales: Record<string, unknown>[]) => {
  const catalogue = createCatalogue(() => Date.now());
  catalogue.learn(view(...sales), performance.now());
  return catalogue;
};

const stockOf = (catalogue: ReturnType<typeof open>, index = 0) =>
  catalogue.sales.get().sales[0]?.products[index]?.stock;

test("is loading, then ready or unreachable", () => {
  const catalogue = createCatalogue(() => Date.now());
  expect(catalogue.sale("drop").get()).toEqual({ state: "loading", sale: null });
  catalogue.miss();
  expect(catalogue.sales.get().state).toBe("unreachable");
  expect(catalogue.sale("drop").get().state).toBe("unreachable");
  catalogue.learn(view(aSale()), 0);
  expect(catalogue.sale("drop").get()).toMatchObject({ state: "ready", sale: { sale: "drop" } });
  expect(catalogue.sale("other").get()).toEqual({ state: "unknown", sale: null });
  catalogue.miss();
  expect(catalogue.sales.get().state).toBe("ready");
});

test("a sale opens and closes by the clock, without a word from the server", () => {
  const catalogue = open(aSale({ status: "Scheduled", opensAt: at(1000), closesAt: at(3000) }));
  const status = () => catalogue.sale("drop").get().sale?.status;
  expect(catalogue.look()).toBe(NOW + 1000);
  vi.setSystemTime(NOW + 999);
  catalogue.look();
  expect(status()).toBe("Scheduled");
  vi.setSystemTime(NOW + 1000);
  expect(catalogue.look()).toBe(NOW + 3000);
  expect(status()).toBe("Open");
  vi.setSystemTime(NOW + 3000);
  expect(catalogue.look()).toBe(Infinity);
  expect(status()).toBe("Draining");
});

test("a sale opens, moves and closes by the event", () => {
  const catalogue = open(aSale({ status: "Scheduled", opensAt: at(9000) }));
  const tell = (status: string, opensAt: string | null) => {
    catalogue.status({ sale: "drop", status, opensAt, closesAt: null });
    return catalogue.sale("drop").get().sale;
  };
  expect(tell("Scheduled", at(20_000))).toMatchObject({
    status: "Scheduled",
    opensAt: NOW + 20_000,
  });
  expect(tell("Open", at(0))).toMatchObject({ status: "Open", opensAt: NOW });
  expect(tell("Closed", at(0))).toMatchObject({ status: "Closed" });
});

test("thousands of stock updates cost a few renders, and the last figure counts", () => {
  const catalogue = open(aSale());
  const all = vi.fn();
  catalogue.sales.subscribe(all);
  for (let i = 0; i < 5000; i += 1) {
    catalogue.stock("shoe", 5000 - i);
    if (i % 5 === 0) vi.advanceTimersByTime(1);
  }
  vi.advanceTimersByTime(200);
  expect(all.mock.calls.length).toBeLessThanOrEqual(12);
  expect(stockOf(catalogue)).toBe(1);
});

test("a sale is told of its own stock alone, and snapshots do not change", () => {
  const other = aSale({
    sale: "other",
    products: [{ productId: "hat", name: "Hat", price: 1, stock: 3 }],
  });
  const catalogue = open(aSale(), other);
  const drop = vi.fn();
  catalogue.sale("drop").subscribe(drop);
  const before = catalogue.sale("other").get();
  catalogue.stock("hat", 2);
  vi.advanceTimersByTime(200);
  expect(drop).not.toHaveBeenCalled();
  expect(before.sale?.products[0]?.stock).toBe(3);
  expect(catalogue.sale("other").get().sale?.products[0]?.stock).toBe(2);
});

test("pages that are not looked at get no frames, and still hear", () => {
  vi.stubGlobal("requestAnimationFrame", () => 0);
  const catalogue = open(aSale());
  catalogue.stock("shoe", 4);
  vi.advanceTimersByTime(1200);
  expect(stockOf(catalogue)).toBe(4);
  vi.unstubAllGlobals();
});

test("news that overtook an answer are not undone by it, later answers count", () => {
  const catalogue = open(aSale());
  const sentAt = performance.now();
  vi.advanceTimersByTime(10);
  catalogue.stock("shoe", 2);
  catalogue.status({ sale: "drop", status: "SoldOut", opensAt: null, closesAt: null });
  catalogue.learn(view(aSale()), sentAt);
  expect(stockOf(catalogue)).toBe(2);
  expect(catalogue.sale("drop").get().sale?.status).toBe("SoldOut");
  vi.advanceTimersByTime(10);
  catalogue.learn(view(aSale()), performance.now());
  expect(stockOf(catalogue)).toBe(10);
  expect(catalogue.sale("drop").get().sale?.status).toBe("Open");
});

test("stock heard before the first answer is shown with it", () => {
  const catalogue = createCatalogue(() => Date.now());
  catalogue.stock("sock", 1);
  catalogue.learn(view(aSale()), performance.now());
  expect(stockOf(catalogue, 1)).toBe(1);
});

test("the same answer again tells nobody", () => {
  const catalogue = open(aSale());
  const listener = vi.fn();
  catalogue.sales.subscribe(listener);
  catalogue.learn(view(aSale()), performance.now());
  expect(listener).not.toHaveBeenCalled();
});

test("a sale that goes while it is looked at is shown as over, and listed no more", () => {
  const catalogue = open(aSale());
  const drop = catalogue.sale("drop");
  catalogue.learn(view(), performance.now());
  expect(drop.get()).toMatchObject({ state: "ready", sale: { status: "Closed" } });
  expect(catalogue.sales.get()).toEqual({ state: "ready", sales: [] });
});
