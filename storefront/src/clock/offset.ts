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
