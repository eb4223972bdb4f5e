import { useEffect, useId, useRef, type ReactNode } from "react";

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
