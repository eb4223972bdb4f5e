/** Sleeps that can be cut short, by key. */
export interface Naps {
  /** Sleeps `ms` milliseconds, or until woken. */
  readonly sleep: (key: string, ms: number) => Promise<void>;
  /** Wakes who sleeps under `key`. */
  readonly wake: (key: string) => void;
  readonly wakeAll: () => void;
}

/** Timers overflow beyond 2^31 ms; a longer sleep lasts until it is woken. */
const LONGEST = 2 ** 31 - 1;

/** Nobody sleeps yet. */
export function createNaps(): Naps {
  const sleepers = new Map<string, () => void>();
  return {
    sleep: (key, ms) =>
      new Promise((resolve) => {
        const timer = ms <= LONGEST ? setTimeout(done, Math.max(0, ms)) : undefined;
        function done() {
          clearTimeout(timer);
          sleepers.delete(key);
          resolve();
        }
        sleepers.set(key, done);
      }),
    wake: (key) => sleepers.get(key)?.(),
    wakeAll: () => {
      for (const done of [...sleepers.values()]) done();
    },
  };
}
