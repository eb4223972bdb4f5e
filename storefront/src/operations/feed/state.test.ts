import { expect, it } from "vitest";

import { figures, lane, sale } from "../../testing/figures";
import { NOTHING_YET, withFigures, withHistories } from "./state";

const served = Date.parse(figures().serverTime);
const later = (milliseconds: number, isCurrent = true) => ({
  ...figures(sale({ lanes: [lane({ depth: 4 })] })),
  serverTime: new Date(served + milliseconds).toISOString(),
  isCurrent,
});

it("each sample is one more second of its sale", () => {
  const first = withFigures(NOTHING_YET, later(0));
  const second = withFigures(first, later(1_000));
  expect(second.histories.get("market")?.seconds).toHaveLength(2);
  expect(second.currentAt).toBe(served + 1_000);
});

it("old figures say since when, and are no second of a chart", () => {
  const first = withFigures(NOTHING_YET, later(0));
  const second = withFigures(first, later(1_000, false));
  expect(second.currentAt).toBe(served);
  expect(second.at).toBe(served + 1_000);
  expect(second.histories).toBe(first.histories);
});

it("a sale that is gone leaves the charts, one that the gateway remembers comes back", () => {
  const first = withFigures(NOTHING_YET, later(0));
  const gone = withFigures(first, { ...later(1_000), sales: [] });
  expect([...gone.histories.keys()]).toEqual([]);
  const told = new Map([["market", { at: served, seconds: [] }]]);
  expect([...withHistories(gone, told).histories.keys()]).toEqual(["market"]);
});
