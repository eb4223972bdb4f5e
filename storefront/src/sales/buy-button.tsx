import type { ReactNode } from "react";

import { Button } from "../ui/elements";

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
export function BuyButton({ product, words, sign, isAsleep, onPress, children }: BuyButtonProps) {
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
