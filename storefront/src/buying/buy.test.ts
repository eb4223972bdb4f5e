import fc from "fast-check";
import { expect, test } from "vitest";

import type { Buy, BuyState } from "./buy";
import { finalOf, merge } from "./buy";

const pressed: Buy = {
  key: "k",
  userId: "u",
  sale: "drop",
  productId: "shoe",
  productName: "Shoe",
  price: 4900,
  currency: "USD",
  pressedAt: 1000,
  jobId: null,
  state: { is: "sending", attempts: 0, retryAt: null, because: null },
};

const states: fc.Arbitrary<BuyState> = fc.oneof(
  fc.record({
    is: fc.constant("sending" as const),
    attempts: fc.nat(3),
    retryAt: fc.option(fc.nat(3)),
    because: fc.constantFrom(null, "network", "unavailable"),
  }),
  fc.record({
    is: fc.constant("queued" as const),
    position: fc.option(fc.integer({ min: 1, max: 5 })),
  }),
  fc.record(
    {
      is: fc.constant("confirmed" as const),
      orderId: fc.option(fc.nat(3)),
      expiresAt: fc.integer({ min: 1, max: 3 }),
    },
    { requiredKeys: ["is", "orderId"] },
  ),
  fc.record({
    is: fc.constant("cancelled" as const),
    orderId: fc.option(fc.nat(3)),
    reason: fc.constantFrom(null, "expired", "staff"),
  }),
  fc.record({
    is: fc.constantFrom("sold_out" as const, "limit_reached" as const, "failed" as const),
  }),
  fc.record({
    is: fc.constant("refused" as const),
    problem: fc.constantFrom("sold-out", "network"),
    opensAt: fc.constant(null),
  }),
);

const reports: fc.Arbitrary<Buy> = fc
  .record({ state: states, pressedAt: fc.nat(2), jobId: fc.constantFrom(null, "a", "b") })
  .map((report) => ({ ...pressed, ...report }));

const isFinal = ({ state }: Buy) => finalOf(state.is) !== null;

test("any order and any repetition of reports gives the same end", () => {
  const runs = fc
    .array(reports, { minLength: 1, maxLength: 8 })
    .chain((list) =>
      fc.tuple(
        fc.constant(list),
        fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 }),
      ),
    );
  fc.assert(
    fc.property(runs, ([list, shuffled]) => {
      expect(shuffled.reduce(merge)).toEqual(list.reduce(merge));
    }),
  );
});

test("a final outcome never goes back", () => {
  fc.assert(
    fc.property(fc.array(reports, { minLength: 1, maxLength: 12 }), (list) => {
      let buy = pressed;
      for (const report of list) {
        const next = merge(buy, report);
        if (isFinal(buy)) expect(isFinal(next)).toBe(true);
        if (buy.state.is === "queued") expect(next.state.is).not.toBe("sending");
        buy = next;
      }
    }),
  );
});

test("an order is paid after it was to be paid, and one that is cancelled stays so", () => {
  const to = (state: BuyState): Buy => ({ ...pressed, state });
  const unpaid = to({ is: "confirmed", orderId: 7, expiresAt: 5000 });
  const paid = to({ is: "confirmed", orderId: 7 });
  const cancelled = to({ is: "cancelled", orderId: 7, reason: "expired" });
  expect(merge(unpaid, paid)).toBe(paid);
  expect(merge(paid, unpaid)).toBe(paid);
  for (const other of [unpaid, paid]) {
    expect(merge(other, cancelled)).toBe(cancelled);
    expect(merge(cancelled, other)).toBe(cancelled);
  }
});

test("the position never rises", () => {
  const at = (position: number | null): Buy => ({ ...pressed, state: { is: "queued", position } });
  expect(merge(at(5), at(8)).state).toEqual({ is: "queued", position: 5 });
  expect(merge(at(5), at(3)).state).toEqual({ is: "queued", position: 3 });
  expect(merge(at(5), at(null)).state).toEqual({ is: "queued", position: 5 });
});

test("a report that says nothing new is the same object", () => {
  fc.assert(
    fc.property(reports, (report) => {
      expect(merge(report, { ...report })).toBe(report);
    }),
  );
});

test("a press after a refusal counts, one before it does not", () => {
  const refused: Buy = { ...pressed, state: { is: "refused", problem: "network", opensAt: null } };
  const again: Buy = { ...pressed, pressedAt: 2000 };
  expect(merge(refused, again).state.is).toBe("sending");
  expect(merge(again, refused).state.is).toBe("sending");
  expect(merge(refused, pressed).state.is).toBe("refused");
});

test("a dead letter that is replayed ends anew, other outcomes stay", () => {
  const ended = (state: BuyState): Buy => ({ ...pressed, state });
  const confirmed = ended({ is: "confirmed", orderId: 7 });
  for (const other of ["failed", "sold_out", "limit_reached"] as const) {
    expect(merge(ended({ is: other }), confirmed)).toEqual(confirmed);
    expect(merge(ended({ is: "failed" }), ended({ is: other })).state.is).toBe(other);
  }
});
