import { describe, expect, it } from "vitest";

import { appendSecond, historyOf, mergeHistories, type History, type Second } from "./history";

const second = (confirmed: number): Second => ({ confirmed, queued: 0, depth: 0 });
const history = (at: number, ...confirmed: (number | null)[]): History => ({
  at,
  seconds: confirmed.map((value) => (value === null ? null : second(value))),
});
const confirmed = (of: History) => of.seconds.map((value) => value?.confirmed ?? null);

describe("appendSecond", () => {
  it("takes samples that are about a second apart as neighbours", () => {
    let grown = appendSecond(null, 10_000, second(1));
    grown = appendSecond(grown, 11_180, second(2));
    grown = appendSecond(grown, 11_960, second(3));
    expect(confirmed(grown)).toEqual([1, 2, 3]);
  });

  it("replaces a second that is told twice", () => {
    expect(confirmed(appendSecond(history(10_000, 1, 2), 10_200, second(3)))).toEqual([1, 3]);
  });

  it("leaves seconds that nobody told unknown", () => {
    expect(confirmed(appendSecond(history(10_000, 1), 13_050, second(4)))).toEqual([
      1,
      null,
      null,
      4,
    ]);
  });

  it("passes over a sample older than the last", () => {
    const before = history(10_000, 1, 2);
    expect(appendSecond(before, 8_000, second(9))).toBe(before);
  });

  it("forgets what is older than two minutes", () => {
    let grown: History | null = null;
    for (let index = 0; index < 130; index += 1) {
      grown = appendSecond(grown, index * 1000, second(index));
    }
    expect(grown?.seconds).toHaveLength(120);
    expect(grown?.seconds[0]?.confirmed).toBe(10);
  });

  it("starts anew after a silence longer than it can show", () => {
    expect(confirmed(appendSecond(history(0, 1, 2), 500_000, second(3)))).toEqual([3]);
  });
});

describe("mergeHistories", () => {
  it("fills the gap of a lost connection from the gateway", () => {
    const told = history(14_000, 1, 2, 3, 4, 5);
    const own = history(15_020, 1, null, null, null, 5, 6);
    expect(confirmed(mergeHistories(told, own))).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("keeps what a restarted gateway no longer knows", () => {
    expect(confirmed(mergeHistories(history(14_000, 5), history(13_000, 2, 3, 4)))).toEqual([
      2, 3, 4, 5,
    ]);
  });

  it("holds at most two minutes", () => {
    const long = history(0, ...Array.from({ length: 120 }, () => 1));
    const merged = mergeHistories(long, history(60_000, 2));
    expect(merged.seconds).toHaveLength(120);
    expect(merged.seconds.at(-1)?.confirmed).toBe(2);
  });

  it("is empty when neither knows anything", () => {
    expect(mergeHistories(history(0), history(0)).seconds).toEqual([]);
  });
});

it("historyOf turns the gateway's arrays into rows", () => {
  const told = {
    at: "2026-11-22T12:00:01Z",
    confirmed: [1, 2],
    queued: [3, 4],
    refused: [0, 0],
    depth: [5, 6],
  };
  expect(historyOf(told)).toEqual({
    at: Date.parse(told.at),
    seconds: [
      { confirmed: 1, queued: 3, depth: 5 },
      { confirmed: 2, queued: 4, depth: 6 },
    ],
  });
});
