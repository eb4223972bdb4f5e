import { createContext, useContext, useSyncExternalStore } from "react";

import type { SaleState, SalesState } from "./catalogue";
import type { Connection } from "./connection";
import type { Shop } from "./shop";
import type { Readable } from "./signal";

/** Where hooks find the shop; `ShopProvider` gives it. */
export const ShopContext = createContext<Shop | null>(null);

/** The shop that this part of the page belongs to. */
export function useShop(): Shop {
  const shop = useContext(ShopContext);
  if (!shop) throw new Error("put the page into <ShopProvider shop={createShop()}>");
  return shop;
}

/** The value of a signal, now and after each change. */
export function useSignal<T>(readable: Readable<T>): T {
  return useSyncExternalStore(readable.subscribe, readable.get);
}

/** All sales in force, by name. */
export function useSales(): SalesState {
  return useSignal(useShop().catalogue.sales);
}

/** One sale; renders again only when this one changes. */
export function useSale(name: string): SaleState {
  return useSignal(useShop().catalogue.sale(name));
}

/** How the page hears of news: `live` by socket, `polling` by asking, `offline` not at all. */
export function useConnection(): Connection {
  return useSignal(useShop().connection);
}
