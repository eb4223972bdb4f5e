import type { Buy } from "../buying/buy";
import { useServerNow } from "../shop/hooks";
import { sentence } from "../server/sentences";
import { Spinner } from "../ui/elements";
import { BuyButton } from "./buy-button";

interface SendingButtonProps {
  product: string;
  state: Extract<Buy["state"], { is: "sending" }>;
  onPress: () => void;
}

/** A buy on its way, or waiting to be sent again. Pressing again joins it. */
export function SendingButton({ product, state, onPress }: SendingButtonProps) {
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
