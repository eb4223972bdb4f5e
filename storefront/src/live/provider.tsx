import { useEffect } from "react";
import type { ReactNode } from "react";

import { ShopContext } from "./hooks";
import type { Shop } from "./shop";

/** Gives `shop` to the hooks of everything inside, and keeps it running while it is mounted. */
export function ShopProvider({ shop, children }: { shop: Shop; children: ReactNode }) {
  useEffect(() => shop.start(), [shop]);
  return <ShopContext value={shop}>{children}</ShopContext>;
}
