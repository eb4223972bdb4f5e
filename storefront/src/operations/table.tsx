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
  /** Whether a long table scrolls by itself, so that what stands below it stays in sight. */
  isBounded?: boolean;
  children: ReactNode;
}

/** A table that scrolls where there is no room; what has the focus in it leads the way. */
export function Table({ name, head, isBounded = false, children }: TableProps) {
  return (
    // Positioned: what is hidden from sight inside must scroll along, not stretch the page.
    <div className={`relative -mx-4 overflow-auto px-1 ${isBounded ? "max-h-112" : ""}`}>
      <table aria-label={name} className="w-full border-collapse">
        <thead className={isBounded ? "sticky top-0 z-10 bg-surface" : ""}>
          <tr>{head}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
