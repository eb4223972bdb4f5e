import { lazy, Suspense } from "react";

import { PageHeading } from "../ui/layout";

// The heading is there at once, for who navigates by it. During an update the gateway asked may not have
// the part that this page was built with.
const OrderList = lazy(() =>
  import("./order-list").catch(() => ({
    default: () => <p>The list could not be loaded. Please load this page again.</p>,
  })),
);

/** What the shopper pressed Buy for. */
export function OrdersPage() {
  return (
    <div className="mx-auto grid max-w-3xl gap-8">
      <div className="grid gap-3">
        <PageHeading title="My orders" />
        <p className="text-pretty text-muted">
          What you pressed Buy for, newest first. This list is kept on this device alone; the orders
          themselves are safe with the shop.
        </p>
      </div>
      <Suspense>
        <OrderList />
      </Suspense>
    </div>
  );
}
