import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { createTicks } from "./ticks";

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(10_300);
});
afterEach(() => {
  vi.useRealTimers();
});

test("ticks at each multiple, by one timer for all", () => {
  const ticks = createTicks(() => Date.now());
  const whole: number[] = [];
  const halves: number[] = [];
  ticks.subscribe(1000, 0, () => whole.push(Date.now()));
  const stop = ticks.subscribe(1000, 12_500, () => halves.push(Date.now()));
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(2000);
  expect(whole).toEqual([11_001, 12_001]);
  expect(halves).toEqual([10_501, 11_501]);
  stop();
  vi.advanceTimersByTime(1000);
  expect(halves).toHaveLength(2);
  expect(vi.getTimerCount()).toBe(1);
});

test("has no timer when nobody listens", () => {
  const ticks = createTicks(() => Date.now());
  ticks.subscribe(1000, 0, () => undefined)();
  expect(vi.getTimerCount()).toBe(0);
});

test("tells when the clock was set", () => {
  let ahead = 0;
  const ticks = createTicks(() => Date.now() + ahead);
  const listener = vi.fn();
  ticks.subscribe(60_000, 0, listener);
  ahead = 120_000;
  ticks.realign();
  expect(listener).toHaveBeenCalledOnce();
});
