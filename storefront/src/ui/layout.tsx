import { useEffect, type ReactNode } from "react";

import { Link } from "../lib/router";
import { Announcer } from "./announcer";

/** The widest a page gets, and its margins. */
export const MEASURE = "mx-auto w-full max-w-6xl px-5 sm:px-8";

/** The name of the shop, in one place. */
const SHOP_NAME = "Flashsale";

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

/** The sign and name of the shop. */
function Wordmark() {
  return (
    <span className="inline-flex items-center gap-2.5 font-display text-lg font-bold tracking-tight">
      <svg viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">
        <rect width="32" height="32" rx="9" className="fill-act" />
        <path d="M18.5 4.5 8 18.2h6.6L13 27.5 24 13.4h-6.9z" className="fill-act-ink" />
      </svg>
      {SHOP_NAME}
    </span>
  );
}

/** What the shop promises, at the foot of every page. */
function Footer() {
  return (
    <footer className="border-t border-line py-10 text-sm text-muted">
      <div className={`${MEASURE} grid gap-6 sm:grid-cols-3`}>
        <p>
          <strong className="block text-ink">First come, first served.</strong>
          Places in line are given in the order presses arrive.
        </p>
        <p>
          <strong className="block text-ink">One press, one order.</strong>
          Pressing again, reloading or losing the network never buys twice.
        </p>
        <p>
          <strong className="block text-ink">Never sold twice.</strong>
          Every unit goes to one person, and sold out is said at once.
        </p>
      </div>
    </footer>
  );
}

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
