import type { ComponentProps, MouseEvent } from "react";

import { goTo } from "./path";

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
