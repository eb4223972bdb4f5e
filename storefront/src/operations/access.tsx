import { useId, useState, type SubmitEvent } from "react";

import { keepIn } from "../lib/storage";
import { Button } from "../ui/elements";
import { PageHeading } from "../ui/layout";
import { fieldClass } from "./controls";
import type { FeedState } from "./feed/state";

/** Its own name: the shop keeps the token of a shopper beside it. */
const KEY = "flashsale:operations-token";

const tab = keepIn(() => sessionStorage);

/**
 * The token this tab works with: handed in by `#token=` in the address, or kept from before.
 *
 * It is taken out of the address at once, so that it is in no bookmark, history or screenshot.
 */
export function takeToken(): string | null {
  const handedIn = new URLSearchParams(location.hash.slice(1)).get("token");
  if (handedIn) {
    history.replaceState(history.state, "", location.pathname + location.search);
    keepToken(handedIn);
  }
  return tab.get(KEY);
}

/** Keeps a token for as long as the tab lives. */
export function keepToken(token: string): void {
  tab.set(KEY, token);
}

/** Forgets the token. */
export function dropToken(): void {
  tab.remove(KEY);
}

const SENTENCES = {
  token: "This is not the operations token. Check it and try again.",
  off:
    "Operations are off. Start the gateway with --operations-token (or " +
    "FLASHSALE_OPERATIONS_TOKEN) and a token of at least 16 characters, then try again.",
};

interface GateProps {
  /** Why the last token opened nothing. */
  refusedBy: FeedState["refusedBy"];
  onEnter: (token: string) => void;
}

/** Asks for the operations token. */
export function Gate({ refusedBy, onEnter }: GateProps) {
  const [token, setToken] = useState("");
  const ids = { field: useId(), help: useId() };

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const typed = token.trim();
    if (typed !== "") {
      onEnter(typed);
    }
  };

  return (
    <div className="mx-auto max-w-md pt-8 sm:pt-20">
      <PageHeading title="Operations" className="text-3xl" />
      <p id={ids.help} className="mt-2 text-muted">
        For those who run the sale. The token is the one that the gateway was started with; this tab
        keeps it until it is closed.
      </p>
      <form
        onSubmit={submit}
        className="mt-6 grid gap-4 rounded-panel border border-line bg-surface p-5"
      >
        {refusedBy && (
          <p role="alert" className="rounded-control bg-bad-wash px-4 py-3 font-semibold text-bad">
            {SENTENCES[refusedBy]}
          </p>
        )}
        <div className="grid gap-1.5">
          <label htmlFor={ids.field} className="font-semibold">
            Operations token
          </label>
          <input
            id={ids.field}
            type="password"
            autoComplete="off"
            required
            aria-describedby={ids.help}
            aria-invalid={refusedBy === "token"}
            value={token}
            onChange={(event) => {
              setToken(event.target.value);
            }}
            className={`${fieldClass} min-h-11`}
          />
        </div>
        <Button type="submit" kind="act">
          Open
        </Button>
      </form>
    </div>
  );
}
