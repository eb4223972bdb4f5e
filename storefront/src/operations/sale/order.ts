import { depthOf, type LaneFigures, type SaleFigures } from "../feed/figures";

/** What needs eyes comes first. */
const ORDER = ["Open", "Draining", "Suspended", "SoldOut", "Scheduled", "Closed"];

/** Whether a sale takes or settles buys now. */
export function isActive(sale: SaleFigures): boolean {
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

/** What lanes can be sorted by. */
export type LaneColumn = "product" | "stock" | "depth" | "oldest" | "driver" | "settled";

/** How lanes are sorted; null leaves them as the sale declares them. */
export type LaneOrder = { readonly by: LaneColumn; readonly descending: boolean } | null;

/** Sorted lanes; what is not known stands last either way. */
export function sortLanes(lanes: readonly LaneFigures[], order: LaneOrder): readonly LaneFigures[] {
  if (!order) {
    return lanes;
  }
  const direction = order.descending ? -1 : 1;
  return [...lanes].sort((a, b) => {
    const [left, right] = [valueOf(a, order.by), valueOf(b, order.by)];
    if (left === null || right === null) {
      return Number(left === null) - Number(right === null);
    }
    return direction * compare(left, right);
  });
}

function compare(left: number | string, right: number | string): number {
  return typeof left === "number" && typeof right === "number"
    ? left - right
    : String(left).localeCompare(String(right));
}

function valueOf(lane: LaneFigures, column: LaneColumn): number | string | null {
  switch (column) {
    case "product":
      return lane.productId;
    case "stock":
      return lane.stock;
    case "depth":
      return lane.depth;
    case "oldest":
      return lane.oldestAgeMs;
    case "driver":
      return lane.driver;
    case "settled":
      return lane.settled;
  }
}

/** The order after a press on a column's head: figures largest first, then turned, then undone. */
export function pressedColumn(order: LaneOrder, by: LaneColumn): LaneOrder {
  const first = by !== "product" && by !== "driver";
  if (order?.by !== by) {
    return { by, descending: first };
  }
  return order.descending === first ? { by, descending: !first } : null;
}
