import type { Keep } from "../lib/storage";
import { unique } from "../lib/unique";

/** Runs `work` while no other tab runs work of the same name. */
export type WithLock = <T>(name: string, patience: number, work: () => Promise<T>) => Promise<T>;

/** How long a lock in the storage holds when its tab died, in milliseconds. */
const LIFE = 15_000;

/** How long after writing its name a tab looks whether another wrote over it. */
const SETTLE = 25;

/**
 * How long a tab keeps a browser's lock after its work is done, in milliseconds. Tabs are processes
 * of their own, and what one writes into the storage reaches the others a little later; the next
 * holder must see it. Nobody waits for this but another tab that presses at the same moment.
 */
const SPREAD = 400;

/**
 * Locks between tabs: the browser's (Web Locks) where there are any, else best effort in the
 * storage. After `patience` (milliseconds) the work is done without: a tab that the phone put to
 * sleep must not keep the shopper from buying, and one key is one buy in any case.
 */
export function createLocks(keep: Keep, locks: LockManager | undefined): WithLock {
  return locks
    ? (name, patience, work) => withWebLock(locks, name, patience, work)
    : (name, patience, work) => withStorageLock(keep, name, patience, work);
}

async function withWebLock<T>(
  locks: LockManager,
  name: string,
  patience: number,
  work: () => Promise<T>,
): Promise<T> {
  let started: Promise<T> | undefined;
  await new Promise<void>((resolve) => {
    const hold = async () => {
      started = work();
      await started.catch(() => undefined);
      resolve();
      await new Promise((over) => setTimeout(over, SPREAD));
    };
    const signal = AbortSignal.timeout(patience);
    // Out of patience, or locks are forbidden here: the work is done without one.
    locks.request(`flashsale:${name}`, { signal }, hold).catch(resolve);
  });
  return started ?? work();
}

async function withStorageLock<T>(
  keep: Keep,
  name: string,
  patience: number,
  work: () => Promise<T>,
): Promise<T> {
  const place = `flashsale:lock:${name}`;
  const mine = unique();
  const isMine = () => keep.get(place)?.endsWith(mine) === true;
  const giveUpAt = Date.now() + patience;
  while (!isMine() && Date.now() < giveUpAt) {
    const [since] = (keep.get(place) ?? "0").split(" ");
    const age = Date.now() - Number(since);
    const isFree = !(age >= 0 && age < LIFE);
    if (isFree) keep.set(place, `${Date.now()} ${mine}`);
    await new Promise((resolve) => setTimeout(resolve, SETTLE));
  }
  try {
    return await work();
  } finally {
    if (isMine()) keep.remove(place);
  }
}
