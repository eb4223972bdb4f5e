import { memo } from "react";

import type { Product, Sale } from "../live/sale";
import { formatPrice } from "../ui/format";
import { Picture } from "../ui/elements";
import { BuyPanel } from "./buy-panel";
import { limitWords } from "./outcome-panel";
import { Stock } from "./stock";

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
        {formatPrice(product.price)}
      </span>
      <span className="text-sm text-muted">{limitWords(product.maxPerUser)}</span>
    </p>
  );
}

function headingId(product: Product): string {
  return `product-${product.productId}`;
}
