import type { components } from "../server/schema";
import { batched } from "../lib/timing";
import { instant, saleAt, saleOf } from "./sale";
import type { Sale, SaleStatus } from "./sale";
import { signal } from "../lib/signal";
import type { Readable, Signal } from "../lib/signal";

/** What is known of all sales; `sales` is empty unless `ready`. */
export interface SalesState {
  readonly state: "loading" | "ready" | "unreachable";
  readonly sales: readonly Sale[];
}

/** What is known of one sale. */
export interface SaleState {
  readonly state: "loading" | "ready" | "unknown" | "unreachable";
  readonly sale: Sale | null;
}

/** Event `sale-status`. */
export interface SaleStatusEvent {
  readonly sale: string;
  readonly status: string;
  readonly opensAt: string | null;
  readonly closesAt: string | null;
}

/** All that is known of what is on sale. */
export interface Catalogue {
  readonly sales: Readable<SalesState>;
  readonly sale: (name: string) => Readable<SaleState>;
  /** Takes an answer of `GET /sales` that was asked for at `sentAt` (`performance.now()`). */
  readonly learn: (view: components["schemas"]["SalesView"], sentAt: number) => void;
  /** Nobody answered. */
  readonly miss: () => void;
  /** Event `stock-update`. */
  readonly stock: (productId: string, stock: number) => void;
  /** Event `sale-status`. */
  readonly status: (event: SaleStatusEvent) => void;
  /** Looks at the clock; answers the next instant at which it changes something, or infinity. */
  readonly look: () => number;
}

/** News by socket that may be fresher than an answer still on its way. */
interface News<T> {
  readonly what: T;
  /** By `performance.now()`. */
  readonly at: number;
}

/** Most products and sales whose news are kept; no shop offers more at once. */
const MOST = 2000;

/** An empty catalogue that opens and closes sales by `now`. */
export function createCatalogue(now: () => number): Catalogue {
  let known = new Map<string, Sale>();
  /** The known sales as the clock makes them. */
  let shown = new Map<string, Sale>();
  const stocks = new Map<string, News<number>>();
  const statuses = new Map<string, News<SaleStatusEvent>>();
  const sales = signal<SalesState>({ state: "loading", sales: [] });
  const each = new Map<string, Signal<SaleState>>();

  const stateOf = (name: string): SaleState => {
    const { state, sales: list } = sales.get();
    const sale = list.find((sale) => sale.sale === name);
    if (sale) return { state: "ready", sale };
    return { state: state === "ready" ? "unknown" : state, sale: null };
  };

  const publish = (state = sales.get().state) => {
    const at = now();
    const list = [...known.values()].map((sale) => same(shown.get(sale.sale), saleAt(sale, at)));
    shown = new Map(list.map((sale) => [sale.sale, sale]));
    const before = sales.get();
    const isSame =
      list.length === before.sales.length && list.every((sale, i) => sale === before.sales[i]);
    if (isSame && state === before.state) return;
    sales.set({ state, sales: isSame ? before.sales : list });
    for (const [name, one] of each) {
      const was = one.get();
      const is = stateOf(name);
      if (is.sale === was.sale && is.state === was.state) continue;
      // Whoever looks at a sale as it ends and goes still sees it, as ended.
      const isGone = is.state === "unknown" && was.sale !== null;
      const last: SaleState = {
        state: "ready",
        sale: was.sale && { ...was.sale, status: "Closed" },
      };
      one.set(isGone ? same(was, last) : is);
    }
  };

  /** What was told of a sale, with the news since; `before` is how it was known. */
  const amend = (before: Sale | undefined, told: Sale): Sale => {
    const news = statuses.get(told.sale)?.what;
    const products = told.products.map((product, i) => {
      const stock = stocks.get(product.productId)?.what ?? product.stock;
      return same(before?.products[i], { ...product, stock });
    });
    if (!news) return same(before, { ...told, products });
    const status = news.status as SaleStatus;
    const opensAt = instant(news.opensAt);
    return same(before, { ...told, products, status, opensAt, closesAt: instant(news.closesAt) });
  };

  const amendAll = () => {
    known = new Map([...known].map(([name, sale]) => [name, amend(sale, sale)]));
    publish();
  };
  const amendSoon = batched(amendAll);

  return {
    sales,
    sale: (name) => {
      const found = each.get(name) ?? signal(stateOf(name));
      each.set(name, found);
      return found;
    },
    learn: (view, sentAt) => {
      // News that came before the question are in the answer.
      for (const news of [stocks, statuses]) {
        for (const [key, { at }] of news) if (at < sentAt) news.delete(key);
      }
      const told = view.sales.map(saleOf);
      known = new Map(told.map((sale) => [sale.sale, amend(known.get(sale.sale), sale)]));
      publish("ready");
    },
    miss: () => {
      if (sales.get().state === "loading") publish("unreachable");
    },
    stock: (productId, stock) => {
      remember(stocks, productId, stock);
      amendSoon();
    },
    status: (event) => {
      remember(statuses, event.sale, event);
      amendAll();
    },
    look: () => {
      publish();
      const at = now();
      const instants = [...known.values()].flatMap((sale) => [sale.opensAt, sale.closesAt]);
      return Math.min(...instants.map((next) => (next !== null && next > at ? next : Infinity)));
    },
  };
}

function remember<T>(all: Map<string, News<T>>, about: string, what: T): void {
  if (all.size < MOST || all.has(about)) all.set(about, { what, at: performance.now() });
}

/** The old object where the new one says the same, so that nothing is drawn again for nothing. */
function same<T>(before: T | undefined, after: T): T {
  return before && JSON.stringify(before) === JSON.stringify(after) ? before : after;
}
