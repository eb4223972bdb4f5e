import { signal } from "../lib/signal";
import type { Readable } from "../lib/signal";
import type { SaleStatusEvent } from "./catalogue";

/** How the page hears of news. */
export type Connection =
  /** Not yet known. */
  | "connecting"
  /** By socket, as it happens. */
  | "live"
  /** By asking every few seconds. */
  | "polling"
  /** Not at all: nobody answers. */
  | "offline";

/** What the socket says, spelled as the gateway does. */
export interface Events {
  "stock-update": (event: { productId: string; stock: number }) => void;
  "sale-status": (event: SaleStatusEvent) => void;
  "lane-progress": (event: { productId: string; settled: number; waiting: number }) => void;
  order_confirmed: (event: {
    jobId: string;
    orderId: number;
    productId: string;
    expiresAt?: string;
  }) => void;
  order_paid: (event: { jobId: string; orderId: number; productId: string }) => void;
  order_cancelled: (event: {
    jobId: string;
    orderId: number;
    productId: string;
    reason: string | null;
  }) => void;
  order_rejected: (event: { jobId: string; productId: string; reason: string }) => void;
}

/** As loose as Socket.io's own type. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Listener = (...args: any[]) => void;

/** The part of a Socket.io client that is used. */
export interface SocketLike {
  /** False when it will not connect again by itself. */
  readonly active: boolean;
  readonly connect: () => unknown;
  readonly disconnect: () => unknown;
  readonly on: (event: string, listener: Listener) => unknown;
}

/** How a socket is made; `credentials` is asked before each attempt. */
export type OpenSocket = (credentials: () => object) => Promise<SocketLike>;

/** What a socket tells and needs. */
export interface SocketParts {
  readonly open: OpenSocket;
  /** Who we are; null when the gateway would refuse us. */
  readonly credentials: () => object | null;
  readonly events: Events;
  /** The gateway let us in, at first or again. */
  readonly onConnect: () => void;
  /** It is gone, or an attempt failed; `isRefused` when it will not try again by itself. */
  readonly onDown: (isRefused: boolean) => void;
}

/** The socket of the page. */
export interface LiveSocket {
  readonly isLive: Readable<boolean>;
  /** Connects as who we are now, anew if that has changed; without credentials not at all. */
  readonly renew: () => void;
  /** Connects at once if it is waiting to. */
  readonly hurry: () => void;
  readonly close: () => void;
}

/** A socket that is not connected yet. */
export function createSocket(parts: SocketParts): LiveSocket {
  const isLive = signal(false);
  let socket: SocketLike | null = null;
  let isOpening = false;
  let isWanted = false;
  let as = "";

  const listen = (fresh: SocketLike) => {
    fresh.on("connect", () => {
      isLive.set(true);
      parts.onConnect();
    });
    for (const event of ["disconnect", "connect_error"]) {
      fresh.on(event, () => {
        isLive.set(false);
        if (isWanted) parts.onDown(!fresh.active);
      });
    }
    for (const [event, listener] of Object.entries(parts.events))
      fresh.on(event, listener as Listener);
  };

  const open = async () => {
    isOpening = true;
    try {
      const fresh = await parts.open(() => parts.credentials() ?? {});
      listen(fresh);
      socket = fresh;
      if (isWanted) fresh.connect();
    } catch {
      // The code of the socket could not be fetched; `hurry` and `renew` try again.
      parts.onDown(false);
    } finally {
      isOpening = false;
    }
  };

  const drop = () => {
    isWanted = false;
    socket?.disconnect();
    isLive.set(false);
  };

  return {
    isLive,
    renew: () => {
      const credentials = parts.credentials();
      const who = JSON.stringify(credentials);
      if (who !== as) drop();
      as = who;
      if (!credentials) return;
      isWanted = true;
      if (socket) socket.connect();
      else if (!isOpening) void open();
    },
    hurry: () => {
      if (!isWanted || isLive.get()) return;
      if (socket) {
        if (!socket.active) socket.connect();
      } else if (!isOpening) void open();
    },
    close: drop,
  };
}

/** A Socket.io client, fetched only now: the first paint does not wait for it. */
export const openSocketIo =
  (base = ""): OpenSocket =>
  async (credentials) => {
    const { io } = await import("socket.io-client");
    const options = {
      autoConnect: false,
      // A socket of another shopper must not be found in the cache of managers.
      forceNew: true,
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 8000,
      timeout: 8000,
      auth: (give: (data: object) => void) => {
        give(credentials());
      },
    };
    return base ? io(base, options) : io(options);
  };
