import type { ComponentProps, ReactNode } from "react";

import { Icon } from "../ui/elements";

/** What a panel tells by its colours, besides its words and its sign. */
export type PanelTone = "good" | "bad" | "wait" | "over";

const tones: Record<PanelTone, string> = {
  good: "bg-good-wash text-good",
  bad: "bg-bad-wash text-bad",
  wait: "bg-wait-wash text-wait",
  over: "bg-sunken text-ink",
};

interface PanelProps {
  tone: PanelTone;
  /** The sign before the headline. */
  sign: ComponentProps<typeof Icon>["sign"];
  headline: string;
  /** A sentence on what that means. */
  children?: ReactNode;
  /** What can be done now. */
  action?: ReactNode;
}

/** An outcome in place of the buy button; fits into the room that the buy panel keeps for it. */
export function Panel({ tone, sign, headline, children, action }: PanelProps) {
  return (
    <div
      className={`grid animate-appear content-center gap-2 rounded-panel px-5 py-3 ${tones[tone]}`}
    >
      <div className="flex items-center gap-3">
        <Icon sign={sign} />
        <p className={`font-display font-bold text-pretty ${size(headline)}`}>{headline}</p>
      </div>
      <div className="flex flex-wrap items-center justify-between gap-x-5 gap-y-1.5">
        {children && <p className="text-sm leading-5 text-pretty">{children}</p>}
        {action}
      </div>
    </div>
  );
}

/** Short words are set large; a sentence is set so that it fits. */
function size(headline: string): string {
  return headline.length < 30 ? "text-xl leading-7" : "text-base leading-5";
}
