import type { Sale, SaleStatus } from "../live/sale";

const ranks: Record<SaleStatus, number> = {
  Open: 0,
  Scheduled: 1,
  Suspended: 2,
  SoldOut: 3,
  Draining: 4,
  Closed: 5,
};

/** Sales in the order in which they matter: those that are open, then by their opening. */
export function inOrder(sales: readonly Sale[]): Sale[] {
  return sales.toSorted(
    (one, other) =>
      ranks[one.status] - ranks[other.status] || (one.opensAt ?? 0) - (other.opensAt ?? 0),
  );
}
