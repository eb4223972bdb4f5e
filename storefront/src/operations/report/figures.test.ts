import { expect, test } from "vitest";

import { formatSum, stepsOf, type SaleReport } from "./figures";

const figures: SaleReport["total"] = {
  stock: null,
  turnedAway: null,
  orders: {
    confirmed: 4,
    paid: 1,
    waiting: 0,
    expired: 1,
    refunded: 1,
    cancelledByReason: { "": 1 },
  },
  money: { currency: null, sold: 100, waiting: 0, cancelled: 200, refunded: 100 },
  times: {
    firstBuyAt: null,
    lastBuyAt: null,
    firstOrderAt: null,
    lastOrderAt: null,
    lastChangeAt: null,
    paymentWindowSeconds: null,
  },
  arrival: { toleranceMs: 1000, compared: 0, undated: 4, outOfOrder: 0, mostAheadMs: null },
};

const report: SaleReport = {
  sale: "drop",
  madeAt: "2026-11-22T17:00:00Z",
  incarnation: 1,
  isOn: false,
  opensAt: null,
  closesAt: null,
  buys: null,
  buysNote: null,
  total: figures,
  products: [],
};

test("what nobody knows is unknown, and never 0", () => {
  const counts = new Map(stepsOf(report).map(({ name, count }) => [name, count]));
  for (const name of ["Asked", "Refused", "Queued", "Sold out when settled", "Limit reached"]) {
    expect(counts.get(name), name).toBe("unknown");
  }
  expect(counts.get("Confirmed")).toBe("4");
  expect(counts.get("Cancelled, no reason given")).toBe("1");
  expect(formatSum(100, null)).toBe("100 minor units");
});

test("refusals are told by reason, after their sum", () => {
  const buys = {
    since: null,
    asked: 7,
    queued: 4,
    repeated: 0,
    refused: 3,
    refusedByReason: { "lane-full": 1, "sold-out": 2 },
  };
  const names = stepsOf({ ...report, buys }).map(({ name }) => name);
  expect(names.slice(0, 5)).toEqual(["Asked", "Refused", "lane-full", "sold-out", "Repeated"]);
});
