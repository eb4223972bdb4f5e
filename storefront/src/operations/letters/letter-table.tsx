import { useState } from "react";

import { formatCount } from "../../ui/format";
import { cell, columnHead, figureCell, Table } from "../controls";
import { formatMoment } from "../wording";
import type { DeadLetter } from "./letters";

interface LetterTableProps {
  sale: string;
  letters: readonly DeadLetter[];
  selection: Selection;
  onSelect: (selection: Selection) => void;
}

/** Dead letters, to read and to tick. */
export function LetterTable({ sale, letters, selection, onSelect }: LetterTableProps) {
  const shown = letters.map(({ id }) => id);
  const ticked = tickedOf(selection, shown).length;
  const isSome = ticked > 0 && ticked < shown.length;
  return (
    <Table
      name={`Letters of ${sale}`}
      isBounded
      head={
        <>
          <th scope="col" className={columnHead}>
            <input
              type="checkbox"
              aria-label="Select all shown"
              className="size-5 accent-ink align-middle"
              checked={ticked === shown.length}
              ref={(box) => {
                if (box) box.indeterminate = isSome;
              }}
              onChange={() => {
                onSelect(allToggled(selection, shown));
              }}
            />
          </th>
          {["Died (UTC)", "Product", "Reason", "Attempts", "Shopper", "Job"].map((name) => (
            <th
              key={name}
              scope="col"
              className={`${columnHead} ${name === "Attempts" ? "text-right" : ""}`}
            >
              {name}
            </th>
          ))}
        </>
      }
    >
      {letters.map((letter) => (
        <Letter
          key={letter.id}
          letter={letter}
          isTicked={selection.has(letter.id)}
          onTick={() => {
            onSelect(toggled(selection, letter.id));
          }}
        />
      ))}
    </Table>
  );
}

interface LetterProps {
  letter: DeadLetter;
  isTicked: boolean;
  onTick: () => void;
}

function Letter({ letter, isTicked, onTick }: LetterProps) {
  const { id, productId, reason, attempts, diedAt, userId } = letter;
  return (
    <tr className={`border-t border-line ${isTicked ? "bg-sunken" : ""}`}>
      <td className={cell}>
        <input
          type="checkbox"
          aria-label={`Select letter ${id}`}
          className="size-5 accent-ink align-middle"
          checked={isTicked}
          onChange={onTick}
        />
      </td>
      <td className={`${cell} whitespace-nowrap tabular-nums`}>
        {diedAt === null ? "unknown" : formatMoment(Date.parse(diedAt))}
      </td>
      <td className={`${cell} whitespace-nowrap`}>{productId}</td>
      <td className={`${cell} min-w-64 break-words`}>{reason}</td>
      <td className={figureCell}>{formatCount(attempts)}</td>
      <td className={`${cell} max-w-40 break-words`}>{userId ?? "unknown"}</td>
      <td className={cell}>
        <Job letter={letter} />
      </td>
    </tr>
  );
}

/** The entry itself, made readable only when somebody wants to read it. */
function Job({ letter: { job, jobId } }: { letter: DeadLetter }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details
      onToggle={(event) => {
        setOpen(event.currentTarget.open);
      }}
    >
      <summary className="rounded-sm font-mono text-xs whitespace-nowrap">
        {jobId ?? "no job"}
      </summary>
      {isOpen && (
        <pre className="mt-1 max-w-96 rounded-lg bg-sunken p-3 text-xs break-all whitespace-pre-wrap">
          {prettyJob(job)}
        </pre>
      )}
    </details>
  );
}

/** Ids of the letters that are ticked. */
export type Selection = ReadonlySet<string>;

/** With one more or one fewer. */
export function toggled(selection: Selection, id: string): Selection {
  const next = new Set(selection);
  if (!next.delete(id)) {
    next.add(id);
  }
  return next;
}

/** All of those shown, or none when all were ticked already. */
export function allToggled(selection: Selection, shown: readonly string[]): Selection {
  return shown.every((id) => selection.has(id)) ? new Set() : new Set(shown);
}

/** What is ticked of what is shown: nobody acts on a letter that cannot be seen. */
export function tickedOf(selection: Selection, shown: readonly string[]): string[] {
  return shown.filter((id) => selection.has(id));
}

/** A job as people read it: indented where it is JSON, as it is where it is not. */
export function prettyJob(job: string): string {
  try {
    return JSON.stringify(JSON.parse(job), null, 2);
  } catch {
    return job === "" ? "(empty)" : job;
  }
}
