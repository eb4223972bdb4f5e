import { useEffect, useState } from "react";

import { Announcer } from "../ui/announcer";
import { Board } from "./board";
import { Gate } from "./gate";
import { dropToken, keepToken, takeToken } from "./token";

/** A token in use, and how many were tried: the same one again is another try. */
interface Attempt {
  readonly token: string | null;
  readonly number: number;
}

/** The page of those who run the sale; behind the operations token. */
export default function OperationsPage() {
  const [attempt, setAttempt] = useState<Attempt>(() => ({ token: takeToken(), number: 0 }));

  const open = (token: string | null) => {
    setAttempt(({ number }) => ({ token, number: number + 1 }));
  };
  const enter = (token: string) => {
    keepToken(token);
    open(token);
  };
  const leave = () => {
    dropToken();
    open(null);
  };

  useEffect(() => {
    // A link with a token, opened in a tab that shows this page already, loads nothing.
    const handedIn = () => {
      if (new URLSearchParams(location.hash.slice(1)).has("token")) {
        open(takeToken());
      }
    };
    window.addEventListener("hashchange", handedIn);
    return () => {
      window.removeEventListener("hashchange", handedIn);
    };
  }, []);

  return (
    <>
      <main id="main" tabIndex={-1} className="mx-auto w-full max-w-[100rem] px-4 py-4 sm:px-6">
        {attempt.token === null ? (
          <Gate refusedBy={null} onEnter={enter} />
        ) : (
          <Board key={attempt.number} token={attempt.token} onEnter={enter} onLeave={leave} />
        )}
      </main>
      <Announcer />
    </>
  );
}
