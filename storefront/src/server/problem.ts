/** The last part of a problem's `type`; docs/api.md lists them all. */
export type ProblemKind = string;

/** Why a call came to nothing. */
export interface Problem {
  /** `network` when no gateway answered: no connection, no answer in time, or a stranger's. */
  readonly kind: ProblemKind;
  /** The HTTP status; 0 with `network`. */
  readonly status: number;
  /** When the sale opens (RFC 3339), with `sale-not-open`. */
  readonly opensAt: string | null;
  /** How long the server asks to wait, in milliseconds; 0 when it does not say. */
  readonly retryAfter: number;
}

/** No gateway answered. */
export const NETWORK: Problem = { kind: "network", status: 0, opensAt: null, retryAfter: 0 };

const BASE = "https://flashsale.dev/problems/";

/**
 * What a refusal says. A proxy's page in place of a problem means that no gateway answered, unless
 * it asks to wait.
 */
export async function problemOf(response: Response): Promise<Problem> {
  const retryAfter = retryAfterOf(response.headers);
  const body: unknown = await response.json().catch(() => null);
  const { type, opensAt } = Object(body) as Record<string, unknown>;
  const { status } = response;
  if (typeof type === "string" && type.startsWith(BASE)) {
    const kind = type.slice(BASE.length);
    return { kind, status, opensAt: typeof opensAt === "string" ? opensAt : null, retryAfter };
  }
  if (retryAfter === 0) return NETWORK;
  return {
    kind: status === 429 ? "quota-exceeded" : "unavailable",
    status,
    opensAt: null,
    retryAfter,
  };
}

/** Whether the same request may pass later: nobody answered, or the answer asks to come again. */
export function isRetryable({ status }: Problem): boolean {
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

/** `Retry-After` in milliseconds, given in seconds or as a date (RFC 9110, 10.2.3). */
function retryAfterOf(headers: Headers): number {
  const text = headers.get("Retry-After") ?? "";
  const seconds = /^\d+$/.test(text)
    ? Number(text)
    : (Date.parse(text) - (Date.parse(headers.get("Date") ?? "") || Date.now())) / 1000;
  return seconds > 0 ? seconds * 1000 : 0;
}

/** The first pause, before jitter. */
const FIRST = 600;

/** The longest pause that is of our own making. */
const LONGEST = 15_000;

/** The longest pause that a server is taken at its word for; timers overflow beyond 24 days. */
const LONGEST_ASKED = 86_400_000;

/**
 * The pause in milliseconds after `attempts` failed ones: doubles from 0.6 s up to 15 s, and half
 * of it is left to `random` (0 to 1), so that those who failed together do not return together.
 */
export function backoff(attempts: number, random: number): number {
  const full = Math.min(LONGEST, FIRST * 2 ** Math.min(attempts, 30));
  return (full * (1 + random)) / 2;
}

/** The pause after `problem`: what the server asks for is the least, with jitter on top. */
export function pauseAfter(problem: Problem, attempts: number, random: number): number {
  const own = backoff(attempts, random);
  const asked = Math.min(problem.retryAfter, LONGEST_ASKED);
  return asked > 0 ? Math.max(own, asked + random * backoff(attempts, 0)) : own;
}
