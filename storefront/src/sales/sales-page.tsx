import { memo } from "react";

import { Link } from "../lib/router";
import type { Product, Sale, SaleStatus } from "../live/sale";
import { useCountdown, useSales } from "../shop/hooks";
import { Badge, Icon, Message, Picture, Skeleton, type Tone } from "../ui/elements";
import { formatCount, formatPrice } from "../ui/format";
import { PageHeading } from "../ui/layout";
import { salePath, saleTitle } from "./words";

/** The front page: every sale in force. */
export function SalesPage() {
  const { state, sales } = useSales();
  const [first, ...others] = inOrder(sales);
  return (
    <div className="grid gap-8 sm:gap-12">
      <div className="grid gap-3">
        <PageHeading title="On now and up next" />
        <p className="max-w-xl text-lg text-pretty text-muted">
          Few pieces, one opening, and a line that is fair to everyone in it.
        </p>
      </div>
      {first ? (
        <div className="grid gap-6 lg:gap-8">
          <SaleCard sale={first} isMain />
          {others.length > 0 && (
            <div className="grid gap-6 sm:grid-cols-2 lg:grid-cols-3 lg:gap-8">
              {others.map((sale) => (
                <SaleCard key={sale.sale} sale={sale} isMain={false} />
              ))}
            </div>
          )}
        </div>
      ) : (
        <NoSales state={state} />
      )}
    </div>
  );
}

function NoSales({ state }: { state: "loading" | "ready" | "unreachable" }) {
  switch (state) {
    case "loading":
      return <Skeleton className="h-160 md:h-116" />;
    case "ready":
      return (
        <Message title="No sale at the moment">
          The next one appears here by itself, with the time of its opening.
        </Message>
      );
    case "unreachable":
      return (
        <Message title="We cannot reach the shop">
          We keep trying; the sales appear here as soon as it answers.
        </Message>
      );
  }
}

const ranks: Record<SaleStatus, number> = {
  Open: 0,
  Scheduled: 1,
  Suspended: 2,
  SoldOut: 3,
  Draining: 4,
  Closed: 5,
};

/** Sales in the order in which they matter: those that are open, then by their opening. */
function inOrder(sales: readonly Sale[]): Sale[] {
  return sales.toSorted(
    (one, other) =>
      ranks[one.status] - ranks[other.status] || (one.opensAt ?? 0) - (other.opensAt ?? 0),
  );
}

interface SaleCardProps {
  sale: Sale;
  /** The first one has the width of the page. */
  isMain: boolean;
}

/** A sale in the list: all of it is the link to its page. */
const SaleCard = memo(function SaleCard({ sale, isMain }: SaleCardProps) {
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
      {named.map((product) => (
        <li key={product.productId} className="flex justify-between gap-6">
          {product.name}
          <span className="text-ink tabular-nums">{formatPrice(product)}</span>
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

/** With fewer than these, the first product stands for all. */
const MOSAIC = 4;

/** What a sale looks like: its product, or four of them. */
function SalePictures({ sale, isMain }: { sale: Sale; isMain: boolean }) {
  const [first] = sale.products;
  if (sale.products.length < MOSAIC) {
    return (
      <Picture
        image={first?.image ?? null}
        name={first?.name ?? saleTitle(sale.sale)}
        isMain={isMain}
        className="aspect-[5/4]"
      />
    );
  }
  return (
    <div className="grid aspect-[5/4] grid-cols-2 grid-rows-2 gap-0.5">
      {sale.products.slice(0, MOSAIC).map(({ productId, image, name }) => (
        <Picture key={productId} image={image} name={name} isMain={isMain} className="min-h-0" />
      ))}
    </div>
  );
}

const badges: Record<SaleStatus, readonly [Tone, string]> = {
  Scheduled: ["wait", "Opens soon"],
  Open: ["live", "Open now"],
  SoldOut: ["neutral", "Sold out"],
  Suspended: ["wait", "Paused"],
  Draining: ["neutral", "Sale over"],
  Closed: ["neutral", "Sale over"],
};

/** Where a sale stands, in two words or in the time that is left. */
function SaleBadge({ sale }: { sale: Sale }) {
  const [tone, words] = badges[sale.status];
  return (
    <Badge tone={tone}>
      {sale.status === "Scheduled" && sale.opensAt !== null ? <OpensIn at={sale.opensAt} /> : words}
    </Badge>
  );
}

function OpensIn({ at }: { at: number }) {
  const { days, hours, minutes, seconds } = useCountdown(at);
  const clock = [hours, minutes, seconds].map((unit) => String(unit).padStart(2, "0")).join(":");
  return (
    <span className="tabular-nums">
      Opens in {days > 0 && `${days} d `}
      {clock}
    </span>
  );
}
