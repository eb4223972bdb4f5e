import { depthOf, type SaleFigures, type SaleHistory } from "./figures";

/** How many seconds a chart shows. */
export const HISTORY_SECONDS = 120;

/** Samples nearer than this to the last one are the same second told twice. */
const SAME_SECOND_MS = 400;

/** What a chart needs to know of one second. */
export interface Second {
  readonly confirmed: number;
  readonly queued: number;
  readonly depth: number;
}

/** The last seconds of a sale, oldest first; null where nobody told us, which is not 0. */
export interface History {
  /** When the last sample was taken, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly seconds: readonly (Second | null)[];
}

/** The second that a sale's figures tell of. */
export function secondOf(sale: SaleFigures): Second {
  return {
    confirmed: sale.outcomes.confirmed,
    queued: sale.buys["queued"] ?? 0,
    depth: depthOf(sale),
  };
}

/** The gateway's arrays as rows. */
export function historyOf(told: SaleHistory): History {
  const seconds = told.confirmed.map((confirmed, index) => ({
    confirmed,
    queued: told.queued[index] ?? 0,
    depth: told.depth[index] ?? 0,
  }));
  return { at: Date.parse(told.at), seconds: seconds.slice(-HISTORY_SECONDS) };
}

/**
 * `history` with one more second.
 *
 * Samples come about a second apart, not exactly: the distance to the last one is rounded, a sample
 * of the same second replaces it, and seconds without a sample stay unknown.
 */
export function appendSecond(history: History | null, at: number, second: Second): History {
  if (!history || at - history.at > HISTORY_SECONDS * 1000) {
    return { at, seconds: [second] };
  }
  const distance = at - history.at;
  if (distance < SAME_SECOND_MS) {
    // An older sample than the last one changes nothing: answers may overtake each other.
    return distance < 0 ? history : { at, seconds: [...history.seconds.slice(0, -1), second] };
  }
  const missed = Math.max(0, Math.round(distance / 1000) - 1);
  const unknown = Array.from({ length: missed }, () => null);
  return { at, seconds: [...history.seconds, ...unknown, second].slice(-HISTORY_SECONDS) };
}

/** Both in one: seconds told by `first` count, `second` fills what it does not know. */
export function mergeHistories(first: History, second: History): History {
  const at = Math.max(first.at, second.at);
  const slots = Array.from<Second | null>({ length: HISTORY_SECONDS }).fill(null);
  for (const { at: last, seconds } of [second, first]) {
    seconds.forEach((value, index) => {
      const age = Math.round((at - last) / 1000) + seconds.length - 1 - index;
      if (value && age < HISTORY_SECONDS) {
        slots[HISTORY_SECONDS - 1 - age] = value;
      }
    });
  }
  const oldest = slots.findIndex((slot) => slot !== null);
  return { at, seconds: oldest < 0 ? [] : slots.slice(oldest) };
}
