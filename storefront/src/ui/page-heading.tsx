import { useEffect } from "react";

import { SHOP_NAME } from "./wordmark";

interface PageHeadingProps {
  /** Also the title of the window. */
  title: string;
  /** Its size, where it is not the largest thing on the page. */
  className?: string;
}

/** The `h1` of a page; it names the window too, and takes the focus after a change of page. */
export function PageHeading({ title, className = "text-4xl sm:text-6xl" }: PageHeadingProps) {
  useEffect(() => {
    document.title = `${title} · ${SHOP_NAME}`;
  }, [title]);

  return (
    <h1 tabIndex={-1} className={`leading-[1.05] font-bold tracking-tight ${className}`}>
      {title}
    </h1>
  );
}
