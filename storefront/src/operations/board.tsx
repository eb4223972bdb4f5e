import { useId } from "react";

import { alarmsOf, type Alarm } from "./alarms";
import { Alarms } from "./head/alarms";
import { Head } from "./head/head";
import { Processes } from "./head/processes";
import { staleness, Stale } from "./head/stale";
import { useAlarmVoice } from "./head/use-alarm-voice";
import { useFeed, useFeedNow } from "./feed/hooks";
import type { FeedState } from "./feed/state";
import { Gate } from "./gate";
import { sortSales } from "./sale/order";
import { Sale } from "./sale/sale";
import { useUnfolded } from "./sale/use-unfolded";

interface BoardProps {
  token: string;
  onEnter: (token: string) => void;
  onLeave: () => void;
}

/** All that one who runs a sale looks at, renewed each second. */
export function Board({ token, onEnter, onLeave }: BoardProps) {
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

function Sales({ token, state, now }: { token: string; state: FeedState; now: number }) {
  const heading = useId();
  const sales = sortSales(state.figures?.sales ?? []);
  const [unfolded, toggle] = useUnfolded(sales);
  return (
    <section aria-labelledby={heading} className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <h2 id={heading} className="sr-only">
        Sales
      </h2>
      {sales.length === 0 && <p className="text-muted">No sale is in force.</p>}
      {sales.map((sale) => (
        <Sale
          key={sale.sale}
          token={token}
          sale={sale}
          history={state.histories.get(sale.sale) ?? null}
          now={now}
          isUnfolded={unfolded.get(sale.sale) ?? false}
          onToggle={toggle}
        />
      ))}
    </section>
  );
}
