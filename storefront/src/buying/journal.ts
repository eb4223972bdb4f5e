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
  readonly entries: Readable<readonly Entry[]>;
  readonly get: (key: string) => Buy | null;
  /** Adds what `buy` says to what is known, in memory and on the device; answers the sum. */
  readonly put: (buy: Buy) => Buy;
  readonly dismiss: (key: string) => void;
  readonly drop: (key: string) => void;
  /** Reads what other tabs have written; of one key, or of all. */
  readonly reread: (key?: string) => void;
}

/** The journal in `keep`; `now` is the server's clock. */
export function createJournal(keep: Keep, now: () => number): Journal {
  const entries = signal<readonly Entry[]>([]);
  const known = new Map<string, Entry>();

  const publish = () => {
    const list = [...known.values()];
    entries.set(list.sort((a, b) => b.buy.pressedAt - a.buy.pressedAt || order(b, a)));
  };

  const forget = (key: string) => {
    known.delete(key);
    keep.remove(PREFIX + key);
  };

  /** Nothing grows without bound, on the device least of all. */
  const prune = () => {
    const ended = new Map<string, number>();
    for (const { buy } of entries.get()) {
      const count = (ended.get(buy.userId) ?? 0) + (isPending(buy) ? 0 : 1);
      ended.set(buy.userId, count);
      const isTooMuch = count > MOST_A_SHOPPER && !isPending(buy);
      if (isTooMuch || now() - buy.pressedAt > LONGEST) forget(buy.key);
    }
    if (known.size !== entries.get().length) publish();
  };

  const reread = (key?: string) => {
    const keys = key === undefined ? keep.keys() : [PREFIX + key];
    let isNews = false;
    for (const place of keys.filter((place) => place.startsWith(PREFIX))) {
      const name = place.slice(PREFIX.length);
      const text = keep.get(place);
      const entry = read(text);
      const before = known.get(name);
      if (entry?.buy.key !== name) {
        if (text !== null) keep.remove(place);
        // Another tab took it off; what is pending stays, whatever became of the storage.
        if (before && !isPending(before.buy)) isNews = known.delete(name) || isNews;
        continue;
      }
      const after = before ? sum(before, entry) : entry;
      if (after === before) continue;
      known.set(name, after);
      isNews = true;
    }
    if (isNews) publish();
  };

  const store = (entry: Entry): Buy => {
    const { key } = entry.buy;
    const kept = read(keep.get(PREFIX + key));
    const before = known.get(key);
    let after = before ? sum(before, entry) : entry;
    if (kept?.buy.key === key) after = sum(after, kept);
    known.set(key, after);
    if (!kept || sum(kept, after) !== kept) keep.set(PREFIX + key, write(after));
    if (after !== before) publish();
    prune();
    return after.buy;
  };

  reread();
  prune();
  return {
    entries,
    get: (key) => known.get(key)?.buy ?? null,
    put: (buy) => store({ buy, dismissed: 0 }),
    dismiss: (key) => {
      const entry = known.get(key);
      if (entry) store({ ...entry, dismissed: entry.buy.pressedAt });
    },
    drop: (key) => {
      forget(key);
      publish();
    },
    reread,
  };
}

/** What both say, as the very object that says it already where there is one. */
function sum(a: Entry, b: Entry): Entry {
  const buy = merge(a.buy, b.buy);
  const dismissed = Math.max(a.dismissed, b.dismissed);
  if (buy === a.buy && dismissed === a.dismissed) return a;
  if (buy === b.buy && dismissed === b.dismissed) return b;
  return { buy, dismissed };
}

function order(a: Entry, b: Entry): number {
  return a.buy.key < b.buy.key ? -1 : 1;
}

/** A buy as the device keeps it. */
interface Entry {
  readonly buy: Buy;
  /** The `pressedAt` at which the shopper took it off the panel; 0 before. */
  readonly dismissed: number;
}

/** Whether it is off the panel: a later press brings it back. */
export function isDismissed({ buy, dismissed }: Entry): boolean {
  return dismissed >= buy.pressedAt;
}

/** The text of an entry. */
function write(entry: Entry): string {
  return JSON.stringify(entry);
}

/** The entry of a text that `write` made; null for anything else, whoever wrote it. */
function read(text: string | null): Entry | null {
  let entry: unknown;
  try {
    entry = JSON.parse(text ?? "");
  } catch {
    return null;
  }
  const { buy, dismissed } = fields(entry);
  const { key, userId, sale, productId, productName, price, currency, pressedAt, jobId, state } =
    fields(buy);
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
    buy: {
      key,
      userId,
      sale,
      productId,
      productName,
      price,
      // Entries of before sales had currencies have none.
      currency: isText(currency) && /^[A-Z]{3}$/.test(currency) ? currency : "USD",
      pressedAt,
      jobId,
      state: checked,
    },
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
