import type { ReactNode } from "react";

import { Badge, Button, type Tone } from "../ui/elements";
import { PageHeading } from "../ui/layout";
import { Chevron } from "./controls";
import type { GatewayFigures, WorkerFigures } from "./feed/figures";
import type { FeedConnection, FeedState } from "./feed/state";
import { counted, formatAge, formatTimeOfDay } from "./wording";

const CONNECTIONS: Record<FeedConnection, { tone: Tone; text: string }> = {
  connecting: { tone: "neutral", text: "Connecting…" },
  live: { tone: "good", text: "Live" },
  polling: { tone: "wait", text: "Polling" },
  lost: { tone: "bad", text: "No answer" },
};

const STALE: (typeof CONNECTIONS)[FeedConnection] = { tone: "bad", text: "Old figures" };

interface HeadProps {
  connection: FeedConnection;
  /** Whether figures come but are old. */
  isStale: boolean;
  /** The server's time; null before it is known. */
  now: number | null;
  onLeave: () => void;
}

/** What the page is, whether it is up to date, and the clock that sales open and close by. */
export function Head({ connection, isStale, now, onLeave }: HeadProps) {
  const { tone, text } = isStale && connection !== "lost" ? STALE : CONNECTIONS[connection];
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
      <PageHeading title="Operations" className="text-3xl" />
      <Badge tone={tone}>{text}</Badge>
      <div className="ml-auto flex items-center gap-4">
        {now !== null && (
          <p className="text-2xl font-semibold tabular-nums">
            <span className="sr-only">Server’s clock: </span>
            {formatTimeOfDay(now)} <span className="text-sm font-normal text-muted">UTC</span>
          </p>
        )}
        <Button size="small" onClick={onLeave}>
          Sign out
        </Button>
      </div>
    </div>
  );
}

/** Figures come each second; older than this they are called old. */
const OLD_MS = 4_000;

/** That what is shown is not what is. */
export interface Staleness {
  /** Server's time when it was last true; null when it never was. */
  readonly since: number | null;
  readonly age: number;
  readonly because: string;
}

/** Whether the figures are old at `now` (server's time), and why. */
export function staleness(state: FeedState, now: number): Staleness | null {
  const { figures, at, currentAt, connection } = state;
  if (figures && !figures.isCurrent) {
    const because = "Redis does not answer the gateway.";
    return { since: currentAt, age: currentAt === null ? 0 : now - currentAt, because };
  }
  if (connection === "lost" || (at !== null && now - at > OLD_MS)) {
    const because = "The gateway does not answer; trying again each second.";
    return { since: at, age: at === null ? 0 : now - at, because };
  }
  return null;
}

/** Says loudly that the figures are old. */
export function Stale({ staleness }: { staleness: Staleness | null }) {
  if (!staleness) {
    return null;
  }
  const { since, age, because } = staleness;
  return (
    <p className="rounded-panel border-2 border-bad bg-bad-wash px-4 py-3 text-lg text-bad">
      <strong className="tabular-nums">
        {since === null
          ? "No figures yet."
          : `Figures are old since ${formatTimeOfDay(since)} UTC, ${formatAge(age)} ago.`}
      </strong>{" "}
      {because}
    </p>
  );
}

interface ProcessesProps {
  gateways: readonly GatewayFigures[];
  workers: readonly WorkerFigures[];
}

/** The processes that have been heard from, counted; by name when opened. */
export function Processes({ gateways, workers }: ProcessesProps) {
  const sockets = gateways.reduce((sum, gateway) => sum + gateway.sockets, 0);
  const lanes = workers.reduce((sum, worker) => sum + worker.lanes.length, 0);
  return (
    <div className="grid items-start gap-3 sm:grid-cols-2">
      <Kind
        title={counted(gateways.length, "gateway")}
        sum={counted(sockets, "socket")}
        processes={gateways}
        load={({ sockets }) => counted(sockets, "socket")}
      />
      <Kind
        title={counted(workers.length, "worker")}
        sum={`${counted(lanes, "lane")} driven`}
        processes={workers}
        load={({ lanes }) => lanes.map(({ productId }) => productId).join(", ") || "no lane"}
      />
    </div>
  );
}

interface KindProps<Process> {
  title: string;
  sum: string;
  processes: readonly Process[];
  load: (process: Process) => ReactNode;
}

function Kind<Process extends { name: string; version: string }>(props: KindProps<Process>) {
  const { title, sum, processes, load } = props;
  const versions = [...new Set(processes.map(({ version }) => version))];
  return (
    <details className="group rounded-panel border border-line bg-surface">
      <summary className="flex flex-wrap items-center gap-x-3 rounded-panel px-4 py-2 tabular-nums">
        <Chevron />
        <span className="text-lg font-semibold">{title}</span>
        <span className="text-muted">{sum}</span>
        <span
          className={`ml-auto ${versions.length > 1 ? "font-semibold text-wait" : "text-muted"}`}
        >
          {versions.length > 1 ? `versions ${versions.join(", ")}` : versions[0]}
        </span>
      </summary>
      <ul className="grid gap-1 border-t border-line px-4 py-2">
        {processes.map((process) => (
          <li key={process.name} className="flex flex-wrap gap-x-3">
            <span className="font-mono break-all">{process.name}</span>
            <span className="text-muted">{process.version}</span>
            <span className="ml-auto tabular-nums">{load(process)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
