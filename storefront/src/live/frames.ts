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
