import { useEffect, useRef, useState, type ReactNode } from "react";

import type { Countdown } from "../lib/clock";
import type { Sale, SaleStatus } from "../live/sale";
import { useCountdown, useServerNow, useShop } from "../shop/hooks";
import { announce } from "../ui/announcer";
import { formatDate, formatSoon, formatTime } from "../ui/format";
import { PageHeading } from "../ui/layout";
import { saleTitle } from "./words";

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

interface ClockDigitsProps {
  /** What it runs towards, in milliseconds since the Unix epoch by the server's clock. */
  at: number;
  /** Its accessible name. */
  label: string;
}

/** A clock that runs down in large digits; its last ten seconds glow. */
function ClockDigits({ at, label }: ClockDigitsProps) {
  const left = useCountdown(at);
  const { days, hours, minutes, seconds } = left;
  const isNear = days + hours + minutes === 0 && seconds <= 10;
  return (
    <div role="timer" aria-live="off" aria-label={label}>
      <span className="sr-only">{spoken(left)}</span>
      <div
        aria-hidden="true"
        className={`flex justify-between gap-3 transition-colors duration-500 max-sm:max-w-80 sm:gap-8 ${isNear ? "text-act" : ""}`}
      >
        {days > 0 ? <Unit value={days} name={days === 1 ? "day" : "days"} /> : null}
        <Unit value={hours} name="hours" />
        <Unit value={minutes} name="minutes" />
        <Unit value={seconds} name="seconds" />
      </div>
    </div>
  );
}

function Unit({ value, name }: { value: number; name: string }) {
  return (
    <span className="grid gap-1.5">
      <span className="font-display text-5xl leading-none font-bold tracking-tight tabular-nums sm:text-6xl lg:text-7xl">
        {String(value).padStart(2, "0")}
      </span>
      <span className="text-sm leading-5 text-night-muted">{name}</span>
    </span>
  );
}

/** The same in words: "2 hours, 14 minutes, 9 seconds". */
function spoken({ days, hours, minutes, seconds }: Countdown): string {
  const units = { day: days, hour: hours, minute: minutes, second: seconds };
  const words = Object.entries(units)
    .filter(([unit, value]) => value > 0 || unit === "second")
    .map(([unit, value]) => `${value} ${unit}${value === 1 ? "" : "s"}`);
  return words.join(", ");
}

/** What is said how many milliseconds before the opening. */
const WORDS: readonly (readonly [number, string])[] = [
  [60_000, "Opens in one minute"],
  [10_000, "Opens in ten seconds"],
];

/** Tells screen readers that the opening is near, and that it has come. */
function useOpeningAnnouncements({ status, opensAt }: Sale): void {
  const { clock } = useShop();
  const before = useRef(status);

  useEffect(() => {
    if (before.current === "Scheduled" && status === "Open") {
      announce("Open now");
    }
    before.current = status;
  }, [status]);

  useEffect(() => {
    if (status !== "Scheduled" || opensAt === null) {
      return undefined;
    }
    const timers = WORDS.map(([early, sentence]) => {
      const wait = opensAt - early - clock.now();
      // Longer waits than a timer can take are for another visit.
      return wait > 0 && wait < 2 ** 31 ? setTimeout(announce, wait, sentence) : undefined;
    });
    return () => {
      for (const timer of timers) {
        clearTimeout(timer);
      }
    };
  }, [status, opensAt, clock]);
}
