import type { Buy, BuyState } from "./buy";

/** A final outcome, as the gateway spells it. */
export type Final = Extract<
  BuyState,
  { is: "confirmed" | "sold_out" | "limit_reached" | "failed" }
>;

/**
 * How far a buy has come. What was taken is never again on its way or refused, and a final
 * outcome stays; `failed` alone gives way, since whoever runs the sale can replay a dead letter.
 */
const RANK: Record<BuyState["is"], number> = {
  sending: 0,
  refused: 0,
  queued: 1,
  failed: 2,
  sold_out: 3,
  limit_reached: 4,
  confirmed: 5,
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
      return [rank, state.orderId ?? -1];
    default:
      return [rank];
  }
}

/** The final outcome that `status` names; none while the buy waits, or for an unknown word. */
export function finalOf(status: string, orderId?: number | null): Final | null {
  switch (status) {
    case "confirmed":
      return { is: status, orderId: orderId ?? null };
    case "sold_out":
    case "limit_reached":
    case "failed":
      return { is: status };
    default:
      return null;
  }
}
