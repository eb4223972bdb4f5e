import { useCallback, useSyncExternalStore } from "react";

import { useShop } from "../live/hooks";
import { countdown, secondsUntil } from "./countdown";
import type { Countdown } from "./countdown";

/**
 * The server's time in milliseconds since the Unix epoch, rounded down to `everyMs` and renewed
 * at each multiple of it.
 */
export function useServerNow(everyMs = 1000): number {
  const { clock, ticks } = useShop();
  const subscribe = useCallback(
    (listener: () => void) => ticks.subscribe(everyMs, 0, listener),
    [ticks, everyMs],
  );
  return useSyncExternalStore(subscribe, () => Math.floor(clock.now() / everyMs) * everyMs);
}

/** What is left until `at` (milliseconds since the Unix epoch), by the server's clock. */
export function useCountdown(at: number): Countdown {
  const { clock, ticks } = useShop();
  const subscribe = useCallback(
    (listener: () => void) => ticks.subscribe(1000, at, listener),
    [ticks, at],
  );
  return countdown(useSyncExternalStore(subscribe, () => secondsUntil(at, clock.now())));
}
