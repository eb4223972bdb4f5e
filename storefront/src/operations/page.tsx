import { useEffect, useState } from "react";

import { Announcer } from "../ui/announcer";
import { dropToken, Gate, keepToken, takeToken } from "./access";
import { Alarms, alarmsOf, useAlarmVoice, type Alarm } from "./alarms";
import { useFeed, useFeedNow } from "./feed/feed";
import type { FeedState } from "./feed/state";
import { Head, Processes, Stale, staleness } from "./head";
import { Sales } from "./sale/sales";

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

interface BoardProps {
  token: string;
  onEnter: (token: string) => void;
  onLeave: () => void;
}

/** All that one who runs a sale looks at, renewed each second. */
function Board({ token, onEnter, onLeave }: BoardProps) {
  const { feed, state } = useFeed(token);
  const now = useFeedNow(feed);
  const stale = staleness(state, now);
  const alarms = alarmsIn(state);
  useAlarmVoice(state, alarms);

  if (state.refusedBy) {
    return <Gate refusedBy={state.refusedBy} onEnter={onEnter} />;
  }
  const { figures } = state;
  return (
    <div className="grid gap-4 text-sm">
      <Head
        connection={state.connection}
        isStale={stale !== null}
        now={figures ? now : null}
        onLeave={onLeave}
      />
      <Stale staleness={stale} />
      {figures && (
        <>
          {/* Who is there, and what is wrong, is not known from old figures; the page says that. */}
          {!stale && (
            <>
              <Processes gateways={figures.gateways} workers={figures.workers} />
              <Alarms alarms={alarms} />
            </>
          )}
          <Sales token={token} state={state} now={now} />
        </>
      )}
    </div>
  );
}

function alarmsIn({ figures, connection }: FeedState): Alarm[] {
  const alarms = figures ? alarmsOf(figures) : [];
  if (connection === "lost") {
    return [{ key: "lost", sale: null, text: "The gateway does not answer." }];
  }
  if (figures && !figures.isCurrent) {
    return [{ key: "old", sale: null, text: "Redis does not answer, figures of lanes are old." }];
  }
  return alarms;
}
