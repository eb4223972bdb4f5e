import { memo } from "react";

import type { Product, Sale } from "../live/sale";
import { formatPrice } from "../ui/numbers";
import { Picture } from "../ui/picture";
import { BuyPanel } from "./buy-panel";
import { limitWords } from "./outcome-panel";
import { Stock } from "./stock";

interface ProductProps {
  sale: Sale;
  product: Product;
}

/** The one product of a sale: the picture has half of the page. */
export const ProductHero = memo(function ProductHero({ sale, product }: ProductProps) {
  return (
    <article
      aria-labelledby={headingId(product)}
      className="grid gap-8 md:grid-cols-[1.1fr_1fr] md:items-center md:gap-14"
    >
      <Picture image={product.image} name={product.name} isMain className="rounded-card" />
      <div className="grid gap-6">
        <div className="grid gap-3">
          <h2
            id={headingId(product)}
            className="text-3xl leading-[1.08] font-bold tracking-tight sm:text-5xl"
          >
            {product.name}
          </h2>
          <p className="text-lg text-pretty text-muted">{product.description}</p>
        </div>
        <Price product={product} size="text-4xl" />
        <Stock sale={sale.sale} productId={product.productId} name={product.name} />
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
      <Picture image={product.image} name={product.name} isMain={isMain} />
      <div className="grid grid-rows-[1fr_auto_auto_auto] gap-5 p-5 sm:p-6">
        <div className="grid content-start gap-1.5">
          <h2 id={headingId(product)} className="text-xl font-bold tracking-tight">
            {product.name}
          </h2>
          <p className="text-pretty text-muted">{product.description}</p>
        </div>
        <Price product={product} size="text-2xl" />
        <Stock sale={sale.sale} productId={product.productId} name={product.name} />
        <BuyPanel sale={sale} product={product} />
      </div>
    </article>
  );
});

function Price({ product, size }: { product: Product; size: string }) {
  return (
    <p className="flex flex-wrap items-baseline justify-between gap-x-4">
      <span className={`font-display font-bold tracking-tight tabular-nums ${size}`}>
        {formatPrice(product.price)}
      </span>
      <span className="text-sm text-muted">{limitWords(product.maxPerUser)}</span>
    </p>
  );
}

function headingId(product: Product): string {
  return `product-${product.productId}`;
}
