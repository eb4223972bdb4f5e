import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useSyncExternalStore,
  type ReactNode,
} from "react";

import type { Buy } from "../buying/buy";
import type { Session } from "../identity/session";
import { countdown, secondsUntil, type Countdown } from "../lib/clock";
import { useSignal, type Readable } from "../lib/signal";
import type { SalesState, SaleState } from "../live/catalogue";
import type { Connection } from "../live/connection";
import type { Product, Sale } from "../live/sale";
import type { Shop } from "./shop";

/** Where hooks find the shop; `ShopProvider` gives it. */
const ShopContext = createContext<Shop | null>(null);

/** Gives `shop` to the hooks of everything inside, and keeps it running while it is mounted. */
export function ShopProvider({ shop, children }: { shop: Shop; children: ReactNode }) {
  useEffect(() => shop.start(), [shop]);
  return <ShopContext value={shop}>{children}</ShopContext>;
}

/** The shop that this part of the page belongs to. */
export function useShop(): Shop {
  const shop = useContext(ShopContext);
  if (!shop) throw new Error("put the page into <ShopProvider shop={createShop()}>");
  return shop;
}

/** Who shops here. `useSession` never shows the token itself. */
export function useSession(): Session & { signIn: () => void; signOut: () => void } {
  const { identity } = useShop();
  const session = useSignal(identity.session);
  return { ...session, signIn: identity.signIn, signOut: identity.signOut };
}

/** How the page hears of news: `live` by socket, `polling` by asking, `offline` not at all. */
export function useConnection(): Connection {
  return useSignal(useShop().connection);
}

/** All sales in force, by name. */
export function useSales(): SalesState {
  return useSignal(useShop().catalogue.sales);
}

/** One sale; renders again only when this one changes. */
export function useSale(name: string): SaleState {
  return useSignal(useShop().catalogue.sale(name));
}

/** What `useBuy` offers. */
export interface BuyHandle {
  /** The newest buy of this product. */
  readonly buy: Buy | null;
  /** Buys; joins a buy that is pending, and does nothing while a final outcome is shown. */
  readonly press: () => void;
  /** Buys one more after a final outcome; joins a buy that is pending. */
  readonly again: () => void;
}

/** The shopper's buy of one product of one sale. */
export function useBuy(sale: Sale, product: Product): BuyHandle {
  const { buying } = useShop();
  const name = sale.sale;
  const { productId, name: productName, price, currency } = product;
  const readable = useMemo(() => buying.current(name, productId), [buying, name, productId]);
  const buy = useSignal(readable);
  const wish = useMemo(
    () => ({ sale: name, productId, productName, price, currency }),
    [name, productId, productName, price, currency],
  );
  return {
    buy,
    press: useCallback(() => void buying.press(wish), [buying, wish]),
    again: useCallback(() => void buying.again(wish), [buying, wish]),
  };
}

/** The shopper's buys on this device, newest first. */
export function useBuys(): readonly Buy[] {
  return useSignal(useShop().buying.buys);
}

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

/** A sale as long as only stocks change: the same object, with stocks of any age. */
export function useOutline(name: string): SaleState {
  const { catalogue } = useShop();
  const outline = useMemo(() => withoutStock(catalogue.sale(name)), [catalogue, name]);
  return useSyncExternalStore(outline.subscribe, outline.get);
}

/** Units left; null as long as nobody has told. Renders again when that number changes. */
export function useStock(sale: string, productId: string): number | null {
  const { catalogue } = useShop();
  const state = catalogue.sale(sale);
  const get = useCallback(
    () => state.get().sale?.products.find((one) => one.productId === productId)?.stock ?? null,
    [state, productId],
  );
  return useSyncExternalStore(state.subscribe, get);
}

/** Whether nothing is left; renders again only when that changes. */
export function useIsSoldOut(sale: string, productId: string): boolean {
  const { catalogue } = useShop();
  const state = catalogue.sale(sale);
  const get = useCallback(
    () => state.get().sale?.products.find((one) => one.productId === productId)?.stock === 0,
    [state, productId],
  );
  return useSyncExternalStore(state.subscribe, get);
}

function withoutStock(source: Readable<SaleState>): Readable<SaleState> {
  let shown = source.get();
  return {
    subscribe: source.subscribe,
    get: () => {
      const next = source.get();
      if (!isSameButStock(shown, next)) {
        shown = next;
      }
      return shown;
    },
  };
}

function isSameButStock(one: SaleState, other: SaleState): boolean {
  return one === other || (one.state === other.state && isSameSale(one.sale, other.sale));
}

function isSameSale(one: Sale | null, other: Sale | null): boolean {
  if (!one || !other) {
    return one === other;
  }
  return (
    one.status === other.status &&
    one.opensAt === other.opensAt &&
    one.closesAt === other.closesAt &&
    one.products.length === other.products.length &&
    one.products.every((product, at) => isSameProduct(product, other.products[at]))
  );
}

function isSameProduct(one: Product, other: Product | undefined): boolean {
  return (
    other?.productId === one.productId &&
    other.name === one.name &&
    other.description === one.description &&
    other.price === one.price &&
    other.offered === one.offered &&
    other.maxPerUser === one.maxPerUser &&
    other.image === one.image
  );
}
