import { useState } from "react";

import type { SaleFigures } from "../feed/figures";
import { isActive } from "./order";

/** Sales that unfold by themselves; more would be a page that nobody can read. */
const BY_ITSELF = 3;

/** Sales and whether they are unfolded; those that are not in it never were. */
export type Unfolded = ReadonlyMap<string, boolean>;

/**
 * Unfolds active sales when they are first seen so, and, among few, every sale. What somebody
 * folded stays folded, and a sale that ends does not fold under anybody's eyes.
 */
export function withActive(unfolded: Unfolded, sales: readonly SaleFigures[]): Unfolded {
  let shown = sales.filter(({ sale }) => unfolded.get(sale)).length;
  const next = new Map(unfolded);
  for (const sale of sales) {
    const isWanted = isActive(sale) || sales.length <= BY_ITSELF;
    if (isWanted && !next.has(sale.sale) && shown < BY_ITSELF) {
      next.set(sale.sale, true);
      shown += 1;
    }
  }
  return next.size === unfolded.size ? unfolded : next;
}

/** Which sales are unfolded, and how to fold and unfold one. */
export function useUnfolded(
  sales: readonly SaleFigures[],
): readonly [Unfolded, (sale: string) => void] {
  const [unfolded, setUnfolded] = useState<Unfolded>(new Map());
  const next = withActive(unfolded, sales);
  if (next !== unfolded) {
    setUnfolded(next);
  }
  const toggle = (sale: string) => {
    setUnfolded((now) => new Map(now).set(sale, !now.get(sale)));
  };
  return [next, toggle];
}
