import { signal, type Readable } from "../lib/signal";
import type { Keep } from "../lib/storage";
import { finalOf, isPending, merge, type Buy, type BuyState } from "./buy";

/** What buys are kept under, followed by their keys: one text each, so tabs do not collide. */
export const PREFIX = "flashsale:buy:";

/** Buys that have ended and are kept, a shopper. */
const MOST_A_SHOPPER = 50;

/** How long any buy is kept, in milliseconds. */
const LONGEST = 90 * 86_400_000;

/** The buys of this device. */
export interface Journal {
  /** All of them, newest first. */
  readonly buys: Readable<readonly Buy[]>;
  readonly get: (key: string) => Buy | null;
  /** Adds what `buy` says to what is known, in memory and on the device; answers the sum. */
  readonly put: (buy: Buy) => Buy;
  readonly drop: (key: string) => void;
  /** Reads what other tabs have written; of one key, or of all. */
  readonly reread: (key?: string) => void;
}

/** The journal in `keep`; `now` is the server's clock. */
export function createJournal(keep: Keep, now: () => number): Journal {
  const buys = signal<readonly Buy[]>([]);
  const known = new Map<string, Buy>();

  const publish = () => {
    const list = [...known.values()];
    buys.set(list.sort((a, b) => b.pressedAt - a.pressedAt || (b.key < a.key ? -1 : 1)));
  };

  const forget = (key: string) => {
    known.delete(key);
    keep.remove(PREFIX + key);
  };

  /** Nothing grows without bound, on the device least of all. */
  const prune = () => {
    const ended = new Map<string, number>();
    for (const buy of buys.get()) {
      const count = (ended.get(buy.userId) ?? 0) + (isPending(buy) ? 0 : 1);
      ended.set(buy.userId, count);
      const isTooMuch = count > MOST_A_SHOPPER && !isPending(buy);
      if (isTooMuch || now() - buy.pressedAt > LONGEST) forget(buy.key);
    }
    if (known.size !== buys.get().length) publish();
  };

  const reread = (key?: string) => {
    const keys = key === undefined ? keep.keys() : [PREFIX + key];
    let isNews = false;
    for (const place of keys.filter((place) => place.startsWith(PREFIX))) {
      const name = place.slice(PREFIX.length);
      const text = keep.get(place);
      const kept = read(text);
      const before = known.get(name);
      if (kept?.key !== name) {
        if (text !== null) keep.remove(place);
        // Another tab took it off; what is pending stays, whatever became of the storage.
        if (before && !isPending(before)) isNews = known.delete(name) || isNews;
        continue;
      }
      const after = before ? merge(before, kept) : kept;
      if (after === before) continue;
      known.set(name, after);
      isNews = true;
    }
    if (isNews) publish();
  };

  const put = (buy: Buy): Buy => {
    const { key } = buy;
    const kept = read(keep.get(PREFIX + key));
    const before = known.get(key);
    let after = before ? merge(before, buy) : buy;
    if (kept?.key === key) after = merge(after, kept);
    known.set(key, after);
    if (!kept || merge(kept, after) !== kept) keep.set(PREFIX + key, write(after));
    if (after !== before) publish();
    prune();
    return after;
  };

  reread();
  prune();
  return {
    buys,
    get: (key) => known.get(key) ?? null,
    put,
    drop: (key) => {
      forget(key);
      publish();
    },
    reread,
  };
}

/** The text of a buy. */
function write(buy: Buy): string {
  return JSON.stringify({ buy });
}

/** The buy of a text that `write` made; null for anything else, whoever wrote it. */
function read(text: string | null): Buy | null {
  let entry: unknown;
  try {
    entry = JSON.parse(text ?? "");
  } catch {
    return null;
  }
  const { buy } = fields(entry);
  const { key, userId, sale, productId, productName, price, currency, pressedAt, jobId, state } =
    fields(buy);
  const checked = stateOf(state);
  const isWhole =
    key !== "" &&
    [key, userId, sale, productId, productName].every(isText) &&
    [price, pressedAt].every(isNumber) &&
    (currency === undefined || (isText(currency) && /^[A-Z]{3}$/.test(currency))) &&
    (jobId === null || isText(jobId)) &&
    checked !== null;
  return isWhole ? { ...(buy as Buy), state: checked } : null;
}

function stateOf(value: unknown): BuyState | null {
  const { is, attempts, retryAt, because, position, orderId, problem, opensAt, expiresAt, reason } =
    fields(value);
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
  if (!isText(is)) return null;
  // Entries of before orders had to be paid have neither.
  return finalOf(is, isNumber(orderId) ? orderId : null, {
    expiresAt: isNumber(expiresAt) ? expiresAt : null,
    reason: isText(reason) ? reason : null,
  });
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
