import { beforeEach, expect, test, vi } from "vitest";

import { keepIn } from "../lib/storage";
import type { Buy, BuyState } from "./buy";
import { PREFIX, createJournal } from "./journal";

const NOW = Date.UTC(2030, 0, 1);
const DAY = 86_400_000;
const keep = keepIn(() => localStorage);
const open = (now = NOW) => createJournal(keep, () => now);

function buy(key: string, state: BuyState["is"], pressedAt = NOW, userId = "u"): Buy {
  const states = {
    sending: { is: "sending", attempts: 0, retryAt: null, because: null },
    confirmed: { is: "confirmed", orderId: 7 },
  } as const;
  const wish = {
    sale: "drop",
    productId: "shoe",
    productName: "Shoe",
    price: 4900,
    currency: "USD",
  };
  return {
    key,
    userId,
    ...wish,
    pressedAt,
    jobId: null,
    state: state === "confirmed" ? states.confirmed : states.sending,
  };
}

const keys = () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));

beforeEach(() => {
  localStorage.clear();
});

test("what is put is there after a reload, newest first", () => {
  const journal = open();
  journal.put(buy("a", "sending", NOW));
  journal.put(buy("b", "confirmed", NOW + 5));
  const again = open().buys.get();
  expect(again).toEqual([buy("b", "confirmed", NOW + 5), buy("a", "sending")]);
});

test("keeps the last fifty that ended, a shopper, and all that are pending", () => {
  const journal = open();
  for (let i = 0; i < 60; i += 1) {
    journal.put(buy(`a${i}`, "confirmed", NOW - i));
    journal.put(buy(`b${i}`, "sending", NOW - i, "v"));
  }
  const left = open()
    .buys.get()
    .map((buy) => buy.key);
  expect(left.filter((key) => key.startsWith("a"))).toHaveLength(50);
  expect(left).toContain("a0");
  expect(left).not.toContain("a59");
  expect(left.filter((key) => key.startsWith("b"))).toHaveLength(60);
  expect(keys()).toHaveLength(110);
});

test("keeps nothing longer than ninety days", () => {
  const journal = open();
  journal.put(buy("a", "confirmed", NOW - 89 * DAY));
  journal.put(buy("b", "confirmed", NOW - 80 * DAY));
  expect(
    open(NOW + 2 * DAY)
      .buys.get()
      .map((buy) => buy.key),
  ).toEqual(["b"]);
  expect(keys()).toHaveLength(1);
});

test("two tabs that write at once lose nothing", () => {
  const one = open();
  const two = open();
  one.put({ ...buy("a", "sending"), jobId: "j", state: { is: "queued", position: 3 } });
  two.put({
    ...buy("a", "sending"),
    state: { is: "sending", attempts: 4, retryAt: 9, because: "network" },
  });
  expect(two.get("a")?.state).toEqual({ is: "queued", position: 3 });
  one.reread("a");
  expect(one.get("a")).toEqual(two.get("a"));
});

test("reading what is already known tells nobody", () => {
  const journal = open();
  journal.put(buy("a", "confirmed"));
  const listener = vi.fn();
  journal.buys.subscribe(listener);
  journal.reread();
  journal.put(buy("a", "confirmed"));
  expect(listener).not.toHaveBeenCalled();
});

test("a pending buy outlives the emptying of the storage by another tab", () => {
  const journal = open();
  journal.put(buy("a", "sending"));
  journal.put(buy("b", "confirmed"));
  localStorage.clear();
  journal.reread("a");
  journal.reread("b");
  expect(journal.buys.get().map((buy) => buy.key)).toEqual(["a"]);
});

test("entries of before orders had to be paid are read, and those of after it", () => {
  const states: BuyState[] = [
    { is: "confirmed", orderId: 7 },
    { is: "confirmed", orderId: 7, expiresAt: NOW },
    { is: "cancelled", orderId: 7, reason: "expired" },
    { is: "cancelled", orderId: null, reason: null },
  ];
  for (const [at, state] of states.entries()) {
    const entry = { buy: { ...buy(`a${at}`, "confirmed"), state }, dismissed: 0 };
    localStorage.setItem(`${PREFIX}a${at}`, JSON.stringify(entry));
  }
  const journal = open();
  for (const [at, state] of states.entries()) {
    expect(journal.get(`a${at}`)?.state).toStrictEqual(state);
  }
});

test("an entry under another's name is not read", () => {
  open().put(buy("a", "confirmed"));
  localStorage.setItem(`${PREFIX}z`, localStorage.getItem(`${PREFIX}a`) ?? "");
  expect(open().buys.get()).toHaveLength(1);
});
