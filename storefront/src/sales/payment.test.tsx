import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Buy, BuyState } from "../buying/buy";
import { ShopProvider } from "../shop/hooks";
import { createShop } from "../shop/shop";
import { FakeGateway } from "../testing/fake-gateway";
import { formatClock } from "../ui/format";
import { OutcomePanel } from "./outcome-panel";
import Payment from "./payment";
import { outcomeWords } from "./words";

const NOW = Date.UTC(2030, 0, 1);

beforeEach(() => {
  localStorage.clear();
  vi.useFakeTimers();
  vi.setSystemTime(NOW);
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

const buy = (state: BuyState): Buy => ({
  key: "k",
  userId: "u",
  sale: "drop",
  productId: "shoe",
  productName: "Shoe",
  price: 4900,
  currency: "USD",
  pressedAt: NOW,
  jobId: "j",
  state,
});

async function show(state: BuyState, skew = 0) {
  const gateway = new FakeGateway();
  gateway.skew = skew;
  const shop = createShop({ fetch: gateway.fetch, openSocket: gateway.openSocket });
  const { container } = render(
    <ShopProvider shop={shop}>
      <p>
        <Payment buy={buy(state)} />
      </p>
    </ShopProvider>,
  );
  await pass(1000);
  return () => container.textContent;
}

const reasons = ["expired", "shopper", "staff", "declined", "refunded", "chargeback", null];

test("each reason has a sentence of its own, and those of the shop have one together", async () => {
  const said = [];
  for (const reason of reasons) {
    said.push((await show({ is: "cancelled", orderId: 7, reason }))());
    cleanup();
  }
  expect(said.join("\n")).toMatchInlineSnapshot(`
    "It was not paid in time, so it went back on sale.
    You cancelled it.
    The shop cancelled it.
    Your payment was declined, so it went back on sale.
    Your money is on its way back to you.
    Ask the shop why.
    Ask the shop why."
  `);
});

test("the time left is told by the server's clock, to its end", async () => {
  // Our clock is an hour behind; what counts is the server's.
  const hour = 3_600_000;
  const text = await show({ is: "confirmed", orderId: 7, expiresAt: NOW + hour + 61_500 }, hour);
  expect(text()).toContain("Time left to pay: 00:01:01.");
  await pass(59_000);
  expect(text()).toContain("00:00:02");
  await pass(2100);
  expect(text()).toContain("The time to pay is over.");
});

test("an order that is paid needs no words", async () => {
  expect((await show({ is: "confirmed", orderId: 7 }))()).toBe("");
});

describe("where a buy stands", () => {
  const until = NOW + 65_000;

  test.each<[BuyState, string]>([
    [{ is: "confirmed", orderId: 7 }, "It’s yours, order 7"],
    [
      { is: "confirmed", orderId: 7, expiresAt: until },
      `It’s yours, order 7, pay until ${formatClock(until)}`,
    ],
    [{ is: "cancelled", orderId: 7, reason: "expired" }, "Order 7 is cancelled"],
    [{ is: "cancelled", orderId: null, reason: null }, "Order cancelled"],
  ])("%o", (state, words) => {
    expect(outcomeWords(buy(state))).toBe(words);
  });

  test("a cancelled order is never shown as the shopper's, and can be bought again", () => {
    const product = { productId: "shoe", maxPerUser: 1 } as Parameters<
      typeof OutcomePanel
    >[0]["product"];
    const onAgain = vi.fn();
    const state: BuyState = { is: "cancelled", orderId: 7, reason: "expired" };
    const { container } = render(
      <OutcomePanel buy={buy(state)} product={product} mayBuy onAgain={onAgain} />,
    );
    expect(container.textContent).toContain("Order 7 is cancelled");
    expect(container.textContent).not.toContain("yours");
    screen.getByRole("button", { name: "Try again" }).click();
    expect(onAgain).toHaveBeenCalledOnce();
  });
});
