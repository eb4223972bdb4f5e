import type { Identity } from "../identity/session";
import { unique } from "../lib/unique";
import { signal } from "../lib/signal";
import type { Readable } from "../lib/signal";
import { isPending } from "./buy";
import type { Buy } from "./buy";
import type { Journal } from "./journal";
import type { WithLock } from "./lock";
import type { Pursuit } from "./pursue";

/** What a press asks for, as it was shown. */
export type Wish = Pick<Buy, "sale" | "productId" | "productName" | "price" | "currency">;

/** Buying, as pages see it. */
export interface Buying {
  /** The shopper's buys, newest first. */
  readonly buys: Readable<readonly Buy[]>;
  /** Their newest one of a product. */
  readonly current: (sale: string, productId: string) => Readable<Buy | null>;
  readonly press: (wish: Wish) => Promise<void>;
  readonly again: (wish: Wish) => Promise<void>;
  /** Looks anew whose buys these are, after a sign-in or sign-out. */
  readonly lookWho: () => void;
}

/** What buying is made of. */
export interface BuyingParts {
  readonly journal: Journal;
  readonly pursuit: Pursuit;
  readonly identity: Pick<Identity, "shopper" | "session">;
  readonly withLock: WithLock;
  /** The server's clock. */
  readonly now: () => number;
}

/** Whose a buy is while nobody is signed in. */
export const NOBODY = "";

/** How long a press may wait for other tabs, in milliseconds. */
const PATIENCE = 1500;

/** Two presses within this many milliseconds are one, however fast the first one ended. */
const DOUBLE = 700;

/** A press before the sign-in counts for whoever signs in within this many milliseconds. */
const SIGN_IN = 15 * 60_000;

/** Buying over `journal`. */
export function createBuying(parts: BuyingParts): Buying {
  const { journal, pursuit, identity, withLock, now } = parts;
  const buys = signal<readonly Buy[]>([]);
  const who = () => identity.shopper() ?? NOBODY;

  const show = () => {
    const mine = who();
    const list = journal.buys.get().filter((buy) => buy.userId === mine);
    const before = buys.get();
    if (list.length !== before.length || list.some((buy, i) => buy !== before[i])) buys.set(list);
  };

  const newest = (sale: string, productId: string) => {
    const mine = who();
    return journal.buys
      .get()
      .find((buy) => buy.userId === mine && buy.sale === sale && buy.productId === productId);
  };

  const begin = (wish: Wish, startsAnew: (buy: Buy) => boolean) => {
    const userId = who();
    const { sale, productId } = wish;
    return withLock(`press:${userId}:${sale}:${productId}`, PATIENCE, () => {
      journal.reread();
      const before = newest(sale, productId);
      const isDouble = before !== undefined && Math.abs(now() - before.pressedAt) < DOUBLE;
      const isFree = !before || startsAnew(before);
      if (isFree && !isDouble && !(before && isPending(before))) {
        journal.put({
          // A wish that never got an answer may have been taken: its key finds out.
          key: (before && unanswered(before)) ?? unique(),
          userId,
          ...wish,
          // Later than the one before, whatever the clock has learned in between.
          pressedAt: Math.max(now(), (before?.pressedAt ?? 0) + 1),
          jobId: null,
          state: { is: "sending", attempts: 0, retryAt: null, because: waitsFor() },
        });
      }
      pursuit.resume();
      return Promise.resolve();
    });
  };

  const waitsFor = () => (identity.session.get().needsSignIn ? "unauthorized" : null);

  /** Buys pressed before the sign-in become those of who signed in. */
  const adopt = () => {
    const mine = identity.shopper();
    if (mine === null) return;
    for (const buy of journal.buys.get()) {
      if (buy.userId !== NOBODY || buy.state.is !== "sending") continue;
      if (now() - buy.pressedAt < SIGN_IN) journal.put({ ...buy, userId: mine });
      else journal.drop(buy.key);
    }
  };

  journal.buys.subscribe(show);
  show();
  return {
    buys,
    current: (sale, productId) => ({
      subscribe: (listener) => journal.buys.subscribe(listener),
      get: () => newest(sale, productId) ?? null,
    }),
    press: (wish) => begin(wish, (buy) => buy.state.is === "refused"),
    again: (wish) => begin(wish, () => true),
    lookWho: () => {
      adopt();
      show();
      pursuit.resume();
    },
  };
}

/** The key of a buy that was given up without ever having been answered. */
function unanswered({ key, state }: Buy): string | undefined {
  return state.is === "refused" && state.problem === "network" ? key : undefined;
}
