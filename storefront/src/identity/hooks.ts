import { useSignal, useShop } from "../live/hooks";
import type { Session } from "./session";

/** Who shops here. `useSession` never shows the token itself. */
export function useSession(): Session & { signIn: () => void; signOut: () => void } {
  const { identity } = useShop();
  const session = useSignal(identity.session);
  return { ...session, signIn: identity.signIn, signOut: identity.signOut };
}
