import type { Buy } from "../buying/buy";
import { Link } from "../lib/router";
import { outcomeWords } from "../sales/outcome-words";
import { salePath, saleTitle } from "../sales/sale-title";
import { Badge, type Tone } from "../ui/elements";
import { formatInstant, formatPrice } from "../ui/format";

const badges: Record<Buy["state"]["is"], readonly [Tone, string]> = {
  sending: ["wait", "On its way"],
  queued: ["live", "In line"],
  confirmed: ["good", "Yours"],
  sold_out: ["neutral", "Sold out"],
  limit_reached: ["wait", "Limit"],
  failed: ["bad", "Failed"],
  refused: ["bad", "Turned away"],
};

/** One buy of the shopper. */
export function OrderRow({ buy }: { buy: Buy }) {
  const [tone, words] = badges[buy.state.is];
  return (
    <li className="grid gap-x-8 gap-y-3 rounded-card bg-surface p-5 shadow-card sm:grid-cols-[1fr_auto] sm:p-6">
      <div className="grid gap-1">
        <h2 className="text-xl font-bold tracking-tight">{buy.productName}</h2>
        <p className="font-semibold tabular-nums">{outcomeWords(buy)}</p>
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
        <span className="text-lg font-bold tabular-nums">{formatPrice(buy.price)}</span>
      </div>
    </li>
  );
}
