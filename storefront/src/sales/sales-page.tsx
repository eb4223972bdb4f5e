import { useSales } from "../shop/hooks";
import { Message, Skeleton } from "../ui/elements";
import { PageHeading } from "../ui/layout";
import { inOrder } from "./in-order";
import { SaleCard } from "./sale-card";

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
