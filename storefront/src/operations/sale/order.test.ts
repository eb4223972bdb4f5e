import { describe, expect, it } from "vitest";

import { lane, sale } from "../../testing/figures";
import { pressedColumn, sortLanes, sortSales, type LaneOrder } from "./order";

describe("sortSales", () => {
  const names = (...of: Parameters<typeof sale>[0][]) =>
    sortSales(of.map(sale)).map((sorted) => sorted.sale);

  it("has active sales first, then the next to open, closed ones last", () => {
    expect(
      names(
        { sale: "over", status: "Closed" },
        { sale: "later", status: "Scheduled", opensAt: "2026-11-23T12:00:00Z" },
        { sale: "never", status: "Scheduled", opensAt: null },
        { sale: "soon", status: "Scheduled", opensAt: "2026-11-22T12:30:00Z" },
        { sale: "sold", status: "SoldOut" },
        { sale: "b", status: "Open" },
        { sale: "a", status: "Open" },
      ),
    ).toEqual(["a", "b", "sold", "soon", "later", "never", "over"]);
  });

  it("counts a closed sale whose jobs still wait as active", () => {
    expect(
      names(
        { sale: "soon", status: "Scheduled" },
        { sale: "drains", status: "Closed", lanes: [lane({ depth: 3 })] },
      ),
    ).toEqual(["drains", "soon"]);
  });

  it("has room for a state it does not know", () => {
    expect(
      names({ sale: "new", status: "Frozen" as "Open" }, { sale: "over", status: "Closed" }),
    ).toEqual(["over", "new"]);
  });
});

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
