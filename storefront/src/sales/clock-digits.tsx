import type { Countdown } from "../lib/clock";
import { useCountdown } from "../shop/hooks";

interface ClockDigitsProps {
  /** What it runs towards, in milliseconds since the Unix epoch by the server's clock. */
  at: number;
  /** Its accessible name. */
  label: string;
}

/** A clock that runs down in large digits; its last ten seconds glow. */
export function ClockDigits({ at, label }: ClockDigitsProps) {
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
