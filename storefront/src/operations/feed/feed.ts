import { useEffect, useState, useSyncExternalStore } from "react";
import { io, type Socket } from "socket.io-client";

import { createServerClock, createTicks } from "../../lib/clock";
import { fetchFigures, fetchHistory, Refusal } from "./calls";
import type { Figures } from "./figures";
import { historyOf } from "./history";
import { NOTHING_YET, withFigures, withHistories, type FeedState } from "./state";

/** How often the feed looks whether figures still come, and asks for them where they do not. */
const LOOK_EVERY_MS = 1_000;

/** Figures come by Socket.io once a second; after this long without any they are asked for. */
const SILENCE_MS = 2_500;

/** Figures further apart have left out a second, which the gateway remembers. */
const GAP_MS = 1_500;

/**
 * Figures may be a second old when they are told, and how long they were on their way is not known
 * with Socket.io: more than this together is taken for a clock that was set.
 */
const LATEST_MS = 3_000;

/**
 * What the system does, told by the gateway once a second: by Socket.io, or asked for where that
 * does not get through. Started and stopped by its listeners.
 */
class Feed {
  readonly #token: string;
  readonly #clock = createServerClock();
  readonly #listeners = new Set<() => void>();
  #state = NOTHING_YET;
  #socket: Socket | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** When the last figures came by Socket.io, by this device's clock. */
  #heardAt = -Infinity;
  #isAsking = false;

  constructor(token: string) {
    this.#token = token;
  }

  /** The state now; the same object as long as nothing has changed. */
  readonly state = (): FeedState => this.#state;

  /** The server's time in milliseconds since the Unix epoch, as far as it is known. */
  readonly now = (): number => this.#clock.now();

  /** Calls `listener` after each change, until the function it returns is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) {
      this.#start();
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) {
        this.#stop();
      }
    };
  };

  #start(): void {
    void this.#look();
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#socket?.disconnect();
    this.#socket = null;
    this.#heardAt = -Infinity;
  }

  async #look(): Promise<void> {
    if (this.#isAsking || performance.now() - this.#heardAt < SILENCE_MS) {
      return;
    }
    this.#isAsking = true;
    try {
      this.#take(await fetchFigures(this.#token), "polling");
      this.#listen();
    } catch (error) {
      this.#refused(error);
    } finally {
      this.#isAsking = false;
    }
  }

  /** Opens the socket, once a call has shown that the token is good. */
  #listen(): void {
    if (this.#socket !== null || this.#listeners.size === 0) {
      return;
    }
    // A connection of its own: the shop's may be closed or reopened by the shop.
    this.#socket = io("/operations", {
      auth: { token: this.#token },
      multiplex: false,
      reconnectionDelayMax: 3_000,
    });
    this.#socket.on("figures", (figures: Figures) => {
      this.#heardAt = performance.now();
      this.#take(figures, "live");
    });
  }

  #take(figures: Figures, connection: "live" | "polling"): void {
    const before = this.#state.at;
    const next = withFigures(this.#state, figures);
    const received = performance.now();
    this.#clock.learn(next.at ?? NaN, received - LATEST_MS, received);
    const heard = received - this.#heardAt < SILENCE_MS;
    this.#set({ ...next, connection: heard ? "live" : connection, refusedBy: null });
    if (before === null || (next.at ?? 0) - before > GAP_MS) {
      void this.#remember();
    }
  }

  /** Asks for the seconds that were missed. */
  async #remember(): Promise<void> {
    try {
      const { sales } = await fetchHistory(this.#token);
      const told = Object.entries(sales).map(([sale, told]) => [sale, historyOf(told)] as const);
      this.#set(withHistories(this.#state, new Map(told)));
    } catch {
      // The charts keep their gap; the figures of now are what counts.
    }
  }

  #refused(error: unknown): void {
    const kind = error instanceof Refusal ? error.kind : "network";
    if (kind === "unauthorized" || kind === "not-found") {
      this.#stop();
      this.#set({ ...this.#state, refusedBy: kind === "unauthorized" ? "token" : "off" });
    } else {
      this.#set({ ...this.#state, connection: "lost" });
    }
  }

  #set(state: FeedState): void {
    this.#state = state;
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

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
