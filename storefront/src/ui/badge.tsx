import type { ReactNode } from "react";

/** What a badge tells by its colour, besides its words. */
export type Tone = "neutral" | "live" | "good" | "bad" | "wait";

const tones: Record<Tone, string> = {
  neutral: "bg-sunken text-muted",
  live: "bg-night text-night-ink",
  good: "bg-good-wash text-good",
  bad: "bg-bad-wash text-bad",
  wait: "bg-wait-wash text-wait",
};

/** A short word on a state. `live` has a dot that breathes. */
export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={`inline-flex items-center gap-2 rounded-full px-3 py-1 text-sm font-semibold whitespace-nowrap ${tones[tone]}`}
    >
      {tone === "live" && <span className="size-2 animate-breathe rounded-full bg-act" />}
      {children}
    </span>
  );
}
