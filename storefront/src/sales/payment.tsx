import type { Buy } from "../buying/buy";
import { useCountdown } from "../shop/hooks";

/** What the shopper should know of the payment of an order, or of its cancellation. */
export default function Payment({ state }: { state: Buy["state"] }) {
  if (state.is === "cancelled") return reasonWords(state.reason);
  return state.is === "confirmed" && state.expiresAt !== undefined ? (
    <TimeLeft until={state.expiresAt} />
  ) : null;
}

/** How long an order waits for its payment still, by the server's clock. */
function TimeLeft({ until }: { until: number }) {
  const { days, hours, minutes, seconds, isOver } = useCountdown(until);
  if (isOver) {
    return "The time to pay is over. One moment, we look whether your payment has arrived.";
  }
  const left = [days * 24 + hours, minutes, seconds].map((part) => String(part).padStart(2, "0"));
  return (
    <>
      Time left to pay:{" "}
      <span role="timer" aria-label="Time left to pay" className="font-semibold tabular-nums">
        {left.join(":")}
      </span>
      . After that it goes to somebody else.
    </>
  );
}

const reasons: Partial<Record<string, string>> = {
  expired: "It was not paid in time, so it went back on sale.",
  shopper: "You cancelled it.",
  staff: "The shop cancelled it.",
  declined: "Your payment was declined, so it went back on sale.",
  refunded: "Your money is on its way back to you.",
};

/** Why an order was cancelled. Shops may have reasons of their own, which are not for shoppers. */
function reasonWords(reason: string | null): string {
  return reasons[reason ?? ""] ?? "Ask the shop why.";
}
