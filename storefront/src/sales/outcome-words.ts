import type { Buy } from "../buying/buy";
import { sentence } from "../server/sentences";
import { formatCount } from "../ui/format";

/** Where a buy stands, in the words that the shop uses everywhere. */
export function outcomeWords({ state }: Buy): string {
  switch (state.is) {
    case "sending":
      return state.because === null ? "On its way" : sentence(state.because);
    case "queued":
      return state.position === null
        ? "You are in line"
        : `You are in line, position ${formatCount(state.position)}`;
    case "confirmed":
      return state.orderId === null ? "It’s yours" : `It’s yours, order ${state.orderId}`;
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
