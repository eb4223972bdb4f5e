import { expect, it } from "vitest";

import { sale } from "../../testing/figures";
import { clockOf } from "./sale";

const at = (time: string) => Date.parse(`2026-11-22T${time}Z`);

it.each<[time: string, change: Parameters<typeof sale>[0], text: string]>([
  ["11:00:00", {}, "opens in 1:00:00"],
  ["12:03:12", {}, "open since 3 min 12 s · closes in 56:48"],
  ["12:00:42", { closesAt: null }, "open since 42 s"],
  ["13:00:01", {}, "closing"],
  ["13:00:42", { status: "Closed" }, "closed since 42 s"],
  ["12:30:00", { status: "Closed", closesAt: null }, "closed"],
  ["12:30:00", { status: "Draining" }, "closed"],
  ["12:30:00", { opensAt: null, closesAt: null }, "open from the start"],
])("at %s of %j it says %s", (time, change, text) => {
  expect(clockOf(sale(change), at(time))).toBe(text);
});
