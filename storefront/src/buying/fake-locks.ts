/** Web Locks for tests: one holder a name, the others wait in line or until they lose patience. */
export function fakeLocks(): LockManager {
  const tails = new Map<string, Promise<unknown>>();
  const request = async (name: string, { signal }: LockOptions, work: () => Promise<unknown>) => {
    const before = tails.get(name) ?? Promise.resolve();
    const outOfPatience = new Promise((_, reject) => {
      signal?.addEventListener("abort", () => {
        reject(new DOMException("too long", "AbortError"));
      });
    });
    const turn = Promise.race([before, outOfPatience]);
    const mine = turn.then(() => work());
    tails.set(name, Promise.allSettled([before, mine]));
    return mine;
  };
  return { request } as unknown as LockManager;
}
