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

/** Least time between two batches, in milliseconds: ten a second look live and cost little. */
const GAP = 100;

/** How long a batch waits for a frame; hidden pages get none. */
const PATIENCE = 1000;

/**
 * Runs `work` once for any number of calls: at the next frame, but not more often than ten times
 * a second.
 */
export function batched(work: () => void): () => void {
  let isWaiting = false;
  let last = -GAP;
  const run = () => {
    if (!isWaiting) return;
    isWaiting = false;
    last = performance.now();
    work();
  };
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    const gap = Math.max(0, last + GAP - performance.now());
    setTimeout(() => requestAnimationFrame(run), gap);
    setTimeout(run, gap + PATIENCE);
  };
}
