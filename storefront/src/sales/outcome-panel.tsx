import type { ReactNode } from "react";

import type { Buy } from "../buying/buy";
import type { Product } from "../live/sale";
import { Link } from "../lib/router";
import { Button } from "../ui/elements";
import { outcomeWords } from "./outcome-words";
import { Panel } from "./panel";

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
          tone="good"
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
        />
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

/** How many one shopper can have, as a sentence. */
export function limitWords(maxPerUser: number | null): string {
  if (maxPerUser === null) {
    return "";
  }
  return maxPerUser === 1 ? "One per person." : `At most ${maxPerUser} per person.`;
}
