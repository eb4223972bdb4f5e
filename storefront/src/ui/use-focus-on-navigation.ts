import { useEffect, useRef } from "react";
import { useLocation } from "wouter";

/**
 * What a browser does when it loads a page, for pages that are not loaded: the reader starts at
 * the heading, at the top. Going back keeps the place that the browser remembers.
 */
export function useFocusOnNavigation(): void {
  const [path] = useLocation();
  const shown = useRef(path);
  const wentBack = useRef(false);

  useEffect(() => {
    const remember = () => {
      wentBack.current = true;
    };
    window.addEventListener("popstate", remember);
    return () => {
      window.removeEventListener("popstate", remember);
    };
  }, []);

  useEffect(() => {
    if (shown.current === path) {
      return;
    }
    shown.current = path;
    const start = document.querySelector<HTMLElement>("main h1") ?? document.querySelector("main");
    start?.focus({ preventScroll: true });
    if (!wentBack.current) {
      window.scrollTo(0, 0);
    }
    wentBack.current = false;
  }, [path]);
}
