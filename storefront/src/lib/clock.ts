/** The server's clock, as far as its answers tell. */
export interface ServerClock {
  /** Its time in milliseconds since the Unix epoch; the device's until the first answer. */
  readonly now: () => number;
  /** Learns from an answer: what it said, and when it was asked and heard by `monotonic`. */
  readonly learn: (serverTime: number, sentAt: number, receivedAt: number) => void;
}

/** One answer: the server's clock minus ours lies between the two. */
interface Sample {
  /** As if the answer had taken no time to come back. */
  readonly least: number;
  /** As if the question had taken no time to get there. */
  readonly most: number;
}

/** Answers that count: enough for one quick one among them, few enough to follow a drift. */
const SAMPLES = 8;

/**
 * A clock that is never ahead of the server's. Half the round trip is the best guess of when the
 * server wrote its time, but may be ahead by the other half; a shop that wakes too early
 * refuses its quickest shoppers. So the whole way back is left out: of several answers the one
 * that came back fastest counts, and slow ones do not.
 *
 * It runs on `monotonic` (`performance.now`), which does not move when the device is set.
 */
export function createServerClock(monotonic = () => performance.now()): ServerClock {
  let samples: Sample[] = [];
  let offset = Date.now() - monotonic();
  return {
    now: () => monotonic() + offset,
    learn: (serverTime, sentAt, receivedAt) => {
      if (Number.isNaN(serverTime)) return;
      const sample = { least: serverTime - receivedAt, most: serverTime - sentAt };
      // Answers that cannot all be true: a clock was set, or the device slept. The last counts.
      if (samples.some(({ least, most }) => least > sample.most || most < sample.least)) {
        samples = [];
      }
      samples = [...samples, sample].slice(-SAMPLES);
      offset = Math.max(...samples.map(({ least }) => least));
    },
  };
}

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

/** What is left until an instant, for people. */
export interface Countdown {
  readonly days: number;
  /** 0 to 23. */
  readonly hours: number;
  /** 0 to 59. */
  readonly minutes: number;
  /** 0 to 59. */
  readonly seconds: number;
  /** True from the instant on, never before. */
  readonly isOver: boolean;
}

/** Whole seconds from `now` until `at` (both in milliseconds), rounded up: 0 only from `at` on. */
export function secondsUntil(at: number, now: number): number {
  return Math.max(0, Math.ceil((at - now) / 1000));
}

/** `seconds` as days, hours, minutes and seconds. */
export function countdown(seconds: number): Countdown {
  return {
    days: Math.floor(seconds / 86_400),
    hours: Math.floor(seconds / 3600) % 24,
    minutes: Math.floor(seconds / 60) % 60,
    seconds: seconds % 60,
    isOver: seconds === 0,
  };
}
