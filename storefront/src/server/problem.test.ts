import fc from "fast-check";
import { expect, test } from "vitest";

import { backoff, pauseAfter } from "./problem";

const random = fc.double({ min: 0, max: 1, noNaN: true });

test("backoff doubles to a limit, half of it jitter", () => {
  fc.assert(
    fc.property(fc.nat(1000), random, (attempts, dice) => {
      const full = Math.min(15_000, 600 * 2 ** attempts);
      expect(backoff(attempts, dice)).toBeGreaterThanOrEqual(full / 2);
      expect(backoff(attempts, dice)).toBeLessThanOrEqual(full);
    }),
  );
});

test("what the server asks for is the least, up to a day", () => {
  fc.assert(
    fc.property(fc.nat(1e9), fc.nat(40), random, (retryAfter, attempts, dice) => {
      const pause = pauseAfter(
        { kind: "unavailable", status: 503, opensAt: null, retryAfter },
        attempts,
        dice,
      );
      expect(pause).toBeGreaterThanOrEqual(Math.min(retryAfter, 86_400_000));
      expect(pause).toBeLessThan(2 ** 31);
    }),
  );
});

test("those who were turned away together do not come back together", () => {
  const problem = { kind: "lane-full", status: 503, opensAt: null, retryAfter: 2000 };
  expect(pauseAfter(problem, 0, 0.1)).not.toBe(pauseAfter(problem, 0, 0.9));
});
