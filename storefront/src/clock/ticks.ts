/** One timer for everything on the page that follows the clock. */
export interface Ticks {
  /**
   * Calls `listener` whenever the clock passes a multiple of `every` after (or before) `phase`,
   * both in milliseconds, until the returned function is called.
   */
  readonly subscribe: (every: number, phase: number, listener: () => void) => () => void;
  /** Looks at the clock anew, after it was set. */
  readonly realign: () => void;
}

/** Longest sleep: a clock that is set meanwhile is noticed by then. */
const LONGEST_SLEEP = 60_000;

interface Follower {
  readonly every: number;
  readonly phase: number;
  readonly listener: () => void;
  /** The last multiple that it was told of. */
  told: number;
}

/** Ticks by the clock `now` (milliseconds). */
export function createTicks(now: () => number): Ticks {
  const followers = new Set<Follower>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const multiple = ({ every, phase }: Follower) => Math.floor((now() - phase) / every);

  const schedule = () => {
    clearTimeout(timer);
    if (followers.size === 0) return;
    const waits = [...followers].map(
      (follower) => follower.phase + (multiple(follower) + 1) * follower.every - now(),
    );
    // Timers may fire a fraction early; the extra millisecond makes sure the instant has come.
    timer = setTimeout(tick, Math.min(LONGEST_SLEEP, Math.max(0, ...[Math.min(...waits)]) + 1));
  };

  const tick = () => {
    for (const follower of [...followers]) {
      const current = multiple(follower);
      if (current === follower.told) continue;
      follower.told = current;
      follower.listener();
    }
    schedule();
  };

  return {
    subscribe: (every, phase, listener) => {
      const follower: Follower = { every, phase, listener, told: 0 };
      follower.told = multiple(follower);
      followers.add(follower);
      schedule();
      return () => {
        followers.delete(follower);
        schedule();
      };
    },
    realign: tick,
  };
}
