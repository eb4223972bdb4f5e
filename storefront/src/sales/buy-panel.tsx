import { memo, useLayoutEffect, useRef, type ReactNode, type RefObject } from "react";

import { isPending, type Buy } from "../buying/buy";
import type { Product, Sale } from "../live/sale";
import { sentence } from "../server/sentences";
import { useBuy, useIsSoldOut, useServerNow, useSession } from "../shop/hooks";
import { Button, Spinner } from "../ui/elements";
import { LinePanel, OutcomePanel } from "./outcome-panel";
import { asleepWords } from "./words";

interface BuyPanelProps {
  sale: Sale;
  product: Product;
}

/** Where one buys: the button, and after the press what has become of it, in the same place. */
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

/**
 * Keeps the keyboard where it is while the content of `box` is exchanged: when what had the focus
 * goes away, the box gets it. `state` names the content.
 */
function useKeptFocus(box: RefObject<HTMLElement | null>, state: string): void {
  const hadFocus = useRef(false);

  useLayoutEffect(() => {
    const element = box.current;
    if (hadFocus.current && document.activeElement === document.body) {
      element?.focus({ preventScroll: true });
    }
  }, [box, state]);

  useLayoutEffect(() => {
    const element = box.current;
    const remember = () => {
      hadFocus.current = true;
    };
    const forget = (event: FocusEvent) => {
      // Without a successor it was not left but lost.
      hadFocus.current = event.relatedTarget === null;
    };
    element?.addEventListener("focusin", remember);
    element?.addEventListener("focusout", forget);
    return () => {
      element?.removeEventListener("focusin", remember);
      element?.removeEventListener("focusout", forget);
    };
  }, [box]);
}

interface BuyButtonProps {
  /** The accessible name begins "Buy {product}". */
  product: string;
  /** What is written on it, where that is not "Buy". */
  words?: string;
  sign?: ReactNode;
  /** Asleep: it cannot be pressed. */
  isAsleep?: boolean;
  onPress?: () => void;
  /** The line under the button. */
  children?: ReactNode;
}

/** The button that all this is about, and one line on what pressing it means. */
function BuyButton({ product, words, sign, isAsleep, onPress, children }: BuyButtonProps) {
  return (
    <div className="grid content-start gap-3">
      <Button
        kind="act"
        size="large"
        disabled={isAsleep}
        onClick={onPress}
        aria-label={words ? `Buy ${product}. ${words}` : `Buy ${product}`}
        className="w-full"
      >
        {sign}
        {words ?? "Buy"}
      </Button>
      <p className="text-sm leading-5 text-pretty text-muted">{children}</p>
    </div>
  );
}

interface SendingButtonProps {
  product: string;
  state: Extract<Buy["state"], { is: "sending" }>;
  onPress: () => void;
}

/** A buy on its way, or waiting to be sent again. Pressing again joins it. */
function SendingButton({ product, state, onPress }: SendingButtonProps) {
  const note = state.because === null ? "One moment." : sentence(state.because);
  return (
    <BuyButton
      product={product}
      words={state.retryAt === null ? "Sending…" : "Trying again"}
      sign={<Spinner />}
      onPress={onPress}
    >
      {note} {state.retryAt !== null && <RetryIn at={state.retryAt} />}
    </BuyButton>
  );
}

function RetryIn({ at }: { at: number }) {
  const now = useServerNow(250);
  const seconds = Math.max(1, Math.ceil((at - now) / 1000));
  return <span className="whitespace-nowrap tabular-nums">Trying again in {seconds} s.</span>;
}

interface SignInPanelProps {
  product: string;
  /** Whether a press waits for it. */
  isWaiting: boolean;
}

/** In place of the button while nobody is signed in who could own an order. */
function SignInPanel({ product, isWaiting }: SignInPanelProps) {
  const { signInUrl, signIn } = useSession();
  if (signInUrl === null) {
    return (
      <BuyButton product={product} words="Sign in to buy" isAsleep>
        Orders need an account here. Come back signed in.
      </BuyButton>
    );
  }
  return (
    <BuyButton product={product} words="Sign in to buy" onPress={signIn}>
      {isWaiting
        ? "Your press is kept. Sign in, and it goes on."
        : "You come right back to this page."}
    </BuyButton>
  );
}
