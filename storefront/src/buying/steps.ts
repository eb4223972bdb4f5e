import type { Catalogue } from "../live/catalogue";
import { instant } from "../live/sale";
import type { Answer, Gateway, OrderView } from "../server/gateway";
import { isRetryable, pauseAfter } from "../server/problem";
import type { Problem, ProblemKind } from "../server/problem";
import type { Buy, BuyState } from "./buy";
import { finalOf } from "./buy";

/** An opening this near (milliseconds) is waited for: the shopper's clock was a little ahead. */
export const NEAR = 10_000;

/** How long after the press a buy is sent by itself. Later it would surprise the shopper. */
export const LONGEST_WISH = 3_600_000;

/** How often a buy whose pass was not accepted is sent again with another one. */
const MOST_PASSES = 2;

/** What sending made of a buy; `newKey` when it must go again under another key. */
export type Sent = { readonly buy: Buy } | { readonly newKey: true };

/** What becomes of `buy` by the answer to sending it. */
export function afterSending(
  buy: Buy,
  answer: Awaited<ReturnType<Gateway["buy"]>>,
  now: number,
  random: number,
): Sent {
  if (answer.ok) {
    const { jobId, position } = answer.value;
    return { buy: { ...buy, jobId, state: { is: "queued", position } } };
  }
  const { problem } = answer;
  if (problem.kind === "idempotency-key-reused") return { newKey: true };
  return { buy: { ...buy, state: stateAfter(problem, attemptsOf(buy) + 1, now, random) } };
}

function stateAfter(problem: Problem, attempts: number, now: number, random: number): BuyState {
  const { kind } = problem;
  const again = (retryAt: number | null): BuyState => ({
    is: "sending",
    attempts,
    retryAt,
    because: kind,
  });
  if (kind === "unauthorized") return again(null);
  if (isRetryable(problem)) return again(now + pauseAfter(problem, attempts - 1, random));
  const isOldPass = kind === "pass-required" || kind === "proof-refused";
  if (isOldPass && attempts <= MOST_PASSES) return again(now + pauseAfter(problem, 0, random));
  const opensAt = instant(problem.opensAt);
  if (kind === "sale-not-open" && opensAt !== null && opensAt - now <= NEAR) {
    // When the opening is past by our clock, ours is ahead: come again after a moment.
    return again(Math.max(opensAt, now + 200) + random * 200);
  }
  return { is: "refused", problem: kind, opensAt: problem.opensAt };
}

/** The state of a buy whose turn to be sent has come, or why it is not sent. */
export function beforeSending(buy: Buy, now: number): BuyState {
  if (now - buy.pressedAt > LONGEST_WISH) return refused("network");
  return { is: "sending", attempts: attemptsOf(buy), retryAt: null, because: becauseOf(buy) };
}

/** What asking made of a buy. */
export type Asked =
  | { readonly state: BuyState; readonly ticket: number | null }
  /** Nobody knows it any more. */
  | { readonly isLost: true }
  /** Ask again after this many milliseconds. */
  | { readonly wait: number };

/** What becomes of a buy by the answer to asking for it; `failures` is how many failed before. */
export function afterAsking(answer: Answer<OrderView>, failures: number, random: number): Asked {
  if (answer.ok) {
    const { status, orderId, order, position, ticket } = answer.value;
    const details = { expiresAt: instant(order?.expiresAt), reason: order?.reason ?? null };
    const state = finalOf(status, orderId ?? order?.id, details) ?? {
      is: "queued",
      position: position ?? null,
    };
    return { state, ticket: ticket ?? null };
  }
  const { problem } = answer;
  if (problem.kind === "unknown-order") return { isLost: true };
  return { wait: pauseAfter(problem, failures, random) };
}

/**
 * What an acknowledged buy that Redis lost ends as, when sending it again did not take it: the
 * answer to that, or none while it may still pass.
 */
export function afterLoss(answer: Answer<unknown>): BuyState | null {
  if (answer.ok) return null;
  const { problem } = answer;
  if (isRetryable(problem) || problem.kind === "unauthorized") return null;
  return { is: problem.kind === "sold-out" ? "sold_out" : "failed" };
}

/** Whether the product is still offered by the sale in which it was pressed. */
export function isOffered(catalogue: Catalogue, buy: Buy): boolean {
  const { sales } = catalogue.sales.get();
  const sale = sales.find(({ sale }) => sale === buy.sale);
  return sale?.products.some(({ productId }) => productId === buy.productId) === true;
}

function refused(problem: ProblemKind): BuyState {
  return { is: "refused", problem, opensAt: null };
}

function attemptsOf({ state }: Buy): number {
  return state.is === "sending" ? state.attempts : 0;
}

function becauseOf({ state }: Buy): ProblemKind | null {
  return state.is === "sending" ? state.because : null;
}
