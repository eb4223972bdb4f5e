import type { Sale } from "../live/sale";
import { Link } from "../lib/router";
import { buttonClass, Message } from "../ui/elements";
import { PageHeading } from "../ui/layout";
import { useOutline } from "../shop/hooks";
import { ProductCard, ProductHero } from "./product-details";
import { Band, SaleBand } from "./sale-band";
import { SalePageSkeleton } from "./sale-page-skeleton";
import { saleTitle } from "./sale-title";

/** The page of one sale. */
export function SalePage({ name }: { name: string }) {
  const { state, sale } = useOutline(name);
  if (sale) {
    return (
      <div className={APART}>
        <SaleBand sale={sale} />
        <Products sale={sale} />
      </div>
    );
  }
  if (state === "loading") {
    return (
      <div className={APART}>
        <Band name={name} />
        <SalePageSkeleton />
      </div>
    );
  }
  return (
    <>
      <PageHeading title={saleTitle(name)} />
      <Missing isUnknown={state === "unknown"} />
    </>
  );
}

const APART = "grid gap-5 sm:gap-7";

function Products({ sale }: { sale: Sale }) {
  const [first, ...others] = sale.products;
  if (!first) {
    return <Message title="Nothing in it yet">Products appear here by themselves.</Message>;
  }
  if (others.length === 0) {
    return <ProductHero sale={sale} product={first} />;
  }
  return (
    <div className="grid gap-6 sm:grid-cols-2 lg:grid-cols-3 lg:gap-8">
      {sale.products.map((product, place) => (
        <ProductCard key={product.productId} sale={sale} product={product} isMain={place === 0} />
      ))}
    </div>
  );
}

function Missing({ isUnknown }: { isUnknown: boolean }) {
  return isUnknown ? (
    <Message
      title="This sale is not on"
      action={
        <Link href="/" className={buttonClass()}>
          See all sales
        </Link>
      }
    >
      It may be over, or its address has a slip in it.
    </Message>
  ) : (
    <Message title="We cannot reach the shop">
      We keep trying; the sale appears here as soon as it answers.
    </Message>
  );
}
