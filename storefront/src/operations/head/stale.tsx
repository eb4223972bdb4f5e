import type { FeedState } from "../feed/state";
import { formatAge, formatTimeOfDay } from "../wording";

/** Figures come each second; older than this they are called old. */
const OLD_MS = 4_000;

/** That what is shown is not what is. */
export interface Staleness {
  /** Server's time when it was last true; null when it never was. */
  readonly since: number | null;
  readonly age: number;
  readonly because: string;
}

/** Whether the figures are old at `now` (server's time), and why. */
export function staleness(state: FeedState, now: number): Staleness | null {
  const { figures, at, currentAt, connection } = state;
  if (figures && !figures.isCurrent) {
    const because = "Redis does not answer the gateway.";
    return { since: currentAt, age: currentAt === null ? 0 : now - currentAt, because };
  }
  if (connection === "lost" || (at !== null && now - at > OLD_MS)) {
    const because = "The gateway does not answer; trying again each second.";
    return { since: at, age: at === null ? 0 : now - at, because };
  }
  return null;
}

/** Says loudly that the figures are old. */
export function Stale({ staleness }: { staleness: Staleness | null }) {
  if (!staleness) {
    return null;
  }
  const { since, age, because } = staleness;
  return (
    <p className="rounded-panel border-2 border-bad bg-bad-wash px-4 py-3 text-lg text-bad">
      <strong className="tabular-nums">
        {since === null
          ? "No figures yet."
          : `Figures are old since ${formatTimeOfDay(since)} UTC, ${formatAge(age)} ago.`}
      </strong>{" "}
      {because}
    </p>
  );
}
