import { useId, useState } from "react";

import { depthOf, type SaleFigures } from "../feed/figures";
import type { FeedState } from "../feed/state";
import { Sale } from "./sale";

export function Sales({ token, state, now }: { token: string; state: FeedState; now: number }) {
  const heading = useId();
  const sales = sortSales(state.figures?.sales ?? []);
  const [unfolded, toggle] = useUnfolded(sales);
  return (
    <section aria-labelledby={heading} className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <h2 id={heading} className="sr-only">
        Sales
      </h2>
      {sales.length === 0 && <p className="text-muted">No sale is in force.</p>}
      {sales.map((sale) => (
        <Sale
          key={sale.sale}
          token={token}
          sale={sale}
          history={state.histories.get(sale.sale) ?? null}
          now={now}
          isUnfolded={unfolded.get(sale.sale) ?? false}
          onToggle={toggle}
        />
      ))}
    </section>
  );
}

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
function useUnfolded(sales: readonly SaleFigures[]): readonly [Unfolded, (sale: string) => void] {
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

/** What needs eyes comes first. */
const ORDER = ["Open", "Draining", "Suspended", "SoldOut", "Scheduled", "Closed"];

/** Whether a sale takes or settles buys now. */
function isActive(sale: SaleFigures): boolean {
  return ["Open", "Draining", "Suspended", "SoldOut"].includes(sale.status) || depthOf(sale) > 0;
}

/** Active sales first, then those that open soonest; places change only when a state does. */
export function sortSales(sales: readonly SaleFigures[]): SaleFigures[] {
  return [...sales].sort(
    (a, b) =>
      Number(isActive(b)) - Number(isActive(a)) ||
      rankOf(a) - rankOf(b) ||
      (a.status === "Scheduled" ? opening(a) - opening(b) : 0) ||
      a.sale.localeCompare(b.sale),
  );
}

function rankOf(sale: SaleFigures): number {
  const rank = ORDER.indexOf(sale.status);
  return rank < 0 ? ORDER.length : rank;
}

function opening(sale: SaleFigures): number {
  // Not Infinity: the difference of two of them is no number, and sorts nothing.
  return sale.opensAt ? Date.parse(sale.opensAt) : Number.MAX_SAFE_INTEGER;
}
