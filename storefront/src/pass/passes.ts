import type { Catalogue } from "../live/catalogue";
import type { Answer, Gateway } from "../server/gateway";
import { NETWORK } from "../server/problem";

/** How long before the opening passes are got, in milliseconds, spread over half of that. */
const AHEAD = 600_000;

/** A pass that ends this soon (milliseconds) is as good as ended. */
const SOON = 10_000;

/** The longest delay of a timer, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** What getting passes needs. */
export interface PassesParts {
  readonly gateway: Pick<Gateway, "challenge" | "pass">;
  readonly catalogue: Catalogue;
  /** The shopper; null while nobody is known. */
  readonly shopper: () => string | null;
  /** The server's clock. */
  readonly now: () => number;
  readonly random: () => number;
}

/** Passes of this tab. */
export interface Passes {
  /** A pass of the shopper for a sale, got now if there is none; null where none is needed. */
  readonly of: (sale: string, userId: string) => Promise<Answer<string | null>>;
  /** The gateway asked for a pass, or for another one. */
  readonly asked: (sale: string, userId: string) => void;
  /** Gets passes for sales that open soon, and those that open later in time. */
  readonly prepare: () => void;
  readonly stop: () => void;
}

/** No passes yet. */
export function createPasses(parts: PassesParts): Passes {
  const { gateway, catalogue, shopper, now, random } = parts;
  const held = new Map<string, { pass: string; endsAt: number }>();
  const running = new Map<string, Promise<Answer<string | null>>>();
  /** Sales that asked for a pass although the catalogue did not say so yet. */
  const insisting = new Set<string>();
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  const name = (sale: string, userId: string) => `${userId} ${sale}`;

  const isNeeded = (sale: string) => {
    const { sales } = catalogue.sales.get();
    return insisting.has(sale) || sales.some((one) => one.sale === sale && one.passRequired);
  };

  const of: Passes["of"] = (sale, userId) => {
    if (!isNeeded(sale)) return Promise.resolve({ ok: true, value: null });
    const key = name(sale, userId);
    const known = held.get(key);
    if (known && known.endsAt - now() > SOON) {
      return Promise.resolve({ ok: true, value: known.pass });
    }
    const begun = running.get(key) ?? get(sale, userId).finally(() => running.delete(key));
    running.set(key, begun);
    return begun;
  };

  const get = async (sale: string, userId: string): Promise<Answer<string | null>> => {
    const asked = await gateway.challenge(sale, userId);
    if (!asked.ok) return asked;
    const { challenge, difficulty } = asked.value;
    // Another verifier has a page of its own.
    if (challenge === null || difficulty === null) return { ok: false, problem: NO_WAY };
    // Loaded here alone: most sales ask for no pass.
    const loaded = await import("./work").catch(() => null);
    if (loaded === null) return { ok: false, problem: NETWORK };
    const proof = await loaded.work(challenge, difficulty);
    const issued = await gateway.pass(sale, userId, proof);
    if (!issued.ok) return issued;
    const { pass, expiresAt } = issued.value;
    held.set(name(sale, userId), { pass, endsAt: Date.parse(expiresAt) });
    return { ok: true, value: pass };
  };

  const prepare = () => {
    const userId = shopper();
    if (userId === null) return;
    for (const { sale, opensAt, passRequired } of catalogue.sales.get().sales) {
      if (!passRequired || timers.has(name(sale, userId))) continue;
      const early = AHEAD * (0.5 + random() / 2);
      const delay = opensAt === null ? 0 : Math.max(0, opensAt - early - now());
      if (delay > LONGEST_TIMER) continue;
      // Whatever fails here is tried again with the press.
      const timer = setTimeout(() => void of(sale, userId), delay);
      timers.set(name(sale, userId), timer);
    }
  };

  return {
    of,
    asked: (sale, userId) => {
      insisting.add(sale);
      held.delete(name(sale, userId));
    },
    prepare,
    stop: () => {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}

/** The shop cannot get the pass by itself. */
const NO_WAY = { kind: "pass-required", status: 403, opensAt: null, retryAfter: 0 } as const;
