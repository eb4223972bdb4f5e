import type { Sale } from "../live/sale";
import { formatTime } from "../ui/format";

/** What the button says while it cannot be pressed, and why. */
export interface AsleepWords {
  readonly words: string;
  readonly note: string;
}

/** Why nobody can buy now; null when everybody can. */
export function asleepWords({ status, opensAt }: Sale, isSoldOut: boolean): AsleepWords | null {
  switch (status) {
    case "Scheduled":
      return {
        words: "Opens soon",
        note: `The button wakes by itself${opensAt === null ? "" : ` at ${formatTime(opensAt)}`}. No need to reload.`,
      };
    case "Suspended":
      return { words: "Paused", note: "The sale is paused. The button wakes by itself." };
    case "Draining":
    case "Closed":
      return { words: "Sale over", note: "This sale has ended." };
    case "SoldOut":
      return soldOut;
    case "Open":
      return isSoldOut ? soldOut : null;
  }
}

const soldOut: AsleepWords = {
  words: "Sold out",
  note: "Should a unit come back, the button wakes by itself.",
};
