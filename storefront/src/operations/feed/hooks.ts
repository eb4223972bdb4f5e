import { useEffect, useState, useSyncExternalStore } from "react";

import { createTicks } from "../../lib/clock";
import { Feed } from "./feed";
import type { FeedState } from "./state";

/** The feed of this page, running while the page is there, and what it knows. */
export function useFeed(token: string): { readonly feed: Feed; readonly state: FeedState } {
  const [feed] = useState(() => new Feed(token));
  return { feed, state: useSyncExternalStore(feed.subscribe, feed.state) };
}

/** The server's time in milliseconds since the Unix epoch, renewed each second. */
export function useFeedNow(feed: Feed): number {
  const [now, setNow] = useState(feed.now);
  useEffect(() => {
    const renew = () => {
      setNow(feed.now());
    };
    return createTicks(feed.now).subscribe(1000, 0, renew);
  }, [feed]);
  return now;
}
