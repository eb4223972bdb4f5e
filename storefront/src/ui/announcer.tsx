import { useSyncExternalStore } from "react";

/** How soon a listener hears it: at the next pause, or at once. */
export type Urgency = "polite" | "assertive";

interface Spoken {
  readonly id: number;
  readonly urgency: Urgency;
  readonly sentence: string;
}

/** What was said is taken back, so that nobody meets it again while reading down the page. */
const CLEARED_AFTER_MS = 8000;

const listeners = new Set<() => void>();
let spoken: readonly Spoken[] = [];
let lastId = 0;

function show(next: readonly Spoken[]): void {
  spoken = next;
  for (const listener of listeners) {
    listener();
  }
}

/** Tells screen readers something that others see on the page. */
export function announce(sentence: string, urgency: Urgency = "polite"): void {
  lastId += 1;
  const id = lastId;
  show([...spoken, { id, urgency, sentence }]);
  setTimeout(() => {
    show(spoken.filter((one) => one.id !== id));
  }, CLEARED_AFTER_MS);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function Region({ urgency }: { urgency: Urgency }) {
  const all = useSyncExternalStore(subscribe, () => spoken);
  return (
    // Not atomic: a second sentence is read after the first one, and does not replace it.
    <div role={urgency === "polite" ? "status" : "alert"} aria-atomic="false">
      {all
        .filter((one) => one.urgency === urgency)
        .map(({ id, sentence }) => (
          <p key={id}>{sentence}</p>
        ))}
    </div>
  );
}

/** The two live regions of the page; `announce` speaks through them. */
export function Announcer() {
  return (
    <div className="sr-only">
      <Region urgency="polite" />
      <Region urgency="assertive" />
    </div>
  );
}
