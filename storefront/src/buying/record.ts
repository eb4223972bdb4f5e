import type { Buy, BuyState } from "./buy";
import { finalOf } from "./settle";

/** A buy as the device keeps it. */
export interface Entry {
  readonly buy: Buy;
  /** The `pressedAt` at which the shopper took it off the panel; 0 before. */
  readonly dismissed: number;
}

/** Whether it is off the panel: a later press brings it back. */
export function isDismissed({ buy, dismissed }: Entry): boolean {
  return dismissed >= buy.pressedAt;
}

/** The text of an entry. */
export function write(entry: Entry): string {
  return JSON.stringify(entry);
}

/** The entry of a text that `write` made; null for anything else, whoever wrote it. */
export function read(text: string | null): Entry | null {
  let entry: unknown;
  try {
    entry = JSON.parse(text ?? "");
  } catch {
    return null;
  }
  const { buy, dismissed } = fields(entry);
  const { key, userId, sale, productId, productName, price, pressedAt, jobId, state } = fields(buy);
  const checked = stateOf(state);
  const isWhole =
    isText(key) &&
    key !== "" &&
    isText(userId) &&
    isText(sale) &&
    isText(productId) &&
    isText(productName) &&
    isNumber(price) &&
    isNumber(pressedAt) &&
    (jobId === null || isText(jobId)) &&
    checked !== null;
  if (!isWhole) return null;
  return {
    buy: { key, userId, sale, productId, productName, price, pressedAt, jobId, state: checked },
    dismissed: isNumber(dismissed) ? dismissed : 0,
  };
}

function stateOf(value: unknown): BuyState | null {
  const { is, attempts, retryAt, because, position, orderId, problem, opensAt } = fields(value);
  if (is === "sending" && isNumber(attempts)) {
    return {
      is,
      attempts,
      retryAt: isNumber(retryAt) ? retryAt : null,
      because: isText(because) ? because : null,
    };
  }
  if (is === "queued") return { is, position: isNumber(position) ? position : null };
  if (is === "refused" && isText(problem)) {
    return { is, problem, opensAt: isText(opensAt) ? opensAt : null };
  }
  return isText(is) ? finalOf(is, isNumber(orderId) ? orderId : null) : null;
}

function fields(value: unknown): Record<string, unknown> {
  return Object(value) as Record<string, unknown>;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
