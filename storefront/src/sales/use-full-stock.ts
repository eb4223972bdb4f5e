import { useEffect, useState } from "react";

import { keepIn } from "../live/storage";

const tab = keepIn(() => sessionStorage);

/**
 * What the stock bar calls full: the most units that this tab has seen. The shop does not tell
 * how many there were at first, and a bar that starts full at each reload would not fall.
 */
export function useFullStock(sale: string, productId: string, stock: number | null): number {
  const key = `flashsale:full:${sale}/${productId}`;
  const [full, setFull] = useState(() => Number(tab.get(key) ?? 0));
  const most = Math.max(full, stock ?? 0);
  if (most > full) {
    setFull(most);
  }
  useEffect(() => {
    tab.set(key, String(most));
  }, [key, most]);
  return most;
}
