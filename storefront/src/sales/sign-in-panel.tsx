import { useSession } from "../shop/hooks";
import { BuyButton } from "./buy-button";

interface SignInPanelProps {
  product: string;
  /** Whether a press waits for it. */
  isWaiting: boolean;
}

/** In place of the button while nobody is signed in who could own an order. */
export function SignInPanel({ product, isWaiting }: SignInPanelProps) {
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
