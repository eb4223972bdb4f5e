import { memo } from "react";

import type { Product, Sale } from "../live/sale";
import { Link } from "../lib/router";
import { Icon } from "../ui/elements";
import { formatCount, formatPrice } from "../ui/format";
import { SaleBadge } from "./sale-badge";
import { SalePictures } from "./sale-pictures";
import { salePath, saleTitle } from "./sale-title";

interface SaleCardProps {
  sale: Sale;
  /** The first one has the width of the page. */
  isMain: boolean;
}

/** A sale in the list: all of it is the link to its page. */
export const SaleCard = memo(function SaleCard({ sale, isMain }: SaleCardProps) {
  return (
    <article
      className={`group relative grid overflow-hidden rounded-card bg-surface shadow-card ${isMain ? "md:grid-cols-[1.1fr_1fr]" : "grid-rows-[auto_1fr]"}`}
    >
      <SalePictures sale={sale} isMain={isMain} />
      <div className={`grid content-between gap-8 p-6 ${isMain ? "md:p-10" : ""}`}>
        <div className="grid justify-items-start gap-4">
          <SaleBadge sale={sale} />
          <h2
            className={`leading-[1.08] font-bold tracking-tight ${isMain ? "text-4xl sm:text-5xl" : "text-2xl"}`}
          >
            <Link href={salePath(sale.sale)} className="rounded-sm after:absolute after:inset-0">
              {saleTitle(sale.sale)}
            </Link>
          </h2>
          <Contents products={sale.products} isMain={isMain} />
        </div>
        <p className="flex items-center justify-between gap-4 font-semibold tabular-nums">
          {remaining(sale)}
          <span className="grid size-12 place-items-center rounded-full bg-act text-act-ink transition-transform duration-200 group-hover:translate-x-1">
            <Icon sign="arrow" />
          </span>
        </p>
      </div>
    </article>
  );
});

/** As many products as a card lists by name. */
const MOST_NAMED = 5;

/** What it sells, with prices where there is room. */
function Contents({ products, isMain }: { products: readonly Product[]; isMain: boolean }) {
  const named = products.slice(0, MOST_NAMED);
  const further = products.length - named.length;
  if (!isMain) {
    return <p className="text-pretty text-muted">{named.map(({ name }) => name).join(" · ")}</p>;
  }
  return (
    <ul className="grid w-full gap-1.5 text-muted">
      {named.map(({ productId, name, price }) => (
        <li key={productId} className="flex justify-between gap-6">
          {name}
          <span className="text-ink tabular-nums">{formatPrice(price)}</span>
        </li>
      ))}
      {further > 0 && <li>and {further} more</li>}
    </ul>
  );
}

function remaining({ products }: Sale): string {
  const left = products.reduce<number | null>(
    (sum, { stock }) => (sum === null || stock === null ? null : sum + stock),
    0,
  );
  return left === null ? "" : `${formatCount(left)} left`;
}
