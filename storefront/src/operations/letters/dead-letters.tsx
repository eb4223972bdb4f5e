import { useEffect, useId, useRef, useState } from "react";

import { Button } from "../../ui/elements";
import { fieldClass } from "../controls";
import { counted } from "../wording";
import { LetterTable, tickedOf, type Selection } from "./letter-table";
import { useLetters, type LetterFilter, type Letters } from "./letters";
import { Actions, Confirmation, useSettling, type Intent } from "./settling";

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

/** Typing is over when nothing was typed for so long. */
const PAUSE_MS = 300;

interface FilterProps {
  filter: LetterFilter;
  products: readonly string[];
  onChange: (filter: LetterFilter) => void;
}

/** Which dead letters are looked for. */
function Filter({ filter, products, onChange }: FilterProps) {
  const ids = { product: useId(), reason: useId() };
  const [reason, setReason] = useState(filter.reason);

  useEffect(() => {
    const wanted = reason.trim();
    if (wanted === filter.reason) {
      return undefined;
    }
    const pause = setTimeout(() => {
      onChange({ ...filter, reason: wanted });
    }, PAUSE_MS);
    return () => {
      clearTimeout(pause);
    };
  }, [reason, filter, onChange]);

  return (
    <div className="flex flex-wrap gap-3">
      <div className="grid gap-1">
        <label htmlFor={ids.product} className="text-muted">
          Product
        </label>
        <select
          id={ids.product}
          value={filter.product}
          onChange={(event) => {
            onChange({ reason: reason.trim(), product: event.target.value });
          }}
          className={fieldClass}
        >
          <option value="">All products</option>
          {products.map((product) => (
            <option key={product}>{product}</option>
          ))}
        </select>
      </div>
      <div className="grid grow gap-1 sm:max-w-80">
        <label htmlFor={ids.reason} className="text-muted">
          Reason contains
        </label>
        <input
          id={ids.reason}
          type="search"
          autoComplete="off"
          value={reason}
          onChange={(event) => {
            setReason(event.target.value);
          }}
          className={fieldClass}
        />
      </div>
    </div>
  );
}

/** Where one is among the letters, and the ways on and back. */
function Paging({ letters }: { letters: Letters }) {
  const { page, isLoading, filter, pageNumber, next, previous, refresh } = letters;
  const isFiltered = filter.product !== "" || filter.reason !== "";
  const shown = page?.deadLetters.length ?? 0;
  return (
    <div className="ml-auto flex flex-wrap items-center gap-3 tabular-nums">
      {page && (
        <span className="text-muted">
          {isFiltered && shown === 0 ? "No letter matches" : `Page ${pageNumber}, ${shown} shown`},{" "}
          {counted(page.total, "letter")} in all
        </span>
      )}
      {(previous ?? next) && (
        <>
          <Step onStep={previous}>Previous</Step>
          <Step onStep={next}>Next</Step>
        </>
      )}
      <Button size="small" onClick={refresh}>
        {isLoading ? "Looking…" : "Refresh"}
      </Button>
    </div>
  );
}

/** A step that stays where it is when there is none to take: the focus may be on it. */
function Step({ onStep, children }: { onStep: (() => void) | null; children: string }) {
  return (
    <Button
      size="small"
      aria-disabled={onStep === null}
      className="aria-disabled:border-line aria-disabled:text-muted"
      onClick={() => onStep?.()}
    >
      {children}
    </Button>
  );
}
