import { expect, it } from "vitest";

import { groupAnswers } from "./traffic";

const countsOf = (buys: Record<string, number>) => groupAnswers(buys).map(({ count }) => count);

it("each answer has its place, whether it was given or not", () => {
  expect(countsOf({})).toEqual([0, 0, 0, 0, 0]);
  expect(countsOf({ "quota-exceeded": 4, queued: 1, "sold-out": 3, replayed: 2 })).toEqual([
    1, 2, 3, 4, 0,
  ]);
});

it("other refusals are added up and told apart, largest first", () => {
  const other = groupAnswers({ "sale-not-open": 5, "unknown-product": 7 }).at(-1);
  expect(other).toEqual({
    name: "Other refusals",
    count: 12,
    parts: [
      { kind: "unknown-product", count: 7 },
      { kind: "sale-not-open", count: 5 },
    ],
    isTrouble: false,
  });
});

it("answers that say that something does not work are trouble", () => {
  expect(groupAnswers({ "lane-full": 1 }).at(-1)?.isTrouble).toBe(true);
});
