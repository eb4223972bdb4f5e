import { useEffect, useRef } from "react";

import { announce } from "../ui/announcer";
import { formatCount } from "../ui/format";
import { stockLevel, type StockLevel } from "./stock-level";

/** A product is spoken of at most this often; what happens in between is said in one sentence. */
const QUIET_MS = 15_000;

/** Tells screen readers when a product's stock has fallen to another level. */
export function useStockAnnouncements(name: string, left: number | null, full: number): void {
  const told = useRef<{ level: StockLevel | null; at: number }>({ level: null, at: -QUIET_MS });

  useEffect(() => {
    if (left === null) {
      return undefined;
    }
    const level = stockLevel(left, full);
    // What was so when the page came needs no announcement, and neither do units that came back.
    if (told.current.level === null || level <= told.current.level) {
      told.current.level = level;
      return undefined;
    }
    const wait = Math.max(0, told.current.at + QUIET_MS - performance.now());
    const timer = setTimeout(() => {
      told.current = { level, at: performance.now() };
      announce(left === 0 ? `${name}: sold out` : `${name}: ${formatCount(left)} left`);
    }, wait);
    return () => {
      clearTimeout(timer);
    };
  }, [name, left, full]);
}
