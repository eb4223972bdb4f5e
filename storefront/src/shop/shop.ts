import { createBuying } from "../buying/buying";
import type { Buying } from "../buying/buying";
import { PREFIX, createJournal } from "../buying/journal";
import { createLocks } from "../buying/lock";
import { createPursuit } from "../buying/pursue";
import { createServerClock, createTicks } from "../lib/clock";
import type { ServerClock, Ticks } from "../lib/clock";
import { createIdentity } from "../identity/session";
import type { Identity } from "../identity/session";
import { takeToken, tokenOf } from "../identity/token";
import type { Place } from "../identity/token";
import { createPasses } from "../pass/passes";
import { createGateway } from "../server/gateway";
import type { Gateway } from "../server/gateway";
import { createCatalogue } from "../live/catalogue";
import type { Catalogue } from "../live/catalogue";
import { createSocket, openSocketIo } from "../live/connection";
import type { Connection, OpenSocket } from "../live/connection";
import { createPolling } from "../live/polling";
import { instant } from "../live/sale";
import { signal } from "../lib/signal";
import type { Readable } from "../lib/signal";
import { keepIn } from "../lib/storage";

/** All that the pages know and can do, without React. */
export interface Shop {
  readonly clock: ServerClock;
  readonly ticks: Ticks;
  readonly identity: Identity;
  readonly catalogue: Catalogue;
  readonly connection: Readable<Connection>;
  readonly buying: Buying;
  readonly gateway: Gateway;
  /** Begins to ask, listen and send, until the returned function is called. */
  readonly start: () => () => void;
}

/** What a shop stands on; a browser has it all. */
export interface ShopParts {
  /** Where the gateway is; empty for where the page came from. */
  readonly base?: string;
  readonly fetch?: typeof fetch;
  readonly openSocket?: OpenSocket;
  readonly place?: Place;
  readonly device?: () => Storage;
  readonly tab?: () => Storage;
  readonly locks?: LockManager | undefined;
  readonly random?: () => number;
}

/**
 * A shop that has not started. Make it before anything else runs: it takes a token out of the
 * address.
 */
export function createShop(parts: ShopParts = {}): Shop {
  const random = parts.random ?? Math.random;
  const device = keepIn(parts.device ?? (() => localStorage));
  const tab = keepIn(parts.tab ?? (() => sessionStorage));
  const place = parts.place ?? { location, history };
  takeToken(place, tab);

  const clock = createServerClock();
  const ticks = createTicks(clock.now);
  const gateway = createGateway({
    ...parts,
    token: () => tokenOf(tab),
    onUnauthorized: (token) => {
      identity.refused(token);
    },
    onServerTime: (...sample) => {
      clock.learn(...sample);
      ticks.realign();
    },
  });
  const identity = createIdentity({ gateway, device, tab, place });
  const catalogue = createCatalogue(clock.now);
  const connection = signal<Connection>("connecting");
  const journal = createJournal(device, clock.now);
  const withLock = createLocks(device, "locks" in parts ? parts.locks : webLocks());
  const passes = createPasses({
    gateway,
    catalogue,
    shopper: identity.shopper,
    now: clock.now,
    random,
  });
  const pursuit = createPursuit({
    gateway,
    journal,
    catalogue,
    passes,
    withLock,
    now: clock.now,
    random,
    mayAct: ({ userId }) => {
      const session = identity.session.get();
      return session.state === "ready" && session.userId === userId;
    },
    isLive: () => socket.isLive.get(),
    refreshSales: () => {
      polling.hurry();
    },
  });
  const buying = createBuying({ journal, pursuit, identity, withLock, now: clock.now });

  const socket = createSocket({
    open: parts.openSocket ?? openSocketIo(parts.base),
    credentials: identity.credentials,
    events: {
      "stock-update": ({ productId, stock }) => {
        catalogue.stock(productId, stock);
      },
      "sale-status": (event) => {
        catalogue.status(event);
        polling.setAlarm();
      },
      "lane-progress": ({ productId, settled }) => {
        pursuit.laneMoved(productId, settled);
      },
      order_confirmed: ({ jobId, orderId, expiresAt }) => {
        pursuit.heard(jobId, "confirmed", orderId, { expiresAt: instant(expiresAt) });
      },
      order_paid: ({ jobId, orderId }) => {
        pursuit.heard(jobId, "confirmed", orderId);
      },
      order_cancelled: ({ jobId, orderId, reason }) => {
        pursuit.heard(jobId, "cancelled", orderId, { reason });
      },
      order_rejected: ({ jobId, reason }) => {
        pursuit.heard(jobId, reason, null);
      },
    },
    onConnect: () => {
      polling.hurry();
      pursuit.hurry();
    },
    onDown: (isRefused) => {
      polling.socketDown(isRefused);
    },
  });
  const polling = createPolling({
    gateway,
    identity,
    catalogue,
    socket,
    connection,
    clock,
    random,
  });

  const start = () => {
    const onStorage = ({ key }: StorageEvent) => {
      if (key !== null && !key.startsWith(PREFIX)) return;
      journal.reread(key?.slice(PREFIX.length));
      pursuit.resume();
    };
    const onReturn = () => {
      if (document.hidden) return;
      polling.hurry();
      pursuit.hurry();
    };
    const stops = [
      listen(window, "storage", onStorage as EventListener),
      listen(window, "online", onReturn),
      listen(window, "pageshow", onReturn),
      listen(document, "visibilitychange", onReturn),
      identity.session.subscribe(() => {
        socket.renew();
        buying.lookWho();
        polling.setAlarm();
        passes.prepare();
      }),
      catalogue.sales.subscribe(passes.prepare),
      polling.start(),
      socket.close,
      pursuit.stop,
      passes.stop,
    ];
    socket.renew();
    buying.lookWho();
    return () => {
      for (const stop of stops) stop();
    };
  };

  return { clock, ticks, identity, catalogue, connection, buying, gateway, start };
}

/** The browser's locks; none on plain http. */
function webLocks(): LockManager | undefined {
  return (navigator as { locks?: LockManager }).locks;
}

function listen(target: EventTarget, event: string, listener: EventListener): () => void {
  target.addEventListener(event, listener);
  return () => {
    target.removeEventListener(event, listener);
  };
}
