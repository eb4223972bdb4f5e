import { memo } from "react";
import { Link } from "wouter";

import type { Sale } from "../live/sale";
import { ArrowIcon } from "../ui/icons";
import { formatCount, formatPrice } from "../ui/numbers";
import { Picture } from "../ui/picture";
import { SaleBadge } from "./sale-badge";
import { salePath, saleTitle } from "./sale-title";

interface SaleCardProps {
  sale: Sale;
  /** The first one has the width of the page. */
  isMain: boolean;
}

/** A sale in the list: all of it is the link to its page. */
export const SaleCard = memo(function SaleCard({ sale, isMain }: SaleCardProps) {
  const [first] = sale.products;
  return (
    <article
      className={`group relative grid overflow-hidden rounded-card bg-surface shadow-card ${isMain ? "md:grid-cols-2" : "grid-rows-[auto_1fr]"}`}
    >
      <Picture image={first?.image ?? null} name={first?.name ?? sale.sale} isMain={isMain} />
      <div className={`grid content-between gap-10 p-6 ${isMain ? "md:p-10" : ""}`}>
        <div className="grid justify-items-start gap-4">
          <SaleBadge sale={sale} />
          <h2
            className={`leading-[1.08] font-bold tracking-tight ${isMain ? "text-4xl sm:text-5xl" : "text-2xl"}`}
          >
            <Link
              href={salePath(sale.sale)}
              className="after:absolute after:inset-0 after:rounded-card focus-visible:outline-none focus-visible:after:outline-3 focus-visible:after:-outline-offset-3 focus-visible:after:outline-ink"
            >
              {saleTitle(sale.sale)}
            </Link>
          </h2>
          <p className="text-pretty text-muted">{contents(sale)}</p>
        </div>
        <p className="flex items-center justify-between gap-4 font-semibold tabular-nums">
          {remaining(sale)}
          <span className="grid size-12 place-items-center rounded-full bg-act text-act-ink transition-transform duration-200 group-hover:translate-x-1">
            <ArrowIcon />
          </span>
        </p>
      </div>
    </article>
  );
});

/** What it sells: the one product, or the names of several. */
function contents({ products }: Sale): string {
  const [first, ...others] = products;
  if (!first) {
    return "";
  }
  if (others.length === 0) {
    return [first.name, formatPrice(first.price)].join(" · ");
  }
  return products.map((product) => product.name).join(" · ");
}

function remaining({ products }: Sale): string {
  const left = products.reduce<number | null>(
    (sum, { stock }) => (sum === null || stock === null ? null : sum + stock),
    0,
  );
  return left === null ? "" : `${formatCount(left)} left`;
}
