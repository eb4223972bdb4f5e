import type { Page } from "@playwright/test";

/** A sentence that a screen reader was given. */
export interface Announcement {
  urgency: string;
  text: string;
  /** Milliseconds since the recording began. */
  at: number;
}

/** Notes what live regions say from now on; the function returned tells what was noted. */
export async function recordAnnouncements(page: Page): Promise<() => Promise<Announcement[]>> {
  await page.evaluate(() => {
    const announcements: Announcement[] = [];
    const began = performance.now();
    const observer = new MutationObserver((changes) => {
      const regions = new Set(
        changes.map(({ target }) => {
          const element = target instanceof Element ? target : target.parentElement;
          return element?.closest("[role=status], [role=alert], [aria-live]") ?? null;
        }),
      );
      for (const region of regions) {
        const text = region?.textContent.trim();
        if (!region || !text) continue;
        const urgency = region.getAttribute("role") ?? region.getAttribute("aria-live") ?? "";
        announcements.push({ urgency, text, at: performance.now() - began });
      }
    });
    observer.observe(document.body, { childList: true, characterData: true, subtree: true });
    Reflect.set(window, "announcements", announcements);
  });
  return () => page.evaluate(() => Reflect.get(window, "announcements") as Announcement[]);
}
