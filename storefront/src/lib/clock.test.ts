import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { countdown, createServerClock, createTicks, secondsUntil } from "./clock";

test("is never ahead of the server, and behind by the fastest way back at most", () => {
  const exchange = fc.record({ pause: fc.nat(60_000), there: fc.nat(2000), back: fc.nat(2000) });
  fc.assert(
    fc.property(
      fc.integer({ min: -1e9, max: 1e12 }),
      fc.array(exchange, { minLength: 1, maxLength: 30 }),
      (difference, exchanges) => {
        let here = 0;
        const clock = createServerClock(() => here);
        for (const { pause, there, back } of exchanges) {
          const sentAt = (here += pause);
          const serverTime = (here += there) + difference;
          clock.learn(serverTime, sentAt, (here += back));
        }
        const quickest = Math.min(...exchanges.slice(-8).map(({ back }) => back));
        expect(clock.now() - (here + difference)).toBeCloseTo(-quickest, 3);
      },
    ),
  );
});

test("follows when the server's clock is set, or the device slept", () => {
  let here = 1000;
  const clock = createServerClock(() => here);
  clock.learn(50_000, 900, 1000);
  clock.learn(40_000, 900, 1000);
  expect(clock.now()).toBe(40_000);
  here = 2000;
  clock.learn(90_000, 1900, 2000);
  expect(clock.now()).toBe(90_000);
});

test("does not care for a change of the device's clock", () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const clock = createServerClock(() => 500);
  clock.learn(1_000_000, 500, 500);
  vi.setSystemTime(Date.now() + 86_400_000);
  expect(clock.now()).toBe(1_000_000);
  vi.useRealTimers();
});

test("an answer without a time teaches nothing", () => {
  const clock = createServerClock(() => 0);
  clock.learn(1000, 0, 0);
  clock.learn(Number.NaN, 0, 0);
  expect(clock.now()).toBe(1000);
});

test("adds up to the seconds that are left, each part within its bounds", () => {
  fc.assert(
    fc.property(fc.nat(4_000_000_000), (left) => {
      const { days, hours, minutes, seconds, isOver } = countdown(left);
      expect(((days * 24 + hours) * 60 + minutes) * 60 + seconds).toBe(left);
      expect([hours < 24, minutes < 60, seconds < 60]).toEqual([true, true, true]);
      expect(isOver).toBe(left === 0);
    }),
  );
});

test("is over exactly from the instant on, and never rises", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: -5000, max: 5_000_000 }),
      fc.nat(5000),
      (at, before, step) => {
        const now = at - before;
        const left = secondsUntil(at, now);
        expect(left === 0).toBe(now >= at);
        expect(secondsUntil(at, now + step)).toBeLessThanOrEqual(left);
      },
    ),
  );
});

describe("ticks", () => {
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
});
