import { describe, expect, it } from "vitest";

import { lane, sale } from "../../testing/figures";
import { sortSales, withActive } from "./sales";

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

const open = (name: string) => sale({ sale: name });
const closed = (name: string) => sale({ sale: name, status: "Closed" });

it("among few sales all are unfolded", () => {
  expect([...withActive(new Map(), [open("a"), closed("b")]).keys()]).toEqual(["a", "b"]);
});

it("among many the first active ones are", () => {
  const many = [open("a"), open("b"), open("c"), open("d"), closed("e")];
  expect([...withActive(new Map(), many).keys()]).toEqual(["a", "b", "c"]);
});

it("what was folded by hand stays folded, what ends stays unfolded", () => {
  const before = new Map([
    ["a", false],
    ["b", true],
  ]);
  expect(withActive(before, [open("a"), closed("b")])).toBe(before);
});
