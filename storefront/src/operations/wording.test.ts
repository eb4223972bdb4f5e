import { describe, expect, it } from "vitest";

import { counted, formatAge, formatMean, formatMoment, formatTicking } from "./wording";

describe("formatAge", () => {
  it.each([
    [-5, "0 s"],
    [40, "0 s"],
    [400, "0.4 s"],
    [9_940, "9.9 s"],
    [9_960, "10 s"],
    [59_600, "1 min 0 s"],
    [192_000, "3 min 12 s"],
    [7_500_000, "2 h 5 min"],
    [273_600_000, "3 d 4 h"],
  ])("%d ms is %s", (age, text) => {
    expect(formatAge(age)).toBe(text);
  });
});

describe("formatTicking", () => {
  it.each([
    [-1, "00:00"],
    [249_999, "04:09"],
    [3_849_000, "1:04:09"],
    [90_249_000, "1 d 1:04:09"],
    [273_600_000, "3 d 4 h"],
  ])("%d ms is %s", (span, text) => {
    expect(formatTicking(span)).toBe(text);
  });
});

describe("formatMean", () => {
  it("has no value without samples", () => {
    expect(formatMean(0, 0)).toBe("–");
  });

  it("has a tenth only where it tells something", () => {
    expect(formatMean(10, 4)).toBe("2.5");
    expect(formatMean(4_999, 5)).toBe("1,000");
  });
});

it("counted has the noun in the right number", () => {
  expect([counted(0, "letter"), counted(1, "letter"), counted(1_200, "letter")]).toEqual([
    "0 letters",
    "1 letter",
    "1,200 letters",
  ]);
});

it("formatMoment is in UTC", () => {
  expect(formatMoment(Date.UTC(2026, 10, 22, 17, 3, 12, 900))).toBe("2026-11-22 17:03:12");
});
