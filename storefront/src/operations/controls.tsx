import { useEffect, useId, useRef, type ReactNode } from "react";

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
  /** Whether nothing in it takes the focus: the table itself does then, so that keys can scroll it. */
  isReadOnly?: boolean;
  children: ReactNode;
}

/** A table that scrolls where there is no room; what has the focus in it leads the way. */
export function Table({ name, head, isBounded = false, isReadOnly = false, children }: TableProps) {
  const scrolledByKeys = isReadOnly
    ? { role: "group", tabIndex: 0, "aria-label": `${name}, scrollable` }
    : {};
  return (
    // Positioned: what is hidden from sight inside must scroll along, not stretch the page.
    <div
      {...scrolledByKeys}
      className={`relative -mx-4 overflow-auto px-1 ${isBounded ? "max-h-112" : ""}`}
    >
      <table aria-label={name} className="w-full border-collapse">
        <thead className={isBounded ? "sticky top-0 z-10 bg-surface" : ""}>
          <tr>{head}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

interface DialogProps {
  isOpen: boolean;
  /** Escape was pressed, or the dark around it. */
  onClose: () => void;
  title: string;
  /** The buttons, the safe one first: it gets the focus. */
  actions: ReactNode;
  children: ReactNode;
}

/** A question that must be answered first; the browser keeps the focus inside and gives it back. */
export function Dialog({ isOpen, onClose, title, actions, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();

  useEffect(() => {
    const element = dialog.current;
    if (isOpen && element && !element.open) {
      element.showModal();
    } else if (!isOpen) {
      element?.close();
    }
  }, [isOpen]);

  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      closedby="any"
      // `isOpen` alone decides when the dialog closes. If the browser closed it first, a press before
      // the `close` event would be lost.
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClose={onClose}
      className="m-auto w-[min(32rem,calc(100%-2rem))] rounded-card bg-surface p-6 text-ink shadow-card backdrop:bg-[#0b0c0dcc] open:animate-appear sm:p-8"
    >
      {isOpen && (
        <>
          <h2 id={titleId} className="text-xl font-bold">
            {title}
          </h2>
          <div className="mt-3 text-muted">{children}</div>
          <div className="mt-6 flex flex-wrap justify-end gap-3">{actions}</div>
        </>
      )}
    </dialog>
  );
}

/** The sign of what unfolds: points right, and down when `isOpen` or inside an open `details`. */
export function Chevron({ isOpen = false }: { isOpen?: boolean }) {
  return (
    <svg
      viewBox="0 0 12 12"
      aria-hidden="true"
      className={`size-3 shrink-0 fill-none stroke-current stroke-2 group-open:rotate-90 ${isOpen ? "rotate-90" : ""}`}
    >
      <path d="M4 1.5 8.5 6 4 10.5" />
    </svg>
  );
}

/** The look of what one types or chooses in. */
export const fieldClass =
  "w-full min-h-9 rounded-lg border border-edge bg-surface px-3 text-ink hover:border-ink";
