import { useId, type ReactNode } from "react";

import { formatCount } from "../../ui/format";
import type { SaleFigures } from "../feed/figures";
import { formatMean } from "../wording";

/** The last second of a sale: buys by answer, jobs by outcome, batches. */
export function Traffic({ sale }: { sale: SaleFigures }) {
  const { outcomes, batches } = sale;
  const groups = groupAnswers(sale.buys);
  const parts = groups.flatMap((group) => group.parts);
  return (
    <div className="grid gap-x-8 gap-y-4 xl:grid-cols-[5fr_4fr_3fr] lg:grid-cols-2">
      <Group
        title="Buys a second"
        note={parts.map(({ kind, count }) => `${kind} ${formatCount(count)}`).join(" · ")}
      >
        {groups.map(({ name, count, isTrouble }) => (
          <Figure key={name} name={name} value={formatCount(count)} isBad={isTrouble} />
        ))}
      </Group>
      <Group title="Outcomes a second">
        <Figure name="Confirmed" value={formatCount(outcomes.confirmed)} />
        <Figure name="Sold out" value={formatCount(outcomes.soldOut)} />
        <Figure name="Limit reached" value={formatCount(outcomes.limitReached)} />
        <Figure name="Failed" value={formatCount(outcomes.failed)} isBad={outcomes.failed > 0} />
      </Group>
      <Group title="Batches a second">
        <Figure name="Count" value={formatCount(batches.count)} />
        <Figure name="Mean size" value={formatMean(batches.jobs, batches.count)} />
        <Figure name="Largest" value={formatCount(batches.largest)} />
      </Group>
    </div>
  );
}

function Group({ title, note, children }: { title: string; note?: string; children: ReactNode }) {
  const id = useId();
  return (
    <div role="group" aria-labelledby={id}>
      <h4 id={id} className="font-semibold">
        {title}
      </h4>
      <dl className="mt-1 flex flex-wrap gap-x-5 gap-y-2">{children}</dl>
      {note && <p className="mt-1 text-muted tabular-nums">{note}</p>}
    </div>
  );
}

function Figure({ name, value, isBad = false }: { name: string; value: string; isBad?: boolean }) {
  return (
    <div className={`flex min-w-14 flex-col-reverse ${isBad ? "text-bad" : ""}`}>
      <dt className={isBad ? "" : "text-muted"}>{name}</dt>
      <dd
        className={`text-2xl leading-7 font-semibold tabular-nums ${value === "0" ? "text-muted" : ""}`}
      >
        {value}
      </dd>
    </div>
  );
}

/** Buys of a second that got the same answer, or answers that read as one. */
export interface AnswerGroup {
  readonly name: string;
  readonly count: number;
  /** What the group is made of, largest first; empty where the name says it. */
  readonly parts: readonly { readonly kind: string; readonly count: number }[];
  /** Whether these answers say that something does not work, not that the sale is in demand. */
  readonly isTrouble: boolean;
}

/** Answers with a figure of their own. */
const NAMED: readonly (readonly [kind: string, name: string])[] = [
  ["queued", "Queued"],
  ["replayed", "Replayed"],
  ["sold-out", "Sold out"],
  ["quota-exceeded", "Rate limited"],
];

/** The system's trouble, not the shopper's. */
const TROUBLE = new Set(["unavailable", "internal-error", "lane-full", "not-replicated"]);

/** Buys of a second by answer, always the same groups in the same places. */
export function groupAnswers(buys: Readonly<Record<string, number>>): AnswerGroup[] {
  const counts = new Map(Object.entries(buys));
  const named = NAMED.map(([kind, name]) => {
    const count = counts.get(kind) ?? 0;
    counts.delete(kind);
    return { name, count, parts: [], isTrouble: false };
  });
  const parts = [...counts]
    .map(([kind, count]) => ({ kind, count }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count || a.kind.localeCompare(b.kind));
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const isTrouble = parts.some(({ kind }) => TROUBLE.has(kind));
  return [...named, { name: "Other refusals", count, parts, isTrouble }];
}
