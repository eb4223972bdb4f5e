import { useState } from "react";

import { Badge } from "../../ui/elements";
import { isUndriven, type LaneFigures, type SaleFigures } from "../feed/figures";
import { cell, columnHead, figureCell, Table } from "../controls";
import { formatCount } from "../../ui/format";
import { formatAge } from "../wording";
import { pressedColumn, sortLanes, type LaneColumn, type LaneOrder } from "./order";

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
