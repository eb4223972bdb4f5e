import type { ProblemKind } from "./problem";

const PAGE_OUTDATED = "This page is out of date. Reload it, then try again.";
const BUSY = "The shop is busy. We keep trying for you.";
const GARBLED = "Something between you and the shop garbled the request. Try another network.";

const SENTENCES: Readonly<Record<ProblemKind, string>> = {
  "idempotency-key-missing": PAGE_OUTDATED,
  "idempotency-key-invalid": PAGE_OUTDATED,
  "body-invalid": PAGE_OUTDATED,
  "signature-invalid": PAGE_OUTDATED,
  "http-invalid": GARBLED,
  unauthorized: "Please sign in to buy.",
  "subject-unsupported": "Your account cannot be used here. Please contact the shop.",
  "insufficient-scope": "Your sign-in does not allow buying here. Please contact the shop.",
  "sale-not-open": "The sale is not open yet.",
  "sale-closed": "The sale is over.",
  "pass-required": "This sale asks for a check that this page cannot do. Please contact the shop.",
  "proof-refused": "The check before this sale did not work. Please press again.",
  "origin-not-allowed": PAGE_OUTDATED,
  "unknown-product": "This product is no longer on sale.",
  "unknown-sale": "This sale is no longer on.",
  "unknown-order": "We have no such order of yours.",
  "not-found": "We could not find that.",
  "method-not-allowed": PAGE_OUTDATED,
  "request-timeout": "Your connection is slow. We keep trying for you.",
  "sold-out": "Every unit is sold or spoken for.",
  "price-higher": "The price has changed and nothing was bought. Please press again.",
  "order-paid": "This order is paid.",
  "order-cancelled": "This order is cancelled.",
  "payment-over": "The time to pay is over.",
  "payment-not-offered": "This order is not paid here. Please contact the shop.",
  "body-too-large": PAGE_OUTDATED,
  "media-type-unsupported": PAGE_OUTDATED,
  "expectation-failed": GARBLED,
  "idempotency-key-reused": "Something got mixed up and nothing was bought. Please press again.",
  "upgrade-required": GARBLED,
  "quota-exceeded": "That was a bit fast. We try again for you in a moment.",
  "head-too-large": "Your browser sends too much. Clear the cookies of this shop, then try again.",
  "internal-error": "Something broke on our side. We keep trying for you.",
  "transfer-coding-unsupported": GARBLED,
  "lane-full": "The line is full right now. We keep trying for you.",
  "not-replicated": BUSY,
  unavailable: BUSY,
  "provider-unavailable": "The payment page cannot be reached. Please try again.",
  network: "We cannot reach the shop. We keep trying for you.",
};

/** A plain sentence for a shopper whose request met `kind`. */
export function sentence(kind: ProblemKind): string {
  const own = Object.hasOwn(SENTENCES, kind) ? SENTENCES[kind] : undefined;
  return own ?? "Something went wrong. Please try again.";
}
