import { useSyncExternalStore } from "react";

/** A value that can be watched. `get` answers the same object until the value changes. */
export interface Readable<T> {
  readonly get: () => T;
  /** Calls `listener` after each change, until the returned function is called. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** A value that can be watched and set. */
export interface Signal<T> extends Readable<T> {
  readonly set: (value: T) => void;
}

/** A signal that holds `value` at first; setting what it holds already tells nobody. */
export function signal<T>(value: T): Signal<T> {
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
  };
}

/** The value of a signal, now and after each change. */
export function useSignal<T>(readable: Readable<T>): T {
  return useSyncExternalStore(readable.subscribe, readable.get);
}
