import { formatCount } from "../ui/format";

const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/** A mean: with a tenth where that tells something, as a count where it does not. */
export function formatMean(sum: number, count: number): string {
  if (count === 0) {
    return "–";
  }
  const mean = sum / count;
  return mean < 10 ? tenths.format(mean) : formatCount(Math.round(mean));
}

/** A span of time in its two largest units: 0.4 s, 42 s, 3 min 12 s, 2 h 5 min, 3 d 4 h. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 9.95) {
    return `${tenths.format(seconds)} s`;
  }
  const whole = Math.round(seconds);
  if (whole < 60) {
    return `${whole} s`;
  }
  if (whole < 3600) {
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 24 * 60) {
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A clock that runs down, in seconds for two days: 04:09, 1:04:09, 1 d 1:04:09, 3 d 4 h. */
export function formatTicking(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const two = (value: number) => String(value).padStart(2, "0");
  const short = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  if (days > 1) {
    return formatAge(milliseconds);
  }
  if (days > 0) {
    return `${days} d ${hours}:${short}`;
  }
  return hours > 0 ? `${hours}:${short}` : short;
}

/** The time of day in UTC, as the logs have it: 17:03:12. */
export function formatTimeOfDay(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** Day and time of day in UTC: 2026-11-22 17:03:12. */
export function formatMoment(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace("T", " ");
}

/** A count with its noun: 1 letter, 12 letters. */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
