import { useEffect, useId, useState } from "react";

import { fieldClass } from "../controls";
import type { LetterFilter } from "./letters";

/** Typing is over when nothing was typed for so long. */
const PAUSE_MS = 300;

interface FilterProps {
  filter: LetterFilter;
  products: readonly string[];
  onChange: (filter: LetterFilter) => void;
}

/** Which dead letters are looked for. */
export function Filter({ filter, products, onChange }: FilterProps) {
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
