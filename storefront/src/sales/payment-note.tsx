import { lazy, Suspense } from "react";

import type { Buy } from "../buying/buy";

// Not in the first bundle: it is needed after a buy, in sales where orders have to be paid. The
// headline above it says the time, should it not be there.
const Note = lazy(() => import("./payment").catch(() => ({ default: () => null })));

/** What the shopper should know of the payment of an order, or of its cancellation. */
export function PaymentNote({ buy }: { buy: Buy }) {
  return (
    <Suspense>
      <Note buy={buy} />
    </Suspense>
  );
}
