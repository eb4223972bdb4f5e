import type { ComponentProps, ReactNode } from "react";

import { isUnpaid, type Buy } from "../buying/buy";
import { Link } from "../lib/router";
import type { Product } from "../live/sale";
import { Button, Icon } from "../ui/elements";
import { formatCount } from "../ui/format";
import { PaymentNote } from "./payment-note";
import { limitWords, outcomeWords } from "./words";

interface OutcomePanelProps {
  buy: Buy;
  product: Product;
  /** Whether another press could be served now. */
  mayBuy: boolean;
  onAgain: () => void;
}

/** How a buy ended. */
export function OutcomePanel({ buy, product, mayBuy, onAgain }: OutcomePanelProps) {
  const headline = outcomeWords(buy);
  const again = (words: string) =>
    mayBuy && (
      <Button size="small" onClick={onAgain}>
        {words}
      </Button>
    );

  switch (buy.state.is) {
    case "confirmed":
      return (
        <Panel
          tone={isUnpaid(buy) ? "wait" : "good"}
          sign="check"
          headline={headline}
          action={
            <>
              <Link
                href="/my-orders"
                className="text-sm leading-9 font-semibold underline underline-offset-4"
              >
                See my orders
              </Link>
              {product.maxPerUser !== 1 && again("Buy one more")}
            </>
          }
        >
          {isUnpaid(buy) && <PaymentNote buy={buy} />}
        </Panel>
      );
    case "cancelled":
      return (
        <Panel tone="over" sign="cross" headline={headline} action={again("Try again")}>
          <PaymentNote buy={buy} />
        </Panel>
      );
    case "sold_out":
      return <SoldOutPanel action={again("Try again")} />;
    case "limit_reached":
      return (
        <Panel tone="wait" sign="info" headline={headline}>
          {limitWords(product.maxPerUser)} This press bought nothing more.
        </Panel>
      );
    case "failed":
      return (
        <Panel tone="bad" sign="cross" headline={headline} action={again("Try again")}>
          Nothing was bought.
        </Panel>
      );
    case "refused":
      return buy.state.problem === "sold-out" ? (
        <SoldOutPanel action={again("Try again")} />
      ) : (
        <Panel tone="bad" sign="cross" headline={headline} action={again("Try again")} />
      );
    default:
      return null;
  }
}

function SoldOutPanel({ action }: { action: ReactNode }) {
  return (
    <Panel tone="over" sign="cross" headline="Sold out" action={action}>
      Nothing was bought.
    </Panel>
  );
}

/** Taken, and in line: the place is what the shopper looks at, so it is what is large. */
export function LinePanel({ position }: { position: number | null }) {
  return (
    <div className="grid animate-appear grid-cols-[auto_1fr] content-center items-center gap-x-4 gap-y-1.5 rounded-panel bg-night px-5 py-3 text-night-ink">
      {/* One sentence to a reader; its last word is set large in the row below. */}
      <p className="contents">
        <span className="col-span-2 flex items-center gap-3 text-lg leading-7 font-bold">
          <span className="size-2.5 animate-breathe rounded-full bg-act" />
          {position === null ? "You are in line" : "You are in line, position "}
        </span>
        {position !== null && (
          <span className="font-display text-5xl leading-none font-bold tracking-tight text-act tabular-nums">
            {formatCount(position)}
          </span>
        )}
      </p>
      <p className="text-sm leading-5 text-pretty text-night-muted">
        Your place is kept, even if you leave this page.
      </p>
    </div>
  );
}

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
function Panel({ tone, sign, headline, children, action }: PanelProps) {
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
