/** What is left until an instant, for people. */
export interface Countdown {
  readonly days: number;
  /** 0 to 23. */
  readonly hours: number;
  /** 0 to 59. */
  readonly minutes: number;
  /** 0 to 59. */
  readonly seconds: number;
  /** True from the instant on, never before. */
  readonly isOver: boolean;
}

/** Whole seconds from `now` until `at` (both in milliseconds), rounded up: 0 only from `at` on. */
export function secondsUntil(at: number, now: number): number {
  return Math.max(0, Math.ceil((at - now) / 1000));
}

/** `seconds` as days, hours, minutes and seconds. */
export function countdown(seconds: number): Countdown {
  return {
    days: Math.floor(seconds / 86_400),
    hours: Math.floor(seconds / 3600) % 24,
    minutes: Math.floor(seconds / 60) % 60,
    seconds: seconds % 60,
    isOver: seconds === 0,
  };
}
