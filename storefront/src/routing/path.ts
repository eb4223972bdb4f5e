import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}

/** The path of the address, as it is and as it becomes. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname);
}

/** Goes on to another page of the shop, which begins at its top. */
export function goTo(path: string): void {
  history.pushState(null, "", path);
  window.scrollTo(0, 0);
  for (const listener of [...listeners]) {
    listener();
  }
}

/** What stands in a path after `prefix`, decoded; null when the path is another one. */
export function after(prefix: string, path: string): string | null {
  const rest = path.startsWith(prefix) ? path.slice(prefix.length).replace(/\/$/, "") : "";
  if (rest === "" || rest.includes("/")) {
    return null;
  }
  try {
    return decodeURIComponent(rest);
  } catch {
    return null;
  }
}
