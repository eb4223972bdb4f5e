import { useCallback, useMemo } from "react";

import type { Product, Sale } from "../live/sale";
import { useShop, useSignal } from "../live/hooks";
import type { Buy } from "./buy";

/** What `useBuy` offers. */
export interface BuyHandle {
  /** The newest buy of this product that was not dismissed. */
  readonly buy: Buy | null;
  /** Buys; joins a buy that is pending, and does nothing while a final outcome is shown. */
  readonly press: () => void;
  /** Buys one more after a final outcome; joins a buy that is pending. */
  readonly again: () => void;
  /** Takes a final or refused buy off the panel; final ones stay in `useBuys`. */
  readonly dismiss: () => void;
}

/** The shopper's buy of one product of one sale. */
export function useBuy(sale: Sale, product: Product): BuyHandle {
  const { buying } = useShop();
  const name = sale.sale;
  const { productId, name: productName, price } = product;
  const readable = useMemo(() => buying.current(name, productId), [buying, name, productId]);
  const buy = useSignal(readable);
  const wish = useMemo(
    () => ({ sale: name, productId, productName, price }),
    [name, productId, productName, price],
  );
  return {
    buy,
    press: useCallback(() => void buying.press(wish), [buying, wish]),
    again: useCallback(() => void buying.again(wish), [buying, wish]),
    dismiss: useCallback(() => {
      buying.dismiss(name, productId);
    }, [buying, name, productId]),
  };
}

/** The shopper's buys on this device, newest first. */
export function useBuys(): readonly Buy[] {
  return useSignal(useShop().buying.buys);
}
