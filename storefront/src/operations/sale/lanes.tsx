import { useState } from "react";

import { Badge } from "../../ui/elements";
import { formatCount } from "../../ui/format";
import { cell, columnHead, figureCell, Table } from "../controls";
import { isUndriven, type LaneFigures, type SaleFigures } from "../feed/figures";
import { formatAge } from "../wording";

const COLUMNS: readonly { by: LaneColumn; name: string; isFigure: boolean }[] = [
  { by: "product", name: "Product", isFigure: false },
  { by: "stock", name: "Stock", isFigure: true },
  { by: "depth", name: "Waiting", isFigure: true },
  { by: "oldest", name: "Oldest", isFigure: true },
  { by: "driver", name: "Driver", isFigure: false },
  { by: "settled", name: "Settled", isFigure: true },
];

/** The lanes of a sale, sorted as somebody likes. */
export function Lanes({ sale }: { sale: SaleFigures }) {
  const [order, setOrder] = useState<LaneOrder>(null);
  return (
    <Table
      name={`Lanes of ${sale.sale}`}
      head={COLUMNS.map(({ by, name, isFigure }) => (
        <th
          key={by}
          scope="col"
          aria-sort={order?.by === by ? (order.descending ? "descending" : "ascending") : "none"}
          className={`${columnHead} ${isFigure ? "text-right" : ""}`}
        >
          <button
            type="button"
            className="rounded-sm hover:underline"
            onClick={() => {
              setOrder((now) => pressedColumn(now, by));
            }}
          >
            {name}
            {order?.by === by && <span aria-hidden="true"> {order.descending ? "↓" : "↑"}</span>}
          </button>
        </th>
      ))}
    >
      {sortLanes(sale.lanes, order).map((lane) => (
        <Lane key={lane.productId} lane={lane} />
      ))}
    </Table>
  );
}

function Lane({ lane }: { lane: LaneFigures }) {
  const { productId, name, stock, depth, oldestAgeMs, driver, settled } = lane;
  return (
    <tr className="border-t border-line">
      <th scope="row" className={`${cell} min-w-44 text-left font-normal`}>
        <span className="font-semibold">{productId}</span>{" "}
        <span className="text-muted">{name === productId ? "" : name}</span>
      </th>
      <td className={figureCell}>{stock === null ? "unknown" : formatCount(stock)}</td>
      <td className={figureCell}>{formatCount(depth)}</td>
      <td className={figureCell}>{oldestAgeMs === null ? "–" : formatAge(oldestAgeMs)}</td>
      <td className={cell}>
        {isUndriven(lane) ? (
          <Badge tone="bad">no driver</Badge>
        ) : (
          <span className={driver === null ? "text-muted" : "font-mono text-xs"}>
            {driver ?? (depth > 0 ? "none yet" : "none, nothing waits")}
          </span>
        )}
      </td>
      <td className={figureCell}>{formatCount(settled)}</td>
    </tr>
  );
}

/** What lanes can be sorted by. */
type LaneColumn = "product" | "stock" | "depth" | "oldest" | "driver" | "settled";

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
