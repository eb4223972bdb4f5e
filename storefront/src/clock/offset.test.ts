import fc from "fast-check";
import { expect, test, vi } from "vitest";

import { createServerClock } from "./offset";

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
