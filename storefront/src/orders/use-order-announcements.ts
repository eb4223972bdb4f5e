import { useEffect, useRef } from "react";

import type { Buy } from "../buying/buy";
import { useBuys } from "../shop/hooks";
import { outcomeWords } from "../sales/words";
import { announce } from "../ui/announcer";

/** A place in line is spoken of at most this often; outcomes are told at once. */
const QUIET_MS = 15_000;

interface Told {
  readonly words: string;
  readonly at: number;
}

/** Tells screen readers what becomes of the shopper's buys, on whichever page they are. */
export function useOrderAnnouncements(): void {
  const buys = useBuys();
  const told = useRef<Map<string, Told> | null>(null);

  useEffect(() => {
    // What was so when the page came is on the page, and no news.
    const isFirst = told.current === null;
    const known = told.current ?? new Map<string, Told>();
    told.current = known;
    for (const buy of buys) {
      const before = known.get(buy.key);
      const words = outcomeWords(buy);
      if (before?.words === words || isTooSoon(buy, before)) {
        continue;
      }
      known.set(buy.key, { words, at: performance.now() });
      if (!isFirst && !isOnItsWay(buy)) {
        announce(`${buy.productName}: ${words}`, isBad(buy) ? "assertive" : "polite");
      }
    }
  }, [buys]);
}

function isTooSoon({ state }: Buy, before: Told | undefined): boolean {
  const isAboutTheLine = before?.words.startsWith("You are in line, ") ?? false;
  return (
    state.is === "queued" && isAboutTheLine && performance.now() - (before?.at ?? 0) < QUIET_MS
  );
}

function isOnItsWay({ state }: Buy): boolean {
  return state.is === "sending" && state.because === null;
}

function isBad({ state }: Buy): boolean {
  return !["sending", "queued", "confirmed"].includes(state.is);
}
