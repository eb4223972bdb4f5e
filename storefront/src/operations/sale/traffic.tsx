import { useId, type ReactNode } from "react";

import type { SaleFigures } from "../feed/figures";
import { formatCount } from "../../ui/format";
import { formatMean } from "../wording";
import { groupAnswers } from "./answers";

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
