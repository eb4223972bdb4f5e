import type { Page } from "@playwright/test";

/** What a page holds after everything that nobody needs was thrown away. */
export interface Memory {
  /** Bytes of JavaScript objects. */
  heap: number;
  /** Nodes of the document, and those that only scripts still hold. */
  nodes: number;
  /** Event listeners. */
  listeners: number;
}

/** Collects garbage in a page and measures what is left. */
export async function memoryOf(page: Page): Promise<Memory> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.enable");
  await session.send("HeapProfiler.collectGarbage");
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  const { nodes, jsEventListeners } = await session.send("Memory.getDOMCounters");
  await session.detach();
  return { heap: usedSize, nodes, listeners: jsEventListeners };
}

/**
 * Notes what the page's own thread takes from now on;
 * the function returned tells it in seconds of processor time.
 */
export async function recordBusy(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const read = async (): Promise<number> => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0;
  };
  const before = await read();
  return async () => (await read()) - before;
}
