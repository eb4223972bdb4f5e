import { Chart } from "../chart/chart";
import { HISTORY_SECONDS, type History } from "../feed/history";

/** The last two minutes of a sale: what came in and went out, and what waited in between. */
export function Charts({ history }: { history: History | null }) {
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
