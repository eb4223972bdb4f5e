import fc from "fast-check";
import { expect, test } from "vitest";

import { countdown, secondsUntil } from "./countdown";

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
