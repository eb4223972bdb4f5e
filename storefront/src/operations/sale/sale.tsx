import { useId } from "react";

import { Badge, type Tone } from "../../ui/elements";
import { formatCount } from "../../ui/format";
import { Chart } from "../chart/chart";
import { Chevron } from "../controls";
import { depthOf, isUndriven, type SaleFigures } from "../feed/figures";
import { HISTORY_SECONDS, type History } from "../feed/history";
import { DeadLetters } from "../letters/dead-letters";
import { Report } from "../report/report";
import { counted, formatAge, formatTicking } from "../wording";
import { Lanes } from "./lanes";
import { Traffic } from "./traffic";

interface SaleProps {
  token: string;
  sale: SaleFigures;
  history: History | null;
  /** Server's time in milliseconds. */
  now: number;
  isUnfolded: boolean;
  onToggle: (sale: string) => void;
}

/** One sale: a line that says how it goes, and all about it when unfolded. */
export function Sale({ token, sale, history, now, isUnfolded, onToggle }: SaleProps) {
  const ids = { name: useId(), body: useId() };
  return (
    <section aria-labelledby={ids.name} className="rounded-panel border border-line bg-surface">
      <Summary
        sale={sale}
        now={now}
        nameId={ids.name}
        bodyId={ids.body}
        isUnfolded={isUnfolded}
        onToggle={() => {
          onToggle(sale.sale);
        }}
      />
      {isUnfolded && (
        <div
          id={ids.body}
          className="grid grid-cols-[minmax(0,1fr)] gap-5 border-t border-line px-4 py-4"
        >
          <Traffic sale={sale} />
          <Charts history={history} />
          <Lanes sale={sale} />
          <DeadLetters
            token={token}
            sale={sale.sale}
            count={sale.deadLetters}
            products={sale.lanes.map(({ productId }) => productId)}
          />
          <Report token={token} sale={sale.sale} />
        </div>
      )}
    </section>
  );
}

const TONES: Readonly<Record<string, Tone>> = {
  Open: "good",
  SoldOut: "wait",
  Suspended: "bad",
  Draining: "wait",
};

interface SummaryProps {
  sale: SaleFigures;
  now: number;
  nameId: string;
  bodyId: string;
  isUnfolded: boolean;
  onToggle: () => void;
}

/** The line of a sale: its state and clock, what is left, what waits, and what is wrong. */
function Summary({ sale, now, nameId, bodyId, isUnfolded, onToggle }: SummaryProps) {
  const undriven = sale.lanes.filter(isUndriven).length;
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5 tabular-nums">
      <h3>
        <button
          type="button"
          aria-expanded={isUnfolded}
          aria-controls={isUnfolded ? bodyId : undefined}
          onClick={onToggle}
          className="flex min-h-9 items-center gap-2 rounded-lg text-left text-lg font-semibold"
        >
          <Chevron isOpen={isUnfolded} />
          <span id={nameId} className="break-all">
            {sale.sale}
          </span>
        </button>
      </h3>
      <Badge tone={TONES[sale.status] ?? "neutral"}>{stateWord(sale.status)}</Badge>
      <span>{clockOf(sale, now)}</span>
      {undriven > 0 && <Badge tone="bad">{counted(undriven, "lane")} without driver</Badge>}
      {sale.deadLetters > 0 && <Badge tone="bad">{counted(sale.deadLetters, "dead letter")}</Badge>}
      <dl className="ml-auto flex flex-wrap gap-x-5 gap-y-1">
        <Figure name="left" value={stockLeft(sale)} />
        <Figure name="waiting" value={formatCount(depthOf(sale))} />
        {sale.pendingOrders !== undefined && (
          <Figure name="unpaid" value={countOrUnknown(sale.pendingOrders)} />
        )}
        <Figure name="confirmed/s" value={formatCount(sale.outcomes.confirmed)} />
      </dl>
    </div>
  );
}

/** Units left of all products; with a + where some are not known. */
function stockLeft({ lanes }: SaleFigures): string {
  const known = lanes.flatMap(({ stock }) => stock ?? []);
  if (known.length === 0 && lanes.length > 0) {
    return "unknown";
  }
  const left = formatCount(known.reduce((sum, stock) => sum + stock, 0));
  return known.length < lanes.length ? `${left} + ?` : left;
}

function countOrUnknown(count: number | null): string {
  return count === null ? "unknown" : formatCount(count);
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div className="flex flex-row-reverse items-baseline gap-1.5">
      <dt className="text-muted">{name}</dt>
      <dd className="text-lg font-semibold">{value}</dd>
    </div>
  );
}

/** Where a sale stands in time, in a few words: "open since 3 min 12 s · closes in 04:09". */
export function clockOf(sale: SaleFigures, now: number): string {
  const opens = sale.opensAt === null ? null : Date.parse(sale.opensAt);
  const closes = sale.closesAt === null ? null : Date.parse(sale.closesAt);
  if (sale.status === "Closed" || sale.status === "Draining") {
    return closes !== null && closes <= now ? `closed since ${formatAge(now - closes)}` : "closed";
  }
  if (opens !== null && now < opens) {
    return `opens in ${formatTicking(opens - now)}`;
  }
  const since = opens === null ? "open from the start" : `open since ${formatAge(now - opens)}`;
  if (closes === null) {
    return since;
  }
  return closes > now ? `${since} · closes in ${formatTicking(closes - now)}` : "closing";
}

/** The words for a sale's state. */
function stateWord(status: string): string {
  return status === "SoldOut" ? "Sold out" : status;
}

/** The last two minutes of a sale: what came in and went out, and what waited in between. */
function Charts({ history }: { history: History | null }) {
  const seconds = history?.seconds ?? [];
  return (
    <div className="grid gap-x-8 gap-y-4 lg:grid-cols-[2fr_1fr]">
      <Chart
        title="Confirmations a second"
        slots={HISTORY_SECONDS}
        series={[
          { name: "confirmed", look: "filled", values: seconds.map((s) => s?.confirmed ?? null) },
          { name: "queued", look: "line", values: seconds.map((s) => s?.queued ?? null) },
        ]}
      />
      <Chart
        title="Jobs waiting"
        slots={HISTORY_SECONDS}
        series={[{ name: "waiting", look: "quiet", values: seconds.map((s) => s?.depth ?? null) }]}
      />
    </div>
  );
}
