import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";

import { sale } from "../../testing/figures";
import type { SaleFigures } from "../feed/figures";
import { Sale } from "./sale";

afterEach(cleanup);

/** The count of unpaid orders in the line of a sale; null where the line does not speak of them. */
function unpaidOf(change: Partial<SaleFigures>): string | null {
  const line = { history: null, now: 0, isUnfolded: false, onToggle: () => undefined };
  const { container } = render(<Sale token="t" sale={sale(change)} {...line} />);
  const terms = [...container.querySelectorAll("dt")];
  const term = terms.find(({ textContent }) => textContent === "unpaid");
  return term?.nextElementSibling?.textContent ?? null;
}

it.each<[pendingOrders: number | null, shown: string]>([
  [1234, "1,234"],
  [0, "0"],
  [null, "unknown"],
])("shows %s unpaid orders as %s", (pendingOrders, shown) => {
  expect(unpaidOf({ pendingOrders })).toBe(shown);
});

it("says nothing of payment where nothing has to be paid", () => {
  expect(unpaidOf({})).toBeNull();
});
