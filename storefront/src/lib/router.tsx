import {
  useEffect,
  useRef,
  useSyncExternalStore,
  type ComponentProps,
  type MouseEvent,
} from "react";

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
function goTo(path: string): void {
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

/** A link to a page of the shop: goes there without loading it, unless a new tab is asked for. */
export function Link({ href, children, ...rest }: ComponentProps<"a"> & { href: string }) {
  const follow = (event: MouseEvent) => {
    if (event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)) {
      event.preventDefault();
      goTo(href);
    }
  };
  return (
    <a href={href} onClick={follow} {...rest}>
      {children}
    </a>
  );
}

/**
 * What a browser does when it loads a page, for pages that are not loaded: the reader starts at
 * the heading.
 */
export function useFocusOnNavigation(path: string): void {
  const shown = useRef(path);

  useEffect(() => {
    if (shown.current === path) {
      return;
    }
    shown.current = path;
    const start = document.querySelector<HTMLElement>("main h1") ?? document.querySelector("main");
    start?.focus({ preventScroll: true });
  }, [path]);
}
