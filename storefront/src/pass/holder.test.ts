import { expect, test } from "vitest";

import { work, zeroBits } from "./holder";

test("the proof is what the gateway checks", async () => {
  const proof = await work("challenge", 12);
  expect(proof).toMatch(/^\d+$/);
  const bytes = new TextEncoder().encode(`challenge.${proof}`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  expect(zeroBits(digest)).toBeGreaterThanOrEqual(12);
});

test("zero bits are counted from the left", () => {
  const bits = (...digest: number[]) => zeroBits(new Uint8Array(digest));
  expect(bits(0x80, 0)).toBe(0);
  expect(bits(0x01, 0)).toBe(7);
  expect(bits(0, 0x10)).toBe(11);
  expect(bits(0, 0)).toBe(16);
});
