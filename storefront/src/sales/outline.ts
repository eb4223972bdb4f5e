import { useCallback, useMemo, useSyncExternalStore } from "react";

import type { SaleState } from "../live/catalogue";
import { useShop } from "../live/hooks";
import type { Product, Sale } from "../live/sale";
import type { Readable } from "../live/signal";

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
