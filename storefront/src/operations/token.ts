import { keepIn } from "../lib/storage";

/** Its own name: the shop keeps the token of a shopper beside it. */
const KEY = "flashsale:operations-token";

const tab = keepIn(() => sessionStorage);

/**
 * The token this tab works with: handed in by `#token=` in the address, or kept from before.
 *
 * It is taken out of the address at once, so that it is in no bookmark, history or screenshot.
 */
export function takeToken(): string | null {
  const handedIn = new URLSearchParams(location.hash.slice(1)).get("token");
  if (handedIn) {
    history.replaceState(history.state, "", location.pathname + location.search);
    keepToken(handedIn);
  }
  return tab.get(KEY);
}

/** Keeps a token for as long as the tab lives. */
export function keepToken(token: string): void {
  tab.set(KEY, token);
}

/** Forgets the token. */
export function dropToken(): void {
  tab.remove(KEY);
}
