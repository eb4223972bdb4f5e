import { useBuys } from "../shop/hooks";
import { Link } from "../lib/router";
import { buttonClass, Message } from "../ui/elements";
import { PageHeading } from "../ui/layout";
import { OrderRow } from "./order-row";

/** Every buy of the shopper on this device, newest first. */
export function OrdersPage() {
  const buys = useBuys();
  return (
    <div className="mx-auto grid max-w-3xl gap-8">
      <div className="grid gap-3">
        <PageHeading title="My orders" />
        <p className="text-pretty text-muted">
          What you pressed Buy for, newest first. This list is kept on this device alone; the orders
          themselves are safe with the shop.
        </p>
      </div>
      {buys.length === 0 ? (
        <Message
          title="No orders yet"
          action={
            <Link href="/" className={buttonClass({ kind: "act" })}>
              See the sales
            </Link>
          }
        >
          Press Buy in a sale, and it appears here at once.
        </Message>
      ) : (
        // Without its bullets Safari takes a list for none; the role says that it is one.
        // eslint-disable-next-line jsx-a11y/no-redundant-roles
        <ul role="list" aria-label="My orders" className="grid gap-4">
          {buys.map((buy) => (
            <OrderRow key={buy.key} buy={buy} />
          ))}
        </ul>
      )}
    </div>
  );
}
