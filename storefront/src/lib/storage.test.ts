import { beforeEach, expect, test, vi } from "vitest";

import { keepIn } from "./storage";

beforeEach(() => {
  localStorage.clear();
});

test("keeps texts where it is told to", () => {
  const keep = keepIn(() => localStorage);
  keep.set("a", "1");
  expect(localStorage.getItem("a")).toBe("1");
  expect(keepIn(() => localStorage).get("a")).toBe("1");
  keep.remove("a");
  expect([keep.get("a"), keep.keys()]).toEqual([null, []]);
});

test("what a full storage does not take is kept in memory until it does", () => {
  const keep = keepIn(() => localStorage);
  keep.set("a", "old");
  const full = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
    throw new DOMException("full", "QuotaExceededError");
  });
  keep.set("a", "new");
  keep.set("b", "1");
  expect([keep.get("a"), keep.get("b"), keep.keys()]).toEqual(["new", "1", ["a", "b"]]);
  full.mockRestore();
  keep.set("a", "newer");
  expect(localStorage.getItem("a")).toBe("newer");
});

test("a storage that may not even be touched is memory", () => {
  const keep = keepIn(() => {
    throw new DOMException("denied", "SecurityError");
  });
  keep.set("a", "1");
  expect([keep.get("a"), keep.get("b"), keep.keys()]).toEqual(["1", null, ["a"]]);
  keep.remove("a");
  expect(keep.keys()).toEqual([]);
});
