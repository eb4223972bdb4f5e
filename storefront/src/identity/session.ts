import type { Keep } from "../lib/storage";
import { signal } from "../lib/signal";
import type { Readable } from "../lib/signal";
import type { Gateway, SessionView } from "../server/gateway";
import { claimsOf, dropToken, tokenOf } from "./token";
import type { Place } from "./token";
import { unique } from "../lib/unique";

/** Who shops here. */
export interface Session {
  readonly state: "loading" | "ready" | "unreachable";
  readonly auth: "off" | "jwt" | null;
  /** The shopper; null as long as nobody is signed in. */
  readonly userId: string | null;
  /** Where shoppers sign in; null when the gateway does not say. */
  readonly signInUrl: string | null;
  /** Whether there is an operations page to sign in to. */
  readonly operations: boolean;
  /** True when buying needs a sign-in first. */
  readonly needsSignIn: boolean;
}

/** Who shops here, and how that changes. */
export interface Identity {
  readonly session: Readable<Session>;
  /** Whose buys are shown and sent; null while nobody is signed in. */
  readonly shopper: () => string | null;
  /** What a socket shows on arrival; null when it would be refused. */
  readonly credentials: () => object | null;
  /** Asks the gateway who we are; true once it has answered. */
  readonly refresh: () => Promise<boolean>;
  /** The gateway did not accept `token`. */
  readonly refused: (token: string | null) => void;
  /** When the token ends, in milliseconds since the Unix epoch; infinity without one. */
  readonly expiresAt: () => number;
  /** The token has ended. */
  readonly expire: () => void;
  /** Leads to the sign-in, and back to this page. */
  readonly signIn: () => void;
  readonly signOut: () => void;
}

/** What identity is made of. */
export interface IdentityParts {
  readonly gateway: Pick<Gateway, "session">;
  /** Kept on the device. */
  readonly device: Keep;
  /** Kept for this tab. */
  readonly tab: Keep;
  readonly place: Place;
}

/** Answers after which the same token is of no use here. */
const REFUSED = new Set(["unauthorized", "subject-unsupported", "insufficient-scope"]);

/** Under which the device keeps its made-up shopper. */
const KEY = "flashsale:shopper";

/** The shopper made up for this device, where nobody signs in. */
export function deviceShopper(device: Keep): string {
  const kept = device.get(KEY);
  if (kept !== null && /^shopper-[\w-]{1,80}$/.test(kept)) return kept;
  const made = `shopper-${unique()}`;
  device.set(KEY, made);
  return made;
}

/** Nobody in particular, until `refresh` has asked. */
export function createIdentity({ gateway, device, tab, place }: IdentityParts): Identity {
  const session = signal<Session>({
    state: "loading",
    auth: null,
    userId: null,
    signInUrl: null,
    operations: false,
    needsSignIn: false,
  });

  const learn = ({ auth, userId, signInUrl, operations }: SessionView) => {
    const who = auth === "off" ? deviceShopper(device) : userId;
    const needsSignIn = who === null;
    const now = session.get();
    const next = { state: "ready", auth, userId: who, signInUrl, operations, needsSignIn } as const;
    if (JSON.stringify(now) !== JSON.stringify(next)) session.set(next);
  };

  const leave = () => {
    dropToken(tab);
    const now = session.get();
    if (now.auth !== "jwt") return;
    session.set({ ...now, userId: null, needsSignIn: true });
  };

  const refused = (token: string | null) => {
    if (token === tokenOf(tab)) leave();
  };

  return {
    session,
    shopper: () => {
      const { state, userId } = session.get();
      if (state === "ready") return userId;
      const token = tokenOf(tab);
      return token === null ? deviceShopper(device) : claimsOf(token).subject;
    },
    credentials: () => {
      const { auth, userId } = session.get();
      if (userId === null) return null;
      return auth === "jwt" ? { token: tokenOf(tab) } : { userId };
    },
    refresh: async () => {
      let answer = await gateway.session();
      if (!answer.ok && REFUSED.has(answer.problem.kind)) {
        dropToken(tab);
        answer = await gateway.session();
      }
      if (answer.ok) learn(answer.value);
      else if (session.get().state === "loading") {
        session.set({ ...session.get(), state: "unreachable" });
      }
      return answer.ok;
    },
    refused,
    expiresAt: () => {
      const token = tokenOf(tab);
      return (token === null ? null : claimsOf(token).expiresAt) ?? Infinity;
    },
    expire: leave,
    signIn: () => {
      const { signInUrl } = session.get();
      if (signInUrl !== null) place.location.assign(signInAddress(signInUrl, place.location.href));
    },
    signOut: leave,
  };
}

/** Where to sign in so as to come back to `here`. */
export function signInAddress(signInUrl: string, here: string): string {
  const address = new URL(signInUrl, here);
  address.searchParams.set("return_to", here);
  return address.href;
}
