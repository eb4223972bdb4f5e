import type { SaleFigures } from "../feed/figures";
import { formatAge, formatTicking } from "../wording";

/** Where a sale stands in time, in a few words: "open since 3 min 12 s · closes in 04:09". */
export function clockOf(sale: SaleFigures, now: number): string {
  const opens = sale.opensAt === null ? null : Date.parse(sale.opensAt);
  const closes = sale.closesAt === null ? null : Date.parse(sale.closesAt);
  if (sale.status === "Closed" || sale.status === "Draining") {
    return closes !== null && closes <= now ? `closed since ${formatAge(now - closes)}` : "closed";
  }
  if (opens !== null && now < opens) {
    return `opens in ${formatTicking(opens - now)}`;
  }
  const since = opens === null ? "open from the start" : `open since ${formatAge(now - opens)}`;
  if (closes === null) {
    return since;
  }
  return closes > now ? `${since} · closes in ${formatTicking(closes - now)}` : "closing";
}

/** The words for a sale's state. */
export function stateWord(status: string): string {
  return status === "SoldOut" ? "Sold out" : status;
}
