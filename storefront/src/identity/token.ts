import type { Keep } from "../lib/storage";

/** Under which the tab keeps the token. */
const KEY = "flashsale:token";

/** What a token says of itself. It is not checked here: the gateway does that. */
export interface Claims {
  readonly subject: string | null;
  /** From when on it is not accepted, in milliseconds since the Unix epoch. */
  readonly expiresAt: number | null;
}

/** The part of a window that carries the address. */
export interface Place {
  readonly location: Pick<Location, "href" | "hash" | "assign">;
  readonly history: Pick<History, "replaceState" | "state">;
}

/**
 * Takes a token handed in as `#token=…` out of the address, before anybody can copy, bookmark or
 * log it, and keeps it for this tab alone.
 */
export function takeToken({ location, history }: Place, tab: Keep): void {
  const parts = new URLSearchParams(location.hash.slice(1));
  const token = parts.get("token");
  if (token === null) return;
  parts.delete("token");
  const rest = parts.toString();
  const address = location.href.split("#", 1).join("") + (rest === "" ? "" : `#${rest}`);
  history.replaceState(history.state, "", address);
  if (token !== "") tab.set(KEY, token);
}

/** The token of this tab. */
export function tokenOf(tab: Keep): string | null {
  return tab.get(KEY);
}

/** Forgets the token of this tab. */
export function dropToken(tab: Keep): void {
  tab.remove(KEY);
}

/** What `token` says; nothing where it is not a JSON Web Token. */
export function claimsOf(token: string): Claims {
  try {
    const payload = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    // What counts is ASCII: the gateway accepts no other subject.
    const { sub, exp } = JSON.parse(atob(payload)) as Record<string, unknown>;
    return {
      subject: typeof sub === "string" ? sub : null,
      expiresAt: typeof exp === "number" ? exp * 1000 : null,
    };
  } catch {
    return { subject: null, expiresAt: null };
  }
}
