import { useEffect, useRef } from "react";

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
