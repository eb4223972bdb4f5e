import { useId } from "react";

import type { SaleFigures } from "../feed/figures";
import type { History } from "../feed/history";
import { DeadLetters } from "../letters/dead-letters";
import { Charts } from "./charts";
import { Lanes } from "./lanes";
import { Summary } from "./summary";
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
        </div>
      )}
    </section>
  );
}
