import type { ReactNode } from "react";

/** What a panel tells by its colours, besides its words and its sign. */
export type PanelTone = "line" | "good" | "bad" | "wait" | "over";

const tones: Record<PanelTone, string> = {
  line: "bg-night text-night-ink",
  good: "bg-good-wash text-good",
  bad: "bg-bad-wash text-bad",
  wait: "bg-wait-wash text-wait",
  over: "bg-sunken text-ink",
};

interface PanelProps {
  tone: PanelTone;
  /** The sign before the headline. */
  sign?: ReactNode;
  headline: ReactNode;
  /** A sentence on what that means. */
  children?: ReactNode;
  /** What can be done now. */
  action?: ReactNode;
}

/** An outcome in place of the buy button; fills the room that the buy panel keeps for it. */
export function Panel({ tone, sign, headline, children, action }: PanelProps) {
  return (
    <div
      className={`grid animate-appear content-center gap-2 rounded-panel px-5 py-4 ${tones[tone]}`}
    >
      <div className="flex items-start gap-3">
        {sign}
        <p className="font-display text-lg leading-6 font-bold text-pretty">{headline}</p>
      </div>
      {children && <p className="text-sm leading-5 text-pretty">{children}</p>}
      {action && <div className="mt-1 flex flex-wrap items-center gap-x-5 gap-y-2">{action}</div>}
    </div>
  );
}
