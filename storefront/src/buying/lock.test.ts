import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { keepIn } from "../lib/storage";
import { fakeLocks } from "../testing/journey";
import { createLocks } from "./lock";

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeEach(() => {
  localStorage.clear();
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe.each([
  ["Web Locks", fakeLocks],
  ["the storage", () => undefined],
])("by %s", (_, locks) => {
  test("one at a time, each name by itself", async () => {
    const keep = keepIn(() => localStorage);
    const shared = locks();
    const tabs = [createLocks(keep, shared), createLocks(keep, shared), createLocks(keep, shared)];
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, (inside += 1));
      await wait(50);
      inside -= 1;
      return "done";
    };
    const all = Promise.all(tabs.map((withLock) => withLock("press", 10_000, work)));
    await vi.advanceTimersByTimeAsync(1000);
    expect(await all).toEqual(["done", "done", "done"]);
    expect(most).toBe(1);
    expect(Object.keys(localStorage)).toEqual([]);
  });

  test("work that fails lets the next one in", async () => {
    const withLock = createLocks(
      keepIn(() => localStorage),
      locks(),
    );
    const failed = withLock("a", 1000, () => Promise.reject(new Error("no"))).catch(String);
    await vi.advanceTimersByTimeAsync(100);
    expect(await failed).toBe("Error: no");
    const next = withLock("a", 1000, () => Promise.resolve("in"));
    await vi.advanceTimersByTimeAsync(500);
    expect(await next).toBe("in");
  });
});

test("a browser's lock is kept until other tabs can see what was written under it", async () => {
  const shared = fakeLocks();
  const keep = keepIn(() => localStorage);
  const first = createLocks(keep, shared);
  const second = createLocks(keep, shared);
  let written = 0;
  let seen = 0;
  void first("press", 1500, () => Promise.resolve((written = Date.now())));
  const done = second("press", 1500, () => Promise.resolve((seen = Date.now())));
  await vi.advanceTimersByTimeAsync(1000);
  await done;
  expect(seen - written).toBeGreaterThanOrEqual(400);
});

test("a lock that a dead tab left in the storage is waited for no longer than the patience", async () => {
  localStorage.setItem("flashsale:lock:a", `${Date.now()} somebody`);
  const withLock = createLocks(
    keepIn(() => localStorage),
    undefined,
  );
  const done = withLock("a", 500, () => Promise.resolve("in"));
  await vi.advanceTimersByTimeAsync(600);
  expect(await done).toBe("in");
});

test("without Web Locks that work, the work is done", async () => {
  const broken = { request: () => Promise.reject(new DOMException("no", "SecurityError")) };
  const withLock = createLocks(
    keepIn(() => localStorage),
    broken as unknown as LockManager,
  );
  expect(await withLock("a", 500, () => Promise.resolve("in"))).toBe("in");
});
