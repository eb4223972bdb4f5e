import type { ReactNode } from "react";

/** The look of a cell. */
export const cell = "px-3 py-1.5 align-baseline";

/** The look of a cell that holds a figure. */
export const figureCell = `${cell} text-right tabular-nums whitespace-nowrap`;

/** The look of the head of a column. */
export const columnHead = `${cell} text-left text-muted font-semibold whitespace-nowrap`;

interface TableProps {
  /** What a screen reader calls it. */
  name: string;
  /** The heads of its columns. */
  head: ReactNode;
  children: ReactNode;
}

/** A table that scrolls sideways where there is no room; what has the focus in it leads the way. */
export function Table({ name, head, children }: TableProps) {
  return (
    <div className="-mx-4 overflow-x-auto px-1">
      <table aria-label={name} className="w-full border-collapse">
        <thead>
          <tr>{head}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
