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
  /** Price at the press, in minor units of the currency. */
  readonly price: number;
  /** As in `Product`. */
  readonly currency: string | undefined;
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
  | {
      readonly is: "confirmed";
      readonly orderId: number | null;
      /** Until when it has to be paid, by the server's clock in milliseconds; not there once it is paid. */
      readonly expiresAt?: number;
    }
  /** Was confirmed, and its unit went back; `reason` as the gateway spells it. */
  | { readonly is: "cancelled"; readonly orderId: number | null; readonly reason: string | null }
  /** Ended in line without an order. */
  | { readonly is: "sold_out" | "limit_reached" | "failed" }
  /** Turned away at the turnstile; nothing was bought and nothing is on its way. */
  | { readonly is: "refused"; readonly problem: ProblemKind; readonly opensAt: string | null };

/** Whether the buy may still change: as long as it may, a press is the same buy again. */
export function isPending(buy: Buy): boolean {
  return buy.state.is === "sending" || buy.state.is === "queued";
}

/** Whether the buy is an order that waits for its payment. */
export function isUnpaid({ state }: Buy): boolean {
  return state.is === "confirmed" && state.expiresAt !== undefined;
}

/** A final outcome, as the gateway spells it. */
export type Final = Extract<
  BuyState,
  { is: "confirmed" | "cancelled" | "sold_out" | "limit_reached" | "failed" }
>;

/**
 * How far a buy has come. What was taken is never again on its way or refused, and a final
 * outcome stays; `failed` alone gives way, since whoever runs the sale can replay a dead letter. An
 * order is paid or cancelled after it was confirmed, and stays cancelled.
 */
const RANK: Record<BuyState["is"], number> = {
  sending: 0,
  refused: 0,
  queued: 1,
  failed: 2,
  sold_out: 3,
  limit_reached: 4,
  confirmed: 5,
  cancelled: 6,
};

/**
 * What two reports of one buy say together. Reports come in any order, twice, from sockets,
 * answers and other tabs: the order does not matter (commutative, associative, idempotent), so
 * all tabs end with the same.
 */
export function merge(a: Buy, b: Buy): Buy {
  const later = compare(a, b) >= 0 ? a : b;
  const pressedAt = Math.max(a.pressedAt, b.pressedAt);
  const userId = a.userId > b.userId ? a.userId : b.userId;
  // Job ids are ordered by time (UUID version 7): the greater one is of the later acknowledgement.
  const jobId = (a.jobId ?? "") > (b.jobId ?? "") ? a.jobId : b.jobId;
  const merged = { ...later, pressedAt, userId, jobId };
  return isSame(merged, a) ? a : isSame(merged, b) ? b : merged;
}

/** Whether two buys say the same. */
function isSame(a: Buy, b: Buy): boolean {
  return (
    compare(a, b) === 0 &&
    a.pressedAt === b.pressedAt &&
    a.userId === b.userId &&
    a.jobId === b.jobId
  );
}

function compare(a: Buy, b: Buy): number {
  const left = measure(a);
  const right = measure(b);
  const index = left.findIndex((part, i) => part !== right[i]);
  if (index < 0) return 0;
  return (left[index] ?? 0) > (right[index] ?? 0) ? 1 : -1;
}

/** What decides between two reports, most important first. */
function measure({ state, pressedAt }: Buy): (number | string)[] {
  const rank = RANK[state.is];
  switch (state.is) {
    case "sending":
      // Pressed again after a refusal is later; on its way is later than waiting for it.
      return [rank, pressedAt, 0, state.attempts, state.retryAt ?? Infinity, state.because ?? ""];
    case "refused":
      return [rank, pressedAt, 1, 0, 0, state.problem + (state.opensAt ?? "")];
    case "queued":
      // A place in line is never given away: the smaller one is the later.
      return [rank, -(state.position ?? Infinity)];
    case "confirmed":
      // Paid is later than waiting for it.
      return [rank, state.orderId ?? -1, state.expiresAt ?? Infinity];
    case "cancelled":
      return [rank, state.orderId ?? -1, state.reason ?? ""];
    default:
      return [rank];
  }
}

/** What is told of an order besides its number. */
export interface OrderDetails {
  readonly expiresAt?: number | null;
  readonly reason?: string | null;
}

/** The final outcome that `status` names; none while the buy waits, or for an unknown word. */
export function finalOf(
  status: string,
  orderId: number | null = null,
  { expiresAt, reason = null }: OrderDetails = {},
): Final | null {
  switch (status) {
    case "confirmed":
      return { is: status, orderId, ...(expiresAt != null && { expiresAt }) };
    case "cancelled":
      return { is: status, orderId, reason };
    case "sold_out":
    case "limit_reached":
    case "failed":
      return { is: status };
    default:
      return null;
  }
}
