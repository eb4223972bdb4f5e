import { useLayoutEffect, useRef, type RefObject } from "react";

/**
 * Keeps the keyboard where it is while the content of `box` is exchanged: when what had the focus
 * goes away, the box gets it. `state` names the content.
 */
export function useKeptFocus(box: RefObject<HTMLElement | null>, state: string): void {
  const hadFocus = useRef(false);

  useLayoutEffect(() => {
    const element = box.current;
    if (hadFocus.current && document.activeElement === document.body) {
      element?.focus({ preventScroll: true });
    }
  }, [box, state]);

  useLayoutEffect(() => {
    const element = box.current;
    const remember = () => {
      hadFocus.current = true;
    };
    const forget = (event: FocusEvent) => {
      // Without a successor it was not left but lost.
      hadFocus.current = event.relatedTarget === null;
    };
    element?.addEventListener("focusin", remember);
    element?.addEventListener("focusout", forget);
    return () => {
      element?.removeEventListener("focusin", remember);
      element?.removeEventListener("focusout", forget);
    };
  }, [box]);
}
