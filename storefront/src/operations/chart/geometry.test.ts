import { describe, expect, it } from "vitest";

import { areaPath, axisTop, linePath } from "./geometry";

const box = { width: 100, height: 50 };

describe("axisTop", () => {
  it.each([
    [[], 10],
    [[3, null], 10],
    [[10], 10],
    [[11], 20],
    [[347], 500],
    [[501], 1000],
    [[6_001], 10_000],
  ])("of %j is %d", (values, top) => {
    expect(axisTop(values)).toBe(top);
  });

  it("covers every series", () => {
    expect(axisTop([1], [180], [40])).toBe(200);
  });
});

describe("linePath", () => {
  it("puts the newest value at the right edge and the top of the axis at the top", () => {
    expect(linePath([0, 5, 10], 3, 10, box)).toBe("M0 50L50 25L100 0");
  });

  it("leaves the left empty while there are few values", () => {
    expect(linePath([5, 5], 5, 10, box)).toBe("M75 25L100 25");
  });

  it("is broken where a second is unknown", () => {
    expect(linePath([10, null, 0, 0], 4, 10, box)).toBe("M0 0h0M66.7 50L100 50");
  });

  it("is empty without values", () => {
    expect(linePath([null], 4, 10, box)).toBe("");
  });
});

it("areaPath closes each stretch along the ground", () => {
  expect(areaPath([5, 10], 2, 10, box)).toBe("M0 50L0 25L100 0L100 50Z");
});
