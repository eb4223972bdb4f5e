import { describe, expect, it } from "vitest";

import { lane } from "../../testing/figures";
import { pressedColumn, sortLanes, type LaneOrder } from "./lanes";

describe("sortLanes", () => {
  const lanes = [
    lane({ productId: "b", stock: null, depth: 2 }),
    lane({ productId: "a", stock: 7, depth: 9 }),
    lane({ productId: "c", stock: 30, depth: 0 }),
  ];
  const sorted = (order: LaneOrder) => sortLanes(lanes, order).map(({ productId }) => productId);

  it("leaves lanes as they are declared", () => {
    expect(sorted(null)).toEqual(["b", "a", "c"]);
  });

  it("sorts figures as figures, not as text", () => {
    expect(sorted({ by: "stock", descending: true })).toEqual(["c", "a", "b"]);
    expect(sorted({ by: "depth", descending: true })).toEqual(["a", "b", "c"]);
  });

  it("has the unknown last either way", () => {
    expect(sorted({ by: "stock", descending: false })).toEqual(["a", "c", "b"]);
  });
});

it("pressing a column sorts, turns, and undoes", () => {
  const first = pressedColumn(null, "depth");
  const second = pressedColumn(first, "depth");
  expect([first, second, pressedColumn(second, "depth")]).toEqual([
    { by: "depth", descending: true },
    { by: "depth", descending: false },
    null,
  ]);
  expect(pressedColumn(first, "product")).toEqual({ by: "product", descending: false });
});
