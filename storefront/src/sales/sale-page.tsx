import { Link } from "../lib/router";
import type { Sale } from "../live/sale";
import { useOutline } from "../shop/hooks";
import { buttonClass, Message, Skeleton } from "../ui/elements";
import { PageHeading } from "../ui/layout";
import { ProductCard, ProductHero } from "./product";
import { Band, SaleBand } from "./sale-band";
import { saleTitle } from "./words";

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

/** The room that products take, while they are on their way. */
function SalePageSkeleton() {
  return (
    <div
      aria-hidden="true"
      className="grid gap-8 md:grid-cols-[1.1fr_1fr] md:items-center md:gap-14"
    >
      <Skeleton className="aspect-[5/4] md:aspect-square" />
      <div className="grid gap-6">
        <Skeleton className="h-24" />
        <Skeleton className="h-10 w-40" />
        <Skeleton className="h-9" />
        <Skeleton className="h-32" />
      </div>
    </div>
  );
}
