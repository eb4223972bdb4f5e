interface Price {
  price: number;
  /** An ISO 4217 code; none is that of dollars. */
  currency: string | undefined;
}

const count = new Intl.NumberFormat("en-US");

/** A price in minor units of a currency, as the shopper's locale writes it: $1,249.00, ¥1,249. */
export function formatPrice({ price, currency = "USD" }: Price): string {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 0;
  // As text, which is read exactly: a division would round the largest prices.
  return format.format(`${price}e-${digits}` as `${number}`);
}

/** A count with thousands set apart: 16,210. */
export function formatCount(number: number): string {
  return count.format(number);
}

const day = new Intl.DateTimeFormat("en-US", { weekday: "long", day: "numeric", month: "long" });
const date = new Intl.DateTimeFormat("en-US", { day: "numeric", month: "long", year: "numeric" });
const time = new Intl.DateTimeFormat("en-US", { hour: "numeric", minute: "2-digit" });

/** A moment soon, in the shopper's own time zone: "Sunday, November 22 at 6:00 PM". */
export function formatSoon(at: number): string {
  return `${day.format(at)} at ${time.format(at)}`;
}

/** The time of day: "6:00 PM". */
export function formatTime(at: number): string {
  return time.format(at);
}

const clock = new Intl.DateTimeFormat("en-US", { timeStyle: "medium" });

/** The time of day to the second: "6:00:05 PM". */
export function formatClock(at: number): string {
  return clock.format(at);
}

/** A moment at any distance: "November 22, 2026 at 6:00 PM". */
export function formatInstant(at: number): string {
  return `${date.format(at)} at ${time.format(at)}`;
}

/** A day at any distance: "January 6, 2099". */
export function formatDate(at: number): string {
  return date.format(at);
}
