import type { components } from "../../server/schema";
import { formatCount, formatPrice } from "../../ui/format";
import { call, callText } from "../feed/calls";

/** What came of a sale. */
export type SaleReport = components["schemas"]["SaleReport"];

/** Longer than the gateway lets PostgreSQL count. */
const PATIENCE_MS = 12_000;

export function fetchReport(token: string, sale: string): Promise<SaleReport> {
  return call<SaleReport>(token, addressOf(sale), undefined, PATIENCE_MS);
}

export function fetchMarkdown(token: string, sale: string): Promise<string> {
  return callText(token, `${addressOf(sale)}.md`, PATIENCE_MS);
}

function addressOf(sale: string): string {
  return `/operations/sales/${encodeURIComponent(sale)}/report`;
}

/** What is not known is never 0. */
export function known(count: number | undefined): string {
  return count === undefined ? "unknown" : formatCount(count);
}

/** A sum of money; in minor units where the currency is not known. */
export function formatSum(sum: number, currency: string | null): string {
  return currency === null
    ? `${formatCount(sum)} minor units`
    : formatPrice({ price: sum, currency });
}

/** A step of buys, with how many got there. */
export interface Step {
  readonly name: string;
  readonly count: string;
  /** Whether it is a part of the step before it. */
  readonly isPart: boolean;
}

/** Asked, refused by reason, queued, confirmed, paid, expired, refunded. */
export function stepsOf({ buys, total }: SaleReport): Step[] {
  const { orders, turnedAway } = total;
  const whole = (name: string, count: number | undefined): Step => ({
    name,
    count: known(count),
    isPart: false,
  });
  const part = (name: string, count: number): Step => ({
    name,
    count: formatCount(count),
    isPart: true,
  });
  return [
    whole("Asked", buys?.asked),
    whole("Refused", buys?.refused),
    ...Object.entries(buys?.refusedByReason ?? {}).map(([reason, count]) => part(reason, count)),
    whole("Repeated", buys?.repeated),
    whole("Queued", buys?.queued),
    whole("Sold out when settled", turnedAway?.soldOut),
    whole("Limit reached", turnedAway?.limitReached),
    whole("Confirmed", orders.confirmed),
    part("Paid", orders.paid),
    part("Waiting for payment", orders.waiting),
    part("Expired", orders.expired),
    part("Refunded", orders.refunded),
    ...Object.entries(orders.cancelledByReason).map(([reason, count]) =>
      part(reason === "" ? "Cancelled, no reason given" : `Cancelled, ${reason}`, count),
    ),
  ];
}
