import type { ReactNode } from "react";

import { Chevron } from "../controls";
import type { GatewayFigures, WorkerFigures } from "../feed/figures";
import { counted } from "../wording";

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
