import { useEffect, useRef } from "react";

import { useShop } from "../shop/hooks";
import type { Sale } from "../live/sale";
import { announce } from "../ui/announcer";

/** What is said how many milliseconds before the opening. */
const WORDS: readonly (readonly [number, string])[] = [
  [60_000, "Opens in one minute"],
  [10_000, "Opens in ten seconds"],
];

/** Tells screen readers that the opening is near, and that it has come. */
export function useOpeningAnnouncements({ status, opensAt }: Sale): void {
  const { clock } = useShop();
  const before = useRef(status);

  useEffect(() => {
    if (before.current === "Scheduled" && status === "Open") {
      announce("Open now");
    }
    before.current = status;
  }, [status]);

  useEffect(() => {
    if (status !== "Scheduled" || opensAt === null) {
      return undefined;
    }
    const timers = WORDS.map(([early, sentence]) => {
      const wait = opensAt - early - clock.now();
      // Longer waits than a timer can take are for another visit.
      return wait > 0 && wait < 2 ** 31 ? setTimeout(announce, wait, sentence) : undefined;
    });
    return () => {
      for (const timer of timers) {
        clearTimeout(timer);
      }
    };
  }, [status, opensAt, clock]);
}
