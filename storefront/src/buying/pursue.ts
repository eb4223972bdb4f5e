import type { Catalogue } from "../live/catalogue";
import type { Passes } from "../pass/passes";
import type { Gateway } from "../server/gateway";
import { backoff } from "../server/problem";
import { isPending, isUnpaid, finalOf } from "./buy";
import type { Buy, Final, OrderDetails } from "./buy";
import type { Journal } from "./journal";
import type { WithLock } from "./lock";
import { createNaps } from "../lib/timing";
import {
  LONGEST_WISH,
  afterAsking,
  afterLoss,
  afterSending,
  beforeSending,
  isOffered,
} from "./steps";
import { unique } from "../lib/unique";

/** How long another tab may be busy with sending the same buy, in milliseconds. */
const PATIENCE = 4000;

/** While events come by socket, how often a waiting buy is asked for all the same. */
const LIVE_PAUSE = 20_000;

/** Before the session is looked at again, which tells whether there is still somebody to act for. */
export const SIGN_IN_PAUSE = 2000;

/** How often a buy that Redis lost is sent again before it is given up. */
const MOST_RESENDS = 3;

/** Outcomes that came by socket before the answer that names the job. */
const MOST_EARLY = 50;

/** Orders of before this page that are asked for once more. */
const MOST_STALE = 10;

/** What a pursuit needs. */
export interface PursuitParts {
  readonly gateway: Pick<Gateway, "buy" | "order">;
  readonly journal: Journal;
  readonly catalogue: Catalogue;
  readonly passes: Pick<Passes, "of" | "asked">;
  readonly withLock: WithLock;
  /** The server's clock. */
  readonly now: () => number;
  readonly random: () => number;
  /** Whether the shopper can be served: known, and it is them. */
  readonly mayAct: (buy: Buy) => boolean;
  readonly isLive: () => boolean;
  /** Has what is on sale asked for anew. */
  readonly refreshSales: () => void;
}

/** Brings every pending buy to its end, and every order to its payment. */
export interface Pursuit {
  /** Goes on with every buy of the shopper that is not at its end and that nobody goes on with. */
  readonly resume: () => void;
  /** Tries at once what only waits for the network, and asks for what waits in line or for payment. */
  readonly hurry: () => void;
  /** An outcome by socket; false when the job is unknown here. */
  readonly heard: (
    jobId: string,
    outcome: string,
    orderId: number | null,
    details?: OrderDetails,
  ) => boolean;
  /** `settled` jobs of the product's lane have ended since the sale began. */
  readonly laneMoved: (productId: string, settled: number) => void;
  readonly stop: () => void;
}

/** A pursuit that has not begun. */
export function createPursuit(parts: PursuitParts): Pursuit {
  const {
    gateway,
    journal,
    catalogue,
    passes,
    withLock,
    now,
    random,
    mayAct,
    isLive,
    refreshSales,
  } = parts;
  const naps = createNaps();
  const running = new Set<string>();
  const early = new Map<string, Final>();
  const tickets = new Map<string, number>();
  /** The newest orders of before this page: they may have been cancelled since. */
  const stale = new Set(
    journal.buys
      .get()
      .flatMap((buy) => (buy.state.is === "confirmed" ? buy.key : []))
      .slice(0, MOST_STALE),
  );
  let isStopped = false;

  /** Whether there is something to send or to ask for. */
  const isOpen = (buy: Buy) => isPending(buy) || isUnpaid(buy) || stale.has(buy.key);

  const resume = () => {
    isStopped = false;
    for (const buy of journal.buys.get()) {
      if (!isOpen(buy) || !mayAct(buy) || running.has(buy.key)) continue;
      running.add(buy.key);
      void pursue(buy.key);
    }
  };

  const pursue = async (key: string) => {
    const chase: Chase = { failures: 0, polls: 0, resends: 0, isNew: false, isTold: false };
    for (;;) {
      const buy = journal.get(key);
      if (isStopped || !buy || !isOpen(buy) || !mayAct(buy)) break;
      const isSending = buy.state.is === "sending";
      const wait = isSending ? await send(buy) : await follow(buy, chase);
      if (isSending) chase.isNew = true;
      // What becomes of it in here was just told, by a socket or an answer.
      if (isPending(buy)) chase.isTold = true;
      if (wait > 0) await naps.sleep(key, wait);
    }
    running.delete(key);
    tickets.delete(key);
  };

  /** Sends a buy if its time has come; answers how long to sleep. */
  const send = async (buy: Buy): Promise<number> => {
    if (buy.state.is !== "sending") return 0;
    const wait = (buy.state.retryAt ?? 0) - now();
    if (wait > 0) return wait;
    // Got before the lock is taken, since it may take a while.
    const pass = await passes.of(buy.sale, buy.userId);
    return withLock(`send:${buy.key}`, PATIENCE, async () => {
      journal.reread(buy.key);
      const current = journal.get(buy.key);
      // Another tab may have sent it while this one waited for its turn.
      if (current?.state.is !== "sending" || (current.state.retryAt ?? 0) > now()) return 0;
      const state = beforeSending(current, now());
      const leaving = journal.put({ ...current, state });
      if (leaving.state.is !== "sending") return 0;
      const answer = await buyWith(pass, buy);
      const sent = afterSending(leaving, answer, now(), random());
      if ("newKey" in sent) {
        journal.put({ ...leaving, key: unique() });
        journal.drop(buy.key);
        resume();
        return 0;
      }
      note(sent.buy);
      return answer.ok || answer.problem.kind !== "unauthorized" ? 0 : SIGN_IN_PAUSE;
    });
  };

  /** Buys with a pass, or not at all where it could not be got. */
  const buyWith = async (pass: Awaited<ReturnType<Passes["of"]>>, buy: Buy) => {
    if (!pass.ok) return pass;
    const answer = await gateway.buy(buy, pass.value);
    const kind = answer.ok ? null : answer.problem.kind;
    if (kind === "pass-required") passes.asked(buy.sale, buy.userId);
    if (kind === "price-higher") refreshSales();
    return answer;
  };

  /** Waits for the event that an order was paid or cancelled, and asks where none came. */
  const follow = async (buy: Buy, chase: Chase): Promise<number> => {
    const { state } = buy;
    if (!chase.isTold || state.is !== "confirmed") return ask(buy, chase);
    chase.isTold = false;
    const pause = LIVE_PAUSE * (0.75 + random() / 2);
    // Those whose windows end together do not all ask together.
    return isLive() ? pause + Math.max(0, (state.expiresAt ?? 0) - now()) : pause;
  };

  /** Asks for a buy that waits in line or for its payment; answers how long to sleep. */
  const ask = async (buy: Buy, chase: Chase): Promise<number> => {
    if (buy.jobId === null) return Infinity;
    if (chase.isNew) {
      chase.isNew = false;
      return 700 + random() * 600;
    }
    const asked = afterAsking(await gateway.order(buy.jobId), chase.failures, random());
    if (!("wait" in asked)) stale.delete(buy.key);
    if ("isLost" in asked) return isPending(buy) ? resend(buy, chase) : LIVE_PAUSE;
    if ("wait" in asked) {
      chase.failures += 1;
      return asked.wait;
    }
    chase.failures = 0;
    chase.isTold = true;
    if (asked.ticket !== null) tickets.set(buy.key, asked.ticket);
    if (note({ ...buy, state: asked.state }).state.is !== "queued") return 0;
    chase.polls += 1;
    return isLive() ? LIVE_PAUSE * (0.75 + random() / 2) : backoff(chase.polls + 1, random());
  };

  /**
   * An acknowledged buy that nobody knows: Redis lost it. The same key makes it whole or finds
   * the order that it has become (law 3); a wish from long ago is not made anew.
   */
  const resend = async (buy: Buy, chase: Chase): Promise<number> => {
    const isGone = now() - buy.pressedAt > LONGEST_WISH || chase.resends >= MOST_RESENDS;
    if (catalogue.sales.get().state !== "ready") return backoff(1, random());
    if (isGone || !isOffered(catalogue, buy)) {
      journal.put({ ...buy, state: { is: "failed" } });
      return 0;
    }
    chase.resends += 1;
    const answer = await buyWith(await passes.of(buy.sale, buy.userId), buy);
    const end = afterLoss(answer);
    if (answer.ok) note({ ...buy, jobId: answer.value.jobId });
    else if (end) journal.put({ ...buy, state: end });
    return backoff(chase.resends, random());
  };

  /** Writes down what is known of a buy, with what was heard of its job before. */
  const note = (buy: Buy): Buy => {
    const outcome = buy.jobId === null ? undefined : early.get(buy.jobId);
    if (outcome && buy.jobId !== null) early.delete(buy.jobId);
    return journal.put(outcome ? { ...buy, state: outcome } : buy);
  };

  return {
    resume,
    hurry: () => {
      resume();
      for (const buy of journal.buys.get()) {
        if (!running.has(buy.key)) continue;
        if (buy.state.is === "queued" || isUnpaid(buy))
          setTimeout(naps.wake, random() * 800, buy.key);
        // What the server asked to wait for is waited for.
        if (buy.state.is !== "sending" || buy.state.because !== "network") continue;
        journal.put({
          ...buy,
          state: { ...buy.state, retryAt: null },
        });
        naps.wake(buy.key);
      }
    },
    heard: (jobId, word, orderId, details) => {
      const outcome = finalOf(word, orderId, details);
      if (!outcome) return false;
      const found = () => journal.buys.get().find((buy) => buy.jobId === jobId);
      if (!found()) journal.reread();
      const buy = found();
      if (!buy) {
        early.set(jobId, outcome);
        for (const oldest of early.keys()) if (early.size > MOST_EARLY) early.delete(oldest);
        return false;
      }
      journal.put({ ...buy, state: outcome });
      naps.wake(buy.key);
      return true;
    },
    laneMoved: (productId, settled) => {
      for (const [key, ticket] of tickets) {
        const buy = journal.get(key);
        if (buy?.productId !== productId || buy.state.is !== "queued") continue;
        journal.put({ ...buy, state: { is: "queued", position: Math.max(1, ticket - settled) } });
        // Its turn is past: the outcome is there, even if the event got lost.
        if (settled < ticket) continue;
        tickets.delete(key);
        setTimeout(naps.wake, 500 + random() * 1000, key);
      }
    },
    stop: () => {
      isStopped = true;
      naps.wakeAll();
    },
  };
}

/** What one pursuit of one buy remembers. */
interface Chase {
  failures: number;
  resends: number;
  polls: number;
  /** Just sent: the first question waits a moment, since most buys are settled by then. */
  isNew: boolean;
  /** Whether it was just told how the buy stands: no need to ask. */
  isTold: boolean;
}
