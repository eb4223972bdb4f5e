import type { Problem } from "./problem";

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
