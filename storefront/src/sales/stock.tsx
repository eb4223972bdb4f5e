import type { Product } from "../live/sale";
import { formatCount } from "../ui/format";
import { Skeleton } from "../ui/elements";
import { useStock } from "../shop/hooks";
import { LAST_TEN, STOCK_LEVELS, stockLevel } from "./stock-level";
import { useStockAnnouncements } from "./use-stock-announcements";

interface StockProps {
  sale: string;
  product: Product;
}

/** What is left of a product, as a number and as a bar that falls. */
export function Stock({ sale, product }: StockProps) {
  const left = useStock(sale, product.productId);
  // Units put back on sale by hand come on top of what was offered.
  const full = Math.max(product.offered, left ?? 0);
  useStockAnnouncements(product.name, left, full);

  const isLow = left !== null && stockLevel(left, full) >= STOCK_LEVELS.lastTen;
  return (
    <div data-testid="stock" className="grid min-h-9.5 content-between gap-2.5">
      {left === null ? (
        <Skeleton className="h-5 w-24" />
      ) : (
        <p className={`leading-5 font-semibold tabular-nums ${isLow ? "text-bad" : "text-ink"}`}>
          {wording(left)}
        </p>
      )}
      <div aria-hidden="true" className="h-2 overflow-hidden rounded-full bg-sunken">
        <div
          className={`h-full origin-left rounded-full transition-transform duration-700 ease-out ${isLow ? "bg-bad" : "bg-ink"}`}
          style={{ transform: `scaleX(${left === null ? 0 : share(left, full)})` }}
        />
      </div>
    </div>
  );
}

/** The part of the bar that is full; a last unit can still be seen. */
function share(left: number, full: number): number {
  return left === 0 ? 0 : Math.max(0.015, left / full);
}

function wording(left: number): string {
  if (left === 0) {
    return "0 left";
  }
  return left <= LAST_TEN ? `Only ${left} left` : `${formatCount(left)} left`;
}
