import { expect, it } from "vitest";

import { allToggled, prettyJob, tickedOf, toggled } from "./letter-table";
import { questionOf, resultOf } from "./settling";

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

it("the question says how many and what will happen", () => {
  expect(questionOf("discard", 1)).toEqual({
    title: "Discard 1 dead letter?",
    text:
      "It is deleted for good and cannot be replayed any more. The buy has ended as failed and " +
      "stays so.",
  });
  expect(questionOf("replay", 12).title).toBe("Replay 12 dead letters?");
});

it("the result says what was gone", () => {
  expect(resultOf("replay", { done: 12, gone: 1 })).toBe("12 replayed, 1 was gone already.");
  expect(resultOf("discard", { done: 0, gone: 2 })).toBe("0 discarded, 2 were gone already.");
  expect(resultOf("discard", { done: 3, gone: 0 })).toBe("3 discarded.");
});

it("a job is indented when it is JSON and left alone when it is not", () => {
  expect(prettyJob('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(prettyJob("nonsense")).toBe("nonsense");
  expect(prettyJob("")).toBe("(empty)");
});
