import { useState, type ReactNode } from "react";

import { useServerNow } from "../shop/hooks";
import type { Sale, SaleStatus } from "../live/sale";
import { formatDate, formatSoon, formatTime } from "../ui/format";
import { PageHeading } from "../ui/layout";
import { ClockDigits } from "./clock-digits";
import { saleTitle } from "./sale-title";
import { useOpeningAnnouncements } from "./use-opening-announcements";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const headlines: Record<SaleStatus, string> = {
  Scheduled: "Opens soon",
  Open: "Open now",
  SoldOut: "Sold out",
  Suspended: "Paused",
  Draining: "Sale over",
  Closed: "Sale over",
};

/** The head of a sale: its name and where it stands, with a clock while one matters. */
export function SaleBand({ sale }: { sale: Sale }) {
  useOpeningAnnouncements(sale);
  const { status, closesAt } = sale;
  // Whoever saw the clock keeps its room: nothing may move in the moment of the opening.
  const now = useServerNow(60_000);
  const isLastDay = closesAt !== null && closesAt - now < DAY;
  const [isTall] = useState(status === "Scheduled" || isLastDay);
  return (
    <Band name={sale.sale} isTall={isTall} clock={<Clock sale={sale} />}>
      <p className="flex items-center gap-2.5 leading-6 font-bold">
        <span
          className={`size-2.5 rounded-full ${status === "Open" ? "animate-breathe bg-act" : "bg-night-muted"}`}
        />
        {headlines[status]}
      </p>
      <p className="leading-6 text-night-muted">{explanation(sale, isLastDay)}</p>
    </Band>
  );
}

interface BandProps {
  name: string;
  isTall?: boolean;
  clock?: ReactNode;
  children?: ReactNode;
}

/** The head with the name alone, as long as nothing more is known. */
export function Band({ name, isTall, clock, children }: BandProps) {
  return (
    <div
      className={`grid content-center gap-5 rounded-card bg-night p-6 text-night-ink sm:flex sm:items-center sm:justify-between sm:gap-10 sm:px-10 ${isTall ? "min-h-58 sm:min-h-40" : "min-h-38 sm:min-h-34"}`}
    >
      <div className="grid gap-2.5">
        <PageHeading title={saleTitle(name)} className="text-3xl sm:text-5xl" />
        <div className="flex min-h-6 flex-wrap gap-x-4">{children}</div>
      </div>
      {clock}
    </div>
  );
}

function Clock({ sale: { status, opensAt, closesAt } }: { sale: Sale }) {
  if (status === "Scheduled" && opensAt !== null) {
    return <ClockDigits at={opensAt} label="Time until the opening" />;
  }
  return status === "Open" && closesAt !== null ? <ClosingClock at={closesAt} /> : null;
}

/** Runs in the last hour alone: a clock that has days to go hurries nobody. */
function ClosingClock({ at }: { at: number }) {
  const now = useServerNow(10_000);
  return at - now < HOUR ? <ClockDigits at={at} label="Time until the closing" /> : null;
}

function explanation({ status, opensAt, closesAt }: Sale, isLastDay: boolean): string {
  switch (status) {
    case "Scheduled":
      return opensAt === null ? "The time will be shown here." : formatSoon(opensAt);
    case "Open":
      return closesAt === null
        ? "While stock lasts"
        : `While stock lasts, until ${isLastDay ? formatTime(closesAt) : formatDate(closesAt)}`;
    case "SoldOut":
      return "Everything is sold or spoken for.";
    case "Suspended":
      return "It goes on here by itself. Places in line are kept.";
    case "Draining":
      return "Whoever is in line still gets an answer.";
    case "Closed":
      return "Thank you for coming.";
  }
}
