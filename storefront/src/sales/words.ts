import type { Buy } from "../buying/buy";
import type { Sale } from "../live/sale";
import { sentence } from "../server/sentences";
import { formatClock, formatCount, formatTime } from "../ui/format";

/** A sale's name as a title: `winter-market` is "Winter market". */
export function saleTitle(name: string): string {
  const words = name.replaceAll(/[-_.]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The address of a sale's page. */
export function salePath(name: string): string {
  return `/shop/${encodeURIComponent(name)}`;
}

/** Where a buy stands, in the words that the shop uses everywhere. */
export function outcomeWords({ state }: Buy): string {
  switch (state.is) {
    case "sending":
      return state.because === null ? "On its way" : sentence(state.because);
    case "queued":
      return state.position === null
        ? "You are in line"
        : `You are in line, position ${formatCount(state.position)}`;
    case "confirmed": {
      const yours = state.orderId === null ? "It’s yours" : `It’s yours, order ${state.orderId}`;
      return state.expiresAt ? `${yours}, pay until ${formatClock(state.expiresAt)}` : yours;
    }
    case "cancelled":
      return state.orderId === null ? "Order cancelled" : `Order ${state.orderId} is cancelled`;
    case "sold_out":
      return "Sold out";
    case "limit_reached":
      return "You have your share already";
    case "failed":
      return "Something went wrong with this order";
    case "refused":
      return state.problem === "sold-out" ? "Sold out" : sentence(state.problem);
  }
}

/** How many one shopper can have, as a sentence. */
export function limitWords(maxPerUser: number | null): string {
  if (maxPerUser === null) {
    return "";
  }
  return maxPerUser === 1 ? "One per person." : `At most ${maxPerUser} per person.`;
}

/** What the button says while it cannot be pressed, and why. */
export interface AsleepWords {
  readonly words: string;
  readonly note: string;
}

/** Why nobody can buy now; null when everybody can. */
export function asleepWords({ status, opensAt }: Sale, isSoldOut: boolean): AsleepWords | null {
  switch (status) {
    case "Scheduled":
      return {
        words: "Opens soon",
        note: `The button wakes by itself${opensAt === null ? "" : ` at ${formatTime(opensAt)}`}. No need to reload.`,
      };
    case "Suspended":
      return { words: "Paused", note: "The sale is paused. The button wakes by itself." };
    case "Draining":
    case "Closed":
      return { words: "Sale over", note: "This sale has ended." };
    case "SoldOut":
      return soldOut;
    case "Open":
      return isSoldOut ? soldOut : null;
  }
}

const soldOut: AsleepWords = {
  words: "Sold out",
  note: "Should a unit come back, the button wakes by itself.",
};
