import type { ReactNode } from "react";

import { Link } from "../lib/router";
import { Announcer } from "./announcer";
import { Footer } from "./footer";
import { MEASURE } from "./measure";
import { Wordmark } from "./wordmark";

interface LayoutProps {
  /** Right of the shop's name in the header. */
  nav?: ReactNode;
  /** Above everything, for what concerns the whole page. */
  banner?: ReactNode;
  children: ReactNode;
}

/** What every page has: skip link, header, `main`, footer and the live regions. */
export function Layout({ nav, banner, children }: LayoutProps) {
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        className="sr-only z-20 rounded-control bg-surface px-4 py-3 font-semibold focus:not-sr-only focus:absolute focus:top-3 focus:left-3"
      >
        Skip to the content
      </a>
      <header className="border-b border-line">
        <div className={`${MEASURE} flex min-h-16 items-center justify-between gap-4`}>
          <Link href="/" className="flex min-h-11 items-center rounded-control">
            <Wordmark />
          </Link>
          {nav}
        </div>
      </header>
      {banner}
      <main id="main" tabIndex={-1} className={`${MEASURE} grow pt-8 pb-16 sm:pb-24`}>
        {children}
      </main>
      <Footer />
      <Announcer />
    </div>
  );
}
