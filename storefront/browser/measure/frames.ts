import type { Page } from "@playwright/test";

interface Recorder {
  gaps: number[];
  longestTask: number;
  stop: () => void;
}

/** What a page's screen did for a while. */
export interface Frames {
  /** Frames that were drawn. */
  count: number;
  /** Longest time without a new frame, in milliseconds. */
  longestGap: number;
  /** Longest task of the page's own thread, in milliseconds; 0 when none took 50 ms. */
  longestTask: number;
}

/** Notes the time between frames from now on; the function returned tells what was noted. */
export async function recordFrames(page: Page): Promise<() => Promise<Frames>> {
  await page.evaluate(() => {
    const recorder: Recorder = { gaps: [], longestTask: 0, stop: () => undefined };
    let last = performance.now();
    let frame = 0;
    const note = (): void => {
      const now = performance.now();
      recorder.gaps.push(now - last);
      last = now;
      frame = requestAnimationFrame(note);
    };
    frame = requestAnimationFrame(note);
    const tasks = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        recorder.longestTask = Math.max(recorder.longestTask, duration);
      }
    });
    tasks.observe({ type: "longtask" });
    recorder.stop = () => {
      cancelAnimationFrame(frame);
      tasks.disconnect();
    };
    Reflect.set(window, "frameRecorder", recorder);
  });
  return () =>
    page.evaluate(() => {
      const recorder = Reflect.get(window, "frameRecorder") as Recorder;
      recorder.stop();
      return {
        count: recorder.gaps.length,
        longestGap: Math.max(...recorder.gaps),
        longestTask: recorder.longestTask,
      };
    });
}
