import { memo, useEffect, useRef } from "react";

import type { Product, Sale } from "../live/sale";
import { useStock } from "../shop/hooks";
import { announce } from "../ui/announcer";
import { Picture, Skeleton } from "../ui/elements";
import { formatCount, formatPrice } from "../ui/format";
import { BuyPanel } from "./buy-panel";
import { limitWords } from "./words";

interface ProductProps {
  sale: Sale;
  product: Product;
}

/** The one product of a sale: the picture has half of the page; on a phone the button stays. */
export const ProductHero = memo(function ProductHero({ sale, product }: ProductProps) {
  return (
    <article
      aria-labelledby={headingId(product)}
      className="grid gap-x-14 gap-y-5 md:grid-cols-[1.1fr_1fr] md:grid-rows-[1fr_auto_1fr] md:gap-y-7"
    >
      <Picture
        image={product.image}
        name={product.name}
        isMain
        className="aspect-[5/4] rounded-card md:row-span-3 md:aspect-square"
      />
      <div className="grid gap-3 md:gap-6 md:self-end">
        <div className="grid gap-2 md:gap-3">
          <h2
            id={headingId(product)}
            className="text-3xl leading-[1.08] font-bold tracking-tight sm:text-5xl"
          >
            {product.name}
          </h2>
          {product.description && (
            <p className="text-lg text-pretty text-muted">{product.description}</p>
          )}
        </div>
        <Price product={product} size="text-3xl md:text-4xl" />
      </div>
      <Stock sale={sale.sale} product={product} />
      <div className="sticky bottom-0 z-10 -mx-5 border-t border-line bg-paper px-5 py-3 md:static md:m-0 md:border-0 md:p-0">
        <BuyPanel sale={sale} product={product} />
      </div>
    </article>
  );
});

/** One of several products. */
export const ProductCard = memo(function ProductCard({
  sale,
  product,
  isMain,
}: ProductProps & { isMain: boolean }) {
  return (
    <article
      aria-labelledby={headingId(product)}
      className="grid grid-rows-[auto_1fr] overflow-hidden rounded-card bg-surface shadow-card"
    >
      <Picture image={product.image} name={product.name} isMain={isMain} className="aspect-[5/4]" />
      <div className="grid grid-rows-[1fr_auto_auto_auto] gap-4 p-5 sm:p-6">
        <div className="grid content-start gap-1.5">
          <h2 id={headingId(product)} className="text-xl font-bold tracking-tight">
            {product.name}
          </h2>
          {product.description && <p className="text-pretty text-muted">{product.description}</p>}
        </div>
        <Price product={product} size="text-2xl" />
        <Stock sale={sale.sale} product={product} />
        <BuyPanel sale={sale} product={product} />
      </div>
    </article>
  );
});

function Price({ product, size }: { product: Product; size: string }) {
  return (
    <p className="flex flex-wrap items-baseline justify-between gap-x-4">
      <span className={`font-display font-bold tracking-tight tabular-nums ${size}`}>
        {formatPrice(product)}
      </span>
      <span className="text-sm text-muted">{limitWords(product.maxPerUser)}</span>
    </p>
  );
}

function headingId(product: Product): string {
  return `product-${product.productId}`;
}

interface StockProps {
  sale: string;
  product: Product;
}

/** What is left of a product, as a number and as a bar that falls. */
function Stock({ sale, product }: StockProps) {
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

/** How far a stock has fallen, in the steps that are worth a word; higher is less. */
const STOCK_LEVELS = { plenty: 0, half: 1, quarter: 2, lastTen: 3, soldOut: 4 } as const;

/** From here on every unit counts. */
const LAST_TEN = 10;

/** One of `STOCK_LEVELS`. */
type StockLevel = (typeof STOCK_LEVELS)[keyof typeof STOCK_LEVELS];

/** The level of a stock of `left` units that was `full` at first. */
function stockLevel(left: number, full: number): StockLevel {
  if (left <= 0) {
    return STOCK_LEVELS.soldOut;
  }
  if (left <= LAST_TEN) {
    return STOCK_LEVELS.lastTen;
  }
  if (left <= full / 4) {
    return STOCK_LEVELS.quarter;
  }
  return left <= full / 2 ? STOCK_LEVELS.half : STOCK_LEVELS.plenty;
}

/** A product is spoken of at most this often; what happens in between is said in one sentence. */
const QUIET_MS = 15_000;

/** Tells screen readers when a product's stock has fallen to another level. */
function useStockAnnouncements(name: string, left: number | null, full: number): void {
  const told = useRef<{ level: StockLevel | null; at: number }>({ level: null, at: -QUIET_MS });

  useEffect(() => {
    if (left === null) {
      return undefined;
    }
    const level = stockLevel(left, full);
    // What was so when the page came needs no announcement, and neither do units that came back.
    if (told.current.level === null || level <= told.current.level) {
      told.current.level = level;
      return undefined;
    }
    const wait = Math.max(0, told.current.at + QUIET_MS - performance.now());
    const timer = setTimeout(() => {
      told.current = { level, at: performance.now() };
      announce(left === 0 ? `${name}: sold out` : `${name}: ${formatCount(left)} left`);
    }, wait);
    return () => {
      clearTimeout(timer);
    };
  }, [name, left, full]);
}
