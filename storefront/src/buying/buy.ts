import type { ProblemKind } from "../server/problem";

/** One wish for one unit: made by a press, kept through retries, reloads and other tabs. */
export interface Buy {
  /** The Idempotency-Key; names the buy from the press on. */
  readonly key: string;
  /** Who pressed: buys of another shopper on this device are not shown. */
  readonly userId: string;
  readonly sale: string;
  readonly productId: string;
  /** What was shown at the press, for the time when the sale is no longer in force. */
  readonly productName: string;
  /** Price at the press, in cents. */
  readonly price: number;
  /** When it was pressed, in milliseconds since the Unix epoch by the server's clock. */
  readonly pressedAt: number;
  /** The server's name for it, once it has answered "queued". */
  readonly jobId: string | null;
  readonly state: BuyState;
}

/** Where a buy stands. */
export type BuyState =
  /** On its way to the turnstile, or waiting to be sent again. */
  | {
      readonly is: "sending";
      /** How often it was sent before. */
      readonly attempts: number;
      /** When it is sent again, by the server's clock in milliseconds; null while on its way. */
      readonly retryAt: number | null;
      /** Why the last attempt did not count; `network` when nobody answered. */
      readonly because: ProblemKind | null;
    }
  /** Taken; has a place in line (1 is next), as soon as that is known. */
  | { readonly is: "queued"; readonly position: number | null }
  | { readonly is: "confirmed"; readonly orderId: number | null }
  /** Ended in line without an order. */
  | { readonly is: "sold_out" | "limit_reached" | "failed" }
  /** Turned away at the turnstile; nothing was bought and nothing is on its way. */
  | { readonly is: "refused"; readonly problem: ProblemKind; readonly opensAt: string | null };

/** Whether the buy may still change: as long as it may, a press is the same buy again. */
export function isPending(buy: Buy): boolean {
  return buy.state.is === "sending" || buy.state.is === "queued";
}
