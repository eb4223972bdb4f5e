import type { Answer } from "../server/gateway";
import { NETWORK } from "../server/problem";
import type { Holder, PassesParts } from "./holder";

/** Passes of this tab. */
export interface Passes {
  /** A pass of the shopper for a sale, got now if there is none; null where none is needed. */
  readonly of: (sale: string, userId: string) => Promise<Answer<string | null>>;
  /** The gateway asked for a pass, or for another one. */
  readonly asked: (sale: string, userId: string) => void;
  /** Gets passes for sales that open soon, and those that open later in time. */
  readonly prepare: () => void;
  readonly stop: () => void;
}

/** No passes yet. Most sales ask for none, so what gets them is loaded by the first that does. */
export function createPasses(parts: PassesParts): Passes {
  const { sales } = parts.catalogue;
  /** Sales that asked for a pass although the catalogue did not say so yet. */
  const insisting = new Set<string>();
  let loading: Promise<Holder | null> | undefined;

  const holder = () =>
    (loading ??= import("./holder").then(
      ({ createHolder }) => createHolder(parts),
      () => {
        loading = undefined;
        return null;
      },
    ));

  return {
    of: async (sale, userId) => {
      const isAsked = sales.get().sales.some((one) => one.sale === sale && one.passRequired);
      if (!isAsked && !insisting.has(sale)) return { ok: true, value: null };
      return (await holder())?.of(sale, userId) ?? { ok: false, problem: NETWORK };
    },
    asked: (sale, userId) => {
      insisting.add(sale);
      void holder().then((loaded) => loaded?.drop(sale, userId));
    },
    prepare: () => {
      if (sales.get().sales.some(({ passRequired }) => passRequired)) {
        void holder().then((loaded) => loaded?.prepare());
      }
    },
    stop: () => void loading?.then((loaded) => loaded?.stop()),
  };
}
