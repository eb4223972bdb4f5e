import { useState } from "react";

import type { Buy } from "../buying/buy";
import type { components } from "../server/schema";
import { useCountdown, useSale, useShop } from "../shop/hooks";
import { Button } from "../ui/elements";

type Schemas = components["schemas"];

/** What the shopper should know of the payment of an order, or of its cancellation. */
export default function Payment({ buy }: { buy: Buy }) {
  const { state } = buy;
  if (state.is === "cancelled") return reasonWords(state.reason);
  return state.is === "confirmed" && state.expiresAt !== undefined ? (
    <TimeLeft buy={buy} until={state.expiresAt} />
  ) : null;
}

/** How long an order waits for its payment still, by the server's clock. */
function TimeLeft({ buy, until }: { buy: Buy; until: number }) {
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
      <Actions buy={buy} />
    </>
  );
}

// Not those of sentences.ts: sharing them with this part of the bundle would cost the first one 1 kB. An order
// that was paid or cancelled meanwhile is told as any other.
const failures = {
  checkout: "The payment page cannot be reached. Please try again.",
  cancel: "It could not be cancelled. Please try again.",
};

/** Paying and giving back, in sales whose orders are paid at a provider. */
function Actions({ buy }: { buy: Buy }) {
  const { gateway } = useShop();
  const { sale } = useSale(buy.sale);
  const [isBusy, setBusy] = useState(false);
  const [note, setNote] = useState("");
  if (!sale?.hasProvider || buy.jobId === null) return null;
  const path = `/orders/${encodeURIComponent(buy.jobId)}`;

  const ask = async <T,>(call: keyof typeof failures, has: keyof T): Promise<T | null> => {
    setBusy(true);
    setNote("");
    const answer = await gateway.post<T>(`${path}/${call}`, has, {});
    if (answer.ok) return answer.value;
    setBusy(false);
    setNote(failures[call]);
    return null;
  };
  const pay = async () => {
    const page = await ask<Schemas["CheckoutView"]>("checkout", "url");
    if (page && /^https?:/.test(page.url)) location.assign(page.url);
    // Whoever comes back by the browser's button may press again.
    setBusy(false);
  };

  return (
    <>
      <span className="mt-2 flex flex-wrap gap-2">
        <Button kind="act" size="small" disabled={isBusy} onClick={() => void pay()}>
          Pay now
        </Button>
        <Button
          size="small"
          disabled={isBusy}
          // It stays busy until the cancellation is heard of, as of any other.
          onClick={() => void ask<Schemas["CancelledView"]>("cancel", "status")}
        >
          Cancel order
        </Button>
      </span>
      <span role="status" className="block">
        {note}
      </span>
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
