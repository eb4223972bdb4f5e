import { expect, it } from "vitest";

import { allToggled, tickedOf, toggled } from "./selection";

it("one letter is ticked and unticked", () => {
  const one = toggled(new Set(), "1-0");
  expect([...one]).toEqual(["1-0"]);
  expect([...toggled(one, "1-0")]).toEqual([]);
});

it("all are ticked from some, none from all", () => {
  const shown = ["1-0", "2-0"];
  expect([...allToggled(new Set(["2-0"]), shown)]).toEqual(shown);
  expect([...allToggled(new Set(shown), shown)]).toEqual([]);
});

it("a letter that is not shown any more does not count", () => {
  expect(tickedOf(new Set(["1-0", "2-0"]), ["2-0", "3-0"])).toEqual(["2-0"]);
});
