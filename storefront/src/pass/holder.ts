import { sha256 } from "@noble/hashes/sha2.js";

import type { Catalogue } from "../live/catalogue";
import type { Answer, Gateway } from "../server/gateway";
import type { components } from "../server/schema";

/** What getting passes needs. */
export interface PassesParts {
  readonly gateway: Pick<Gateway, "post">;
  readonly catalogue: Catalogue;
  /** The shopper; null while nobody is known. */
  readonly shopper: () => string | null;
  /** The server's clock. */
  readonly now: () => number;
  readonly random: () => number;
}

type Schemas = components["schemas"];

/** How long before the opening passes are got, in milliseconds, spread over half of that. */
const AHEAD = 600_000;

/** A pass that ends this soon (milliseconds) is as good as ended. */
const SOON = 10_000;

/** The longest delay of a timer, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The passes themselves. */
export interface Holder {
  /** A pass of the shopper for a sale, got now if there is none. */
  readonly of: (sale: string, userId: string) => Promise<Answer<string>>;
  /** Forgets a pass that the gateway does not accept. */
  readonly drop: (sale: string, userId: string) => void;
  /** Gets passes for sales that open soon, and those that open later in time. */
  readonly prepare: () => void;
  readonly stop: () => void;
}

/** No passes yet. */
export function createHolder(parts: PassesParts): Holder {
  const { gateway, catalogue, shopper, now, random } = parts;
  const held = new Map<string, { pass: string; endsAt: number }>();
  const running = new Map<string, Promise<Answer<string>>>();
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  const name = (sale: string, userId: string) => `${userId} ${sale}`;

  const of: Holder["of"] = (sale, userId) => {
    const key = name(sale, userId);
    const known = held.get(key);
    if (known && known.endsAt - now() > SOON) {
      return Promise.resolve({ ok: true, value: known.pass });
    }
    const begun = running.get(key) ?? get(sale, userId).finally(() => running.delete(key));
    running.set(key, begun);
    return begun;
  };

  const get = async (sale: string, userId: string): Promise<Answer<string>> => {
    const who = { sale, userId };
    const asked = await gateway.post<Schemas["ChallengeView"]>("/pass/challenge", "verifier", who);
    if (!asked.ok) return asked;
    const { challenge, difficulty } = asked.value;
    // Another verifier has a page of its own.
    if (challenge === null || difficulty === null) return { ok: false, problem: NO_WAY };
    const proof = await work(challenge, difficulty);
    const issued = await gateway.post<Schemas["PassView"]>("/pass", "pass", { ...who, proof });
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
    drop: (sale, userId) => held.delete(name(sale, userId)),
    prepare,
    stop: () => {
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}

/** The shop cannot get the pass by itself. */
const NO_WAY = { kind: "pass-required", status: 403, opensAt: null, retryAfter: 0 } as const;

/** How long the page may stand still for the work, in milliseconds. */
const SLICE = 12;

/**
 * Finds the number of which the SHA-256 digest, in decimal behind `challenge` and a dot, begins
 * with `difficulty` zero bits. Lets the page do other things in between.
 */
export async function work(challenge: string, difficulty: number): Promise<string> {
  const encoder = new TextEncoder();
  const begun = sha256.create().update(encoder.encode(`${challenge}.`));
  for (let number = 0; ;) {
    const until = performance.now() + SLICE;
    do {
      const proof = String(number);
      if (zeroBits(begun.clone().update(encoder.encode(proof)).digest()) >= difficulty) {
        return proof;
      }
      number += 1;
    } while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** With how many zero bits a digest begins. */
export function zeroBits(digest: Uint8Array): number {
  const at = digest.findIndex((byte) => byte !== 0);
  if (at < 0) return 8 * digest.length;
  return 8 * at + Math.clz32(digest[at] ?? 0) - 24;
}
