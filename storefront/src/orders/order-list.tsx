import { isUnpaid, type Buy } from "../buying/buy";
import { Link } from "../lib/router";
import { PaymentNote } from "../sales/payment-note";
import { outcomeWords, salePath, saleTitle } from "../sales/words";
import { useBuys } from "../shop/hooks";
import { Badge, buttonClass, Message, type Tone } from "../ui/elements";
import { formatInstant, formatPrice } from "../ui/format";

/** Every buy of the shopper on this device, newest first. */
export default function OrderList() {
  const buys = useBuys();
  return buys.length === 0 ? (
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
  );
}

const badges: Record<Buy["state"]["is"], readonly [Tone, string]> = {
  sending: ["wait", "On its way"],
  queued: ["live", "In line"],
  confirmed: ["good", "Yours"],
  cancelled: ["neutral", "Cancelled"],
  sold_out: ["neutral", "Sold out"],
  limit_reached: ["wait", "Limit"],
  failed: ["bad", "Failed"],
  refused: ["bad", "Turned away"],
};

/** One buy of the shopper. */
function OrderRow({ buy }: { buy: Buy }) {
  const [tone, words] = isUnpaid(buy) ? (["wait", "To pay"] as const) : badges[buy.state.is];
  return (
    <li className="grid gap-x-8 gap-y-3 rounded-card bg-surface p-5 shadow-card sm:grid-cols-[1fr_auto] sm:p-6">
      <div className="grid gap-1">
        <h2 className="text-xl font-bold tracking-tight">{buy.productName}</h2>
        <p className="font-semibold tabular-nums">{outcomeWords(buy)}</p>
        {(isUnpaid(buy) || buy.state.is === "cancelled") && (
          <p className="text-sm text-pretty">
            <PaymentNote buy={buy} />
          </p>
        )}
        <p className="text-sm text-muted">
          <Link
            href={salePath(buy.sale)}
            className="underline decoration-edge underline-offset-4 hover:decoration-ink"
          >
            {saleTitle(buy.sale)}
          </Link>{" "}
          ·{" "}
          <time dateTime={new Date(buy.pressedAt).toISOString()}>
            {formatInstant(buy.pressedAt)}
          </time>
        </p>
      </div>
      <div className="flex items-center justify-between gap-4 sm:flex-col sm:items-end sm:justify-center">
        <Badge tone={tone}>{words}</Badge>
        <span className="text-lg font-bold tabular-nums">{formatPrice(buy)}</span>
      </div>
    </li>
  );
}
