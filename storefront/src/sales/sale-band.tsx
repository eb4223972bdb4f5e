import type { ReactNode } from "react";

import { useServerNow } from "../clock/hooks";
import type { Sale, SaleStatus } from "../live/sale";
import { formatDate, formatSoon } from "../ui/instants";
import { ClockDigits } from "./clock-digits";
import { useOpeningAnnouncements } from "./use-opening-announcements";

const HOUR = 3_600_000;

const headlines: Record<SaleStatus, string> = {
  Scheduled: "Opens soon",
  Open: "Open now",
  SoldOut: "Sold out",
  Suspended: "Paused",
  Draining: "Sale over",
  Closed: "Sale over",
};

/** Where the sale stands, with a clock while one matters; as tall in every state. */
export function SaleBand({ sale }: { sale: Sale }) {
  useOpeningAnnouncements(sale);
  const { status, opensAt } = sale;
  const isOpen = status === "Open";
  const clock =
    status === "Scheduled" && opensAt !== null ? (
      <ClockDigits at={opensAt} label="Time until the opening" />
    ) : isOpen && sale.closesAt !== null ? (
      <ClosingClock at={sale.closesAt} />
    ) : null;

  return (
    <Band>
      <div className="grid gap-1.5">
        <p className="flex items-center gap-3 font-display text-2xl leading-8 font-bold tracking-tight">
          <span
            className={`size-3 rounded-full ${isOpen ? "animate-breathe bg-act" : "bg-night-muted"}`}
          />
          {headlines[status]}
        </p>
        <p className="text-night-muted">{explanation(sale)}</p>
      </div>
      {clock}
    </Band>
  );
}

/** The band itself, also while nothing is known. */
export function Band({ children }: { children?: ReactNode }) {
  return (
    <div className="grid min-h-48 content-center gap-6 rounded-card bg-night p-6 text-night-ink sm:flex sm:min-h-40 sm:items-center sm:justify-between sm:px-10">
      {children}
    </div>
  );
}

/** Runs in the last hour alone: a clock that has days to go hurries nobody. */
function ClosingClock({ at }: { at: number }) {
  const now = useServerNow(10_000);
  return at - now < HOUR ? <ClockDigits at={at} label="Time until the closing" /> : null;
}

function explanation({ status, opensAt, closesAt }: Sale): string {
  switch (status) {
    case "Scheduled":
      return opensAt === null ? "The time will be shown here." : formatSoon(opensAt);
    case "Open":
      return closesAt === null
        ? "While stock lasts"
        : `While stock lasts, until ${formatDate(closesAt)}`;
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
