import type { Browser, Page } from "@playwright/test";

/** What a page needed for its frames, and when the screen showed them. */
export interface Frames {
  /** Frames that were drawn. */
  count: number;
  /**
   * Most processor time that the page's own thread took between two frames, in milliseconds. Unlike
   * the time that passes, it does not grow while other programs have the processor.
   */
  mostWork: number;
  /** Longest time without a new frame, in milliseconds. */
  longestGap: number;
}

/** An event of Chromium's trace, times in microseconds. */
interface TraceEvent {
  name: string;
  tid: number;
  /** When it began. */
  ts: number;
  /** Processor time that its thread took for it. */
  tdur?: number;
}

/**
 * Traces the frames of `page` from now on; the function returned tells what was noted. One page of a
 * browser can be traced at a time.
 */
export async function recordFrames(browser: Browser, page: Page): Promise<() => Promise<Frames>> {
  await browser.startTracing(undefined, {
    categories: ["-*", "devtools.timeline", "disabled-by-default-devtools.timeline"],
  });
  await page.evaluate(() => {
    const draw = (): void => {
      Reflect.set(window, "nextFrame", requestAnimationFrame(draw));
    };
    draw();
  });
  return async () => {
    await page.evaluate(() => {
      cancelAnimationFrame(Reflect.get(window, "nextFrame") as number);
    });
    const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
      traceEvents: TraceEvent[];
    };
    return framesOf(traceEvents);
  };
}

function framesOf(events: TraceEvent[]): Frames {
  const thread = drawingThread(events);
  const own = events.filter(({ tid }) => tid === thread).sort((one, two) => one.ts - two.ts);
  const frames: Frames = { count: 0, mostWork: 0, longestGap: 0 };
  let last: number | undefined;
  let work = 0;
  for (const { name, ts, tdur = 0 } of own) {
    if (name === "RunTask") {
      work += tdur / 1000;
      frames.mostWork = Math.max(frames.mostWork, work);
    } else if (name === "FireAnimationFrame") {
      frames.count += 1;
      if (last !== undefined) frames.longestGap = Math.max(frames.longestGap, (ts - last) / 1000);
      last = ts;
      work = 0;
    }
  }
  return frames;
}

/** The number of the thread that draws most: no other page draws frames without end. */
function drawingThread(events: TraceEvent[]): number {
  const counts = new Map<number, number>();
  for (const { name, tid } of events) {
    if (name === "FireAnimationFrame") counts.set(tid, (counts.get(tid) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([, one], [, two]) => two - one);
  if (!most) throw new Error("the trace shows no frame");
  return most[0];
}
