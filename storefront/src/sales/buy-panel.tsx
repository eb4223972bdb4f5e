import { memo, useRef } from "react";

import { isPending } from "../buying/buy";
import { useBuy, useSession, useIsSoldOut } from "../shop/hooks";
import type { Product, Sale } from "../live/sale";
import { asleepWords } from "./asleep-words";
import { BuyButton } from "./buy-button";
import { LinePanel } from "./line-panel";
import { OutcomePanel } from "./outcome-panel";
import { SendingButton } from "./sending-button";
import { SignInPanel } from "./sign-in-panel";
import { useKeptFocus } from "./use-kept-focus";

interface BuyPanelProps {
  sale: Sale;
  product: Product;
}

/** Where one buys: the button, and after the press what has become of it, in the same room. */
export const BuyPanel = memo(function BuyPanel({ sale, product }: BuyPanelProps) {
  const box = useRef<HTMLDivElement>(null);
  const { buy } = useBuy(sale, product);
  useKeptFocus(box, buy?.state.is ?? "none");
  return (
    <div
      ref={box}
      tabIndex={-1}
      role="group"
      aria-label={`Your order of ${product.name}`}
      className="grid min-h-32"
    >
      <BuyState sale={sale} product={product} />
    </div>
  );
});

function BuyState({ sale, product }: BuyPanelProps) {
  const { buy, press, again } = useBuy(sale, product);
  const { needsSignIn } = useSession();
  const asleep = asleepWords(sale, useIsSoldOut(sale.sale, product.productId));

  if (needsSignIn && (!buy || isPending(buy))) {
    return <SignInPanel product={product.name} isWaiting={buy !== null} />;
  }
  if (buy?.state.is === "sending") {
    return <SendingButton product={product.name} state={buy.state} onPress={press} />;
  }
  if (buy?.state.is === "queued") {
    return <LinePanel position={buy.state.position} />;
  }
  if (buy) {
    const isRefused = buy.state.is === "refused";
    return (
      <OutcomePanel
        buy={buy}
        product={product}
        mayBuy={asleep === null}
        onAgain={isRefused ? press : again}
      />
    );
  }
  if (asleep) {
    return (
      <BuyButton product={product.name} words={asleep.words} isAsleep>
        {asleep.note}
      </BuyButton>
    );
  }
  return (
    <BuyButton product={product.name} onPress={press}>
      One press is one order. You see your place in line at once.
    </BuyButton>
  );
}
