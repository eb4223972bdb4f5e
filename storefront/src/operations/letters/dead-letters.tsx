import { useEffect, useId, useRef, useState } from "react";

import { Actions } from "./actions";
import { Confirmation, type Intent } from "./confirmation";
import { Filter } from "./filter";
import { LetterTable } from "./letter-table";
import { Paging } from "./paging";
import { tickedOf, type Selection } from "./selection";
import { useLetters } from "./use-letters";
import { useSettling } from "./use-settling";

interface DeadLettersProps {
  token: string;
  sale: string;
  /** How many there are, from the figures. */
  count: number;
  /** Products of the sale, to filter by. */
  products: readonly string[];
}

const NONE: Selection = new Set();

/** The dead letters of a sale: to find, to read, to replay and to discard. */
export function DeadLetters({ token, sale, count, products }: DeadLettersProps) {
  const headingId = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  const letters = useLetters(token, sale, count);
  const [selection, setSelection] = useState(NONE);
  const [intent, setIntent] = useState<Intent | null>(null);
  const settling = useSettling(token, sale, (isDone) => {
    if (isDone) setSelection(NONE);
    letters.refresh();
  });

  const { filter, page, error } = letters;
  const shown = page?.deadLetters ?? [];
  const ticked = tickedOf(
    selection,
    shown.map(({ id }) => id),
  );
  const isFiltered = filter.product !== "" || filter.reason !== "";

  const isEmpty = count === 0 && !isFiltered && shown.length === 0;

  useEffect(() => {
    // The button that emptied the list went with it: whoever pressed it goes on from here.
    if (isEmpty && settling.result && document.activeElement === document.body) {
      heading.current?.focus();
    }
  }, [isEmpty, settling.result]);

  return (
    <section aria-labelledby={headingId} className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <h4 id={headingId} ref={heading} tabIndex={-1} className="font-semibold">
        Dead letters of {sale}
      </h4>
      {error !== null && (
        <p className="font-semibold text-bad">The letters could not be listed: {error}</p>
      )}
      {settling.result && (
        <p className={`font-semibold ${settling.result.isGood ? "text-good" : "text-bad"}`}>
          {settling.result.text}
        </p>
      )}
      {isEmpty ? (
        <p className="text-muted">None.</p>
      ) : (
        <>
          <Filter filter={filter} products={products} onChange={letters.look} />
          {shown.length > 0 && (
            <LetterTable
              sale={sale}
              letters={shown}
              selection={selection}
              onSelect={setSelection}
            />
          )}
          <div className="flex flex-wrap items-center gap-3">
            <Actions ids={ticked} isBusy={settling.isBusy} onIntent={setIntent} />
            <Paging letters={letters} />
          </div>
        </>
      )}
      <Confirmation
        intent={intent}
        onConfirm={(confirmed) => {
          setIntent(null);
          void settling.settle(confirmed);
        }}
        onCancel={() => {
          setIntent(null);
        }}
      />
    </section>
  );
}
