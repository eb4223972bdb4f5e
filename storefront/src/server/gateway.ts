import { NETWORK, problemOf } from "./problem";
import type { Problem } from "./problem";
import type { components } from "./schema";

type Schemas = components["schemas"];

/** Who the gateway takes the page for. */
export type SessionView = Schemas["SessionView"];

/** Where a buy stands; `ticket` is its number in the lane since the sale began, while queued. */
export type OrderView = Schemas["OrderStatus"];

/** What a call gave. */
export type Answer<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

/** A unit that a shopper wants, at no more than the price that was shown. */
export interface Wanted {
  readonly key: string;
  readonly productId: string;
  readonly userId: string;
  readonly price: number;
}

/** The calls of the gateway that a shop needs. They never throw. */
export interface Gateway {
  readonly session: () => Promise<Answer<SessionView>>;
  readonly sales: () => Promise<Answer<Schemas["SalesView"]>>;
  /** Asks to buy one unit; `userId` counts where authentication is off, and `pass` in a sale that asks for one. */
  readonly buy: (wish: Wanted, pass: string | null) => Promise<Answer<Schemas["Queued"]>>;
  /** Posts `body`; a good answer has the field `has`. */
  readonly post: <T>(path: string, has: keyof T, body: object) => Promise<Answer<T>>;
  readonly order: (jobId: string) => Promise<Answer<OrderView>>;
}

/** What the gateway's calls need to know and tell. */
export interface GatewayParts {
  /** Where the gateway is; empty for where the page came from. */
  readonly base?: string;
  readonly fetch?: typeof fetch;
  /** The bearer token of the moment. */
  readonly token: () => string | null;
  /** Hears that `token` is not accepted. */
  readonly onUnauthorized: (token: string | null) => void;
  /** Hears the server's clock, with the times of the request by `performance.now()`. */
  readonly onServerTime: (serverTime: number, sentAt: number, receivedAt: number) => void;
}

/** How long an answer is waited for, in milliseconds. The gateway itself gives up after less. */
const PATIENCE = 10_000;

/** Calls of the gateway: the one place that talks to it, apart from the socket. */
export function createGateway(parts: GatewayParts): Gateway {
  const { base = "", token, onUnauthorized, onServerTime } = parts;
  const send = parts.fetch ?? fetch.bind(globalThis);

  async function call<T>(path: string, has: keyof T, init: RequestInit = {}): Promise<Answer<T>> {
    const bearer = token();
    const headers = new Headers(init.headers);
    if (bearer !== null) headers.set("Authorization", `Bearer ${bearer}`);
    const sentAt = performance.now();
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      const response = await send(base + path, { ...init, headers, signal, cache: "no-store" });
      const receivedAt = performance.now();
      if (!response.ok) {
        const problem = await problemOf(response);
        if (problem.kind === "unauthorized") onUnauthorized(bearer);
        return { ok: false, problem };
      }
      const value = (await response.json()) as T;
      // A stranger between us and the gateway (a hotel's sign-in page) may answer 200 as well.
      if (!(has in Object(value))) return { ok: false, problem: NETWORK };
      const { serverTime } = value as { serverTime?: string };
      if (serverTime !== undefined) onServerTime(Date.parse(serverTime), sentAt, receivedAt);
      return { ok: true, value };
    } catch {
      return { ok: false, problem: NETWORK };
    }
  }

  return {
    session: () => call("/session", "auth"),
    sales: () => call("/sales", "sales"),
    buy: ({ key, productId, userId, price }, pass) =>
      call("/buy", "jobId", {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "Idempotency-Key": key,
          ...(pass !== null && { "Flashsale-Pass": pass }),
        },
        body: JSON.stringify({ productId, userId, maxPrice: price }),
      }),
    post: (path, has, body) =>
      call(path, has, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      }),
    order: (jobId) => call(`/orders/${encodeURIComponent(jobId)}`, "status"),
  };
}
