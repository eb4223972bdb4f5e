import { expect, it } from "vitest";

import { sale } from "../../testing/figures";
import { withActive } from "./use-unfolded";

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
