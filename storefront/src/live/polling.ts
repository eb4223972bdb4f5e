import type { ServerClock } from "../lib/clock";
import type { Identity } from "../identity/session";
import type { Gateway } from "../server/gateway";
import { backoff } from "../server/problem";
import { createNaps } from "../lib/timing";
import type { Catalogue } from "./catalogue";
import type { Connection, LiveSocket } from "./connection";
import type { Signal } from "../lib/signal";

/** Between two questions while no socket is there, in milliseconds, before jitter. */
const PAUSE = 3000;

/** Between two questions while news come by socket: they hold the clock and mend what got lost. */
const LIVE_PAUSE = 60_000;

/** Questions at the start that come quickly one after the other, so that the clock gets good. */
const FIRST_ROUNDS = 3;

/** A page that nobody looks at asks this much less. */
const HIDDEN = 5;

/** The longest that an alarm sleeps; a clock that is set meanwhile is noticed by then. */
const LONGEST_ALARM = 60_000;

/** What polling needs. */
export interface PollingParts {
  readonly gateway: Pick<Gateway, "sales">;
  readonly identity: Identity;
  readonly catalogue: Catalogue;
  readonly socket: LiveSocket;
  readonly connection: Signal<Connection>;
  readonly clock: ServerClock;
  readonly random: () => number;
}

/** Asking the gateway again and again, and knowing how it is reached. */
export interface Polling {
  /** Begins; the returned function ends it. */
  readonly start: () => () => void;
  /** Asks now. */
  readonly hurry: () => void;
  /** The socket is gone, or an attempt to connect failed. */
  readonly socketDown: (isRefused: boolean) => void;
  /** Sets the alarm for the next opening, closing or end of the token. */
  readonly setAlarm: () => void;
}

/** Polling that has not begun. */
export function createPolling(parts: PollingParts): Polling {
  const { gateway, identity, catalogue, socket, connection, clock, random } = parts;
  const naps = createNaps();
  /** Which start the running loop belongs to; none after the end of it. */
  let current: object | null = null;
  let alarm: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let rounds = 0;
  let isAsking = false;
  /** Asked for while a question was on its way. */
  let isHurried = false;
  let isSessionOld = true;
  let hasSocketFailed = false;
  /** Whether the last question was answered; null before, and after the socket went. */
  let isAnswered: boolean | null = null;

  const show = () => {
    const isWithoutSocket = hasSocketFailed || identity.session.get().needsSignIn;
    if (socket.isLive.get()) connection.set("live");
    else if (isAnswered === false) connection.set("offline");
    else connection.set(isAnswered && isWithoutSocket ? "polling" : "connecting");
  };

  const setAlarm = () => {
    clearTimeout(alarm);
    if (!current) return;
    const at = Math.min(catalogue.look(), identity.expiresAt());
    const wait = Math.max(0, at - clock.now()) + 1;
    alarm = setTimeout(ring, Math.min(wait, LONGEST_ALARM));
  };

  const ring = () => {
    if (identity.expiresAt() <= clock.now()) identity.expire();
    setAlarm();
  };

  const ask = async () => {
    const sentAt = performance.now();
    const [isKnown, answer] = await Promise.all([
      isSessionOld ? identity.refresh() : true,
      gateway.sales(),
    ]);
    isSessionOld = !isKnown;
    isAnswered = answer.ok;
    failures = answer.ok ? 0 : failures + 1;
    if (answer.ok) catalogue.learn(answer.value, sentAt);
    else catalogue.miss();
    if (answer.ok) socket.hurry();
    show();
    setAlarm();
  };

  const pause = (): number => {
    rounds += 1;
    if (isHurried) return 0;
    if (failures > 0) return backoff(failures, random());
    const isSlow = socket.isLive.get() && rounds >= FIRST_ROUNDS && !isSessionOld;
    const full = isSlow ? LIVE_PAUSE : PAUSE * (document.hidden ? HIDDEN : 1);
    return full * (0.7 + random() * 0.6);
  };

  const run = async (own: object) => {
    while (own === current) {
      isHurried = false;
      isAsking = true;
      await ask();
      isAsking = false;
      if (own === current) await naps.sleep("", pause());
    }
  };

  const hurry = () => {
    show();
    isHurried = isAsking;
    naps.wake("");
  };

  const socketChanged = () => {
    // Whether anybody is there without the socket is found out by asking.
    if (!socket.isLive.get()) isAnswered = null;
    hurry();
  };

  return {
    start: () => {
      current = {};
      void run(current);
      const unsubscribe = socket.isLive.subscribe(socketChanged);
      return () => {
        current = null;
        clearTimeout(alarm);
        unsubscribe();
        naps.wakeAll();
      };
    },
    hurry,
    socketDown: (isRefused) => {
      hasSocketFailed = true;
      if (isRefused) isSessionOld = true;
      show();
    },
    setAlarm,
  };
}
